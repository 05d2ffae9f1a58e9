//! Huge pages out of the machine's pool.

use std::fs;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use wharf_core::AccessMode;
use wharf_linux::{
    AllocationRequest, Heap, HeapError, HeapMemory, HugeHeap, Memfd, MemfdExporter, Residency,
};
use wharf_memory::{Access, CHUNK_BYTES, MapError, Mapping};
use wharf_testkit::skip;

use crate::huge::{assert_contiguous, huge};
use crate::support::{CHUNK, assert_fixed_size};

/// More than all tests here take at a time.
const PAGES_NEEDED: u64 = 12;

fn has_pool() -> bool {
    let count = |name: &str| {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{name}");
        fs::read_to_string(path).map_or(0, |text| text.trim().parse::<u64>().unwrap())
    };
    let free = count("free_hugepages") - count("resv_hugepages");
    let extra = count("nr_overcommit_hugepages").saturating_sub(count("surplus_hugepages"));
    if free + extra < PAGES_NEEDED {
        skip(&format!(
            "reserved huge pages: {PAGES_NEEDED} must be free (vm.nr_hugepages)"
        ));
    }
    free + extra >= PAGES_NEEDED
}

fn reserved(chunks: u64) -> HeapMemory {
    let request = AllocationRequest {
        min_chunk_bytes: Some(CHUNK),
        locked: true,
        single_writer: true,
        ..AllocationRequest::new("reserved", chunks * CHUNK)
    };
    let memory = HugeHeap.allocate(&request).unwrap();
    assert!(matches!(memory.residency(), Residency::Reserved), "{memory:?}");
    memory
}

/// Bytes of the file that have pages.
fn present_bytes(memfd: &Memfd) -> i64 {
    rustix::fs::fstat(memfd).unwrap().st_blocks * 512
}

fn punch(memfd: &Memfd) -> Result<(), Errno> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(memfd, flags, 0, CHUNK)
}

#[test]
fn all_pages_are_taken_from_the_pool_at_once() {
    if !has_pool() {
        return;
    }
    let memory = reserved(2);
    assert_eq!((memory.size_bytes(), memory.chunk_bytes()), (2 * CHUNK, CHUNK));
    assert!(memory.is_locked());
    assert_eq!(present_bytes(memory.memfd()), 2 * CHUNK as i64);
    assert_fixed_size(&memory);
}

#[test]
fn only_writer_maps_them_and_nobody_can_take_them_away() {
    if !has_pool() {
        return;
    }
    let memory = reserved(2);
    let other = Memfd::from_fd(rustix::io::dup(memory.memfd()).unwrap()).unwrap();
    let writer = MemfdExporter::map_heap_memory(memory, AccessMode::ReadWrite).unwrap();
    let view = writer.mapping().view_mut().unwrap();
    let mut bytes = vec![0xff; view.len_bytes()];
    view.as_view().copy_to(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0), "not zeroed");
    view.copy_from(CHUNK_BYTES, b"second chunk").unwrap();

    assert_eq!(punch(&other), Err(Errno::PERM));
    let second = Mapping::map(&other, CHUNK_BYTES, Access::ReadWrite).unwrap_err();
    assert_eq!(second.errno(), Errno::PERM);
    let reader = Memfd::from_fd(writer.memfd().reopen_read_only().unwrap()).unwrap();
    let reader = HeapMemory::new(reader, CHUNK, Residency::Reserved).unwrap();
    assert_contiguous(&reader);
    let mut seen = [0; 12];
    crate::support::mapped(&reader)
        .view()
        .copy_to(CHUNK_BYTES, &mut seen)
        .unwrap();
    assert_eq!(&seen, b"second chunk");
}

#[test]
fn memory_from_which_a_page_was_taken_is_refused() {
    if !has_pool() {
        return;
    }
    let memory = reserved(2);
    punch(memory.memfd()).unwrap();
    let refused = MemfdExporter::map_heap_memory(memory, AccessMode::ReadWrite).unwrap_err();
    let holes = MapError::HolesInHugePages {
        present_bytes: CHUNK,
        size_bytes: 2 * CHUNK,
    };
    assert!(
        matches!(&refused, HeapError::Map { source, .. } if *source == holes),
        "{refused:?}"
    );
}

#[test]
fn memory_for_several_writers_does_not_come_from_the_pool() {
    if !has_pool() {
        return;
    }
    let Some(memory) = huge(&AllocationRequest::new("several writers", CHUNK)) else {
        return;
    };
    assert!(matches!(memory.residency(), Residency::Swappable));
    let len_bytes = CHUNK_BYTES;
    for _ in 0..2 {
        assert!(Mapping::map(memory.memfd(), len_bytes, Access::ReadWrite).is_ok());
    }
}

#[test]
fn more_than_the_pool_has_is_put_together_instead() {
    if !has_pool() {
        return;
    }
    let read = |name: &str| {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{name}");
        fs::read_to_string(path).unwrap().trim().parse::<u64>().unwrap()
    };
    let too_many = read("nr_hugepages") + read("nr_overcommit_hugepages") + 1;
    if too_many > 64 {
        skip("more huge pages than the pool has: the pool is too large to exhaust in a test");
        return;
    }
    let request = AllocationRequest {
        single_writer: true,
        ..AllocationRequest::new("too many", too_many * CHUNK)
    };
    let Some(memory) = huge(&request) else { return };
    assert!(matches!(memory.residency(), Residency::Swappable));
    assert_eq!(memory.size_bytes(), too_many * CHUNK);
}
