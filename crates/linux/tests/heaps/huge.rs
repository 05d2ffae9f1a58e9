//! Huge pages that the kernel puts together.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::io::Errno;
use wharf_core::AccessMode;
use wharf_linux::{
    AllocationRequest, Heap, HeapMemory, Heaps, HugeHeap, MemfdExporter, PromiseField, RefusalReason,
    Residency, SystemHeap,
};
use wharf_testkit::skip;

use crate::support::{CHUNK, assert_fixed_size, assert_zeroed, in_a_process, mapped};

/// Memory in huge pages, or the word that this machine cannot give any: then the refusal must be typed.
pub(crate) fn huge(request: &AllocationRequest) -> Option<HeapMemory> {
    match HugeHeap.allocate(request) {
        Ok(memory) => Some(memory),
        Err(refusal) => {
            let is_typed = match &refusal.reason {
                RefusalReason::Promise { field, needed, got } => {
                    *field == PromiseField::BytesInChunks && got < needed
                }
                RefusalReason::Unsupported { .. } => true,
                _ => false,
            };
            assert!(is_typed, "{refusal:?}");
            let excuse = excuse().ok_or(&refusal).unwrap();
            skip(&format!("huge pages: {excuse}: {refusal}"));
            None
        }
    }
}

/// Why this machine need not be able to put huge pages together.
fn excuse() -> Option<&'static str> {
    if !Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        return Some("the kernel is built without them");
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next().unwrap().parse::<u32>().unwrap();
    if (number(), number()) < (6, 1) {
        return Some("the kernel is older than 6.1");
    }
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let line = meminfo
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (kib < 1 << 20).then_some("less than 1 GiB of memory is free")
}

/// The number of the page frame behind each page, or nothing where that is secret.
fn frames(memory: &HeapMemory) -> Option<Vec<u64>> {
    let mapping = mapped(memory);
    let page_bytes = rustix::param::page_size();
    let pagemap = File::open("/proc/self/pagemap").ok()?;
    let frame = |page: usize| {
        mapping.view().copy_to(page * page_bytes, &mut [0]).unwrap();
        let mut entry = [0; 8];
        let index = mapping.start_address() / page_bytes + page;
        pagemap.read_exact_at(&mut entry, index as u64 * 8).ok()?;
        let frame = u64::from_ne_bytes(entry) & ((1 << 55) - 1);
        (frame != 0).then_some(frame)
    };
    (0..mapping.len_bytes() / page_bytes).map(frame).collect()
}

/// Checks with the page frames themselves, which needs root, what the heap found out without.
pub(crate) fn assert_contiguous(memory: &HeapMemory) {
    let Some(frames) = frames(memory) else {
        skip("physical contiguity: /proc/self/pagemap tells frame numbers to root only");
        return;
    };
    let in_a_chunk = usize::try_from(CHUNK).unwrap() / rustix::param::page_size();
    for chunk in frames.chunks(in_a_chunk) {
        assert_eq!(chunk.len(), in_a_chunk);
        assert!(
            chunk[0].is_multiple_of(in_a_chunk as u64),
            "not aligned: frame {}",
            chunk[0]
        );
        let expected: Vec<u64> = (chunk[0]..).take(in_a_chunk).collect();
        assert!(chunk == expected, "not contiguous from frame {}", chunk[0]);
    }
}

#[test]
fn memory_is_whole_chunks_zeroed_and_of_fixed_size() {
    let request = AllocationRequest {
        min_chunk_bytes: Some(CHUNK),
        ..AllocationRequest::new("huge", 3 * CHUNK + 1)
    };
    let Some(memory) = huge(&request) else { return };
    assert_eq!(memory.size_bytes(), 4 * CHUNK);
    assert_eq!(memory.chunk_bytes(), CHUNK);
    assert!(matches!(memory.residency(), Residency::Swappable));
    assert_fixed_size(&memory);
    assert_zeroed(&memory);
    assert_contiguous(&memory);
}

#[test]
fn chunks_stay_whole_when_written_through_another_mapping() {
    let Some(memory) = huge(&AllocationRequest::new("huge written", 2 * CHUNK)) else {
        return;
    };
    let (memfd, residency) = memory.into_parts();
    let writer = MemfdExporter::map(memfd, AccessMode::ReadWrite).unwrap();
    let view = writer.mapping().view_mut().unwrap();
    view.fill(0, view.len_bytes(), 0x5a).unwrap();
    let again = wharf_linux::Memfd::from_fd(writer.memfd().reopen_read_only().unwrap()).unwrap();
    let memory = HeapMemory::new(again, CHUNK, residency).unwrap();
    assert_contiguous(&memory);
    let mut bytes = [0; 3];
    mapped(&memory).view().copy_to(4095, &mut bytes).unwrap();
    assert_eq!(bytes, [0x5a; 3]);
}

#[test]
fn locked_chunks_are_locked_and_whole() {
    in_a_process("huge::locked_chunks");
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn locked_chunks() {
    let request = AllocationRequest {
        locked: true,
        ..AllocationRequest::new("huge locked", CHUNK)
    };
    let Some(memory) = huge(&request) else { return };
    assert!(memory.is_locked());
    assert_eq!(crate::support::locked_bytes(), CHUNK);
    assert_contiguous(&memory);
    drop(memory);
    assert_eq!(crate::support::locked_bytes(), 0);
}

#[test]
fn process_without_huge_pages_is_refused_and_served_by_the_next_heap() {
    in_a_process("huge::without_huge_pages");
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn without_huge_pages() {
    rustix::thread::disable_transparent_huge_pages(true).unwrap();
    let request = AllocationRequest::new("no huge pages", 2 * CHUNK);
    let refusal = HugeHeap.allocate(&request).unwrap_err();
    assert!(
        matches!(refusal.reason, RefusalReason::Unsupported { .. }),
        "{refusal:?}"
    );
    assert_eq!(refusal.errno(), Errno::OPNOTSUPP);
    assert_eq!(crate::support::left_of("no huge pages"), 0);

    let mut heaps = Heaps::new();
    heaps.add(std::sync::Arc::new(HugeHeap)).unwrap();
    heaps.add(std::sync::Arc::new(SystemHeap)).unwrap();
    let set = heaps.allocate_set(&request, 2, &["memfd-huge", "memfd"]).unwrap();
    assert_eq!((set.heap.as_str(), set.buffers.len()), ("memfd", 2));
    assert_eq!(set.trail, [refusal]);

    let machine = Heaps::of_this_machine();
    assert!(machine.heaps.get("memfd-huge").is_none());
    let absent = machine.absent.iter().find(|refusal| refusal.heap == "memfd-huge");
    assert_eq!(absent.unwrap().errno(), Errno::OPNOTSUPP);
}
