//! The heap of ordinary pages, and what all heaps refuse.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;
use wharf_linux::{
    AllocationRequest, Heap, HeapMemory, HugeHeap, LockedHeap, Memfd, MemfdError, PromiseField,
    RefusalReason, Residency, SystemHeap,
};

use crate::support::{CHUNK, assert_fixed_size, assert_zeroed};

#[test]
fn memory_is_rounded_up_zeroed_and_of_fixed_size() {
    let page_bytes = SystemHeap.guarantees().chunk_bytes;
    let memory = SystemHeap
        .allocate(&AllocationRequest::new("small", page_bytes + 1))
        .unwrap();
    assert_eq!(memory.size_bytes(), 2 * page_bytes);
    assert_eq!(memory.chunk_bytes(), page_bytes);
    assert!(!memory.is_locked());
    assert_fixed_size(&memory);
    assert_zeroed(&memory);
}

#[test]
fn impossible_sizes_are_refused_by_all() {
    for heap in [&SystemHeap as &dyn Heap, &LockedHeap, &HugeHeap] {
        let max_bytes = (1 << 63) - heap.guarantees().chunk_bytes;
        for size_bytes in [0, max_bytes + 1, u64::MAX] {
            let refusal = heap
                .allocate(&AllocationRequest::new("odd", size_bytes))
                .unwrap_err();
            assert_eq!(refusal.reason, RefusalReason::Size { max_bytes });
            assert_eq!(refusal.errno(), Errno::INVAL);
            assert_eq!(refusal.heap, heap.name());
        }
    }
}

#[test]
fn names_that_no_memory_can_have_are_refused_by_all() {
    for heap in [&SystemHeap as &dyn Heap, &LockedHeap, &HugeHeap] {
        for label in ["nul\0", &"x".repeat(250)] {
            let refusal = heap.allocate(&AllocationRequest::new(label, 4096)).unwrap_err();
            assert!(
                matches!(refusal.reason, RefusalReason::Memfd(MemfdError::Name { .. })),
                "{refusal:?}"
            );
            assert_eq!(refusal.errno(), Errno::INVAL);
        }
    }
}

#[test]
fn more_than_the_heap_promises_is_refused_before_anything_is_allocated() {
    let page_bytes = SystemHeap.guarantees().chunk_bytes;
    let cases = [
        (&SystemHeap as &dyn Heap, Some(CHUNK), false, page_bytes),
        (&LockedHeap, Some(CHUNK), false, page_bytes),
        (&HugeHeap, Some(2 * CHUNK), false, CHUNK),
        (&SystemHeap, None, true, 0),
    ];
    for (heap, min_chunk_bytes, locked, got) in cases {
        let refusal = heap
            .allocate(&AllocationRequest {
                min_chunk_bytes,
                locked,
                ..AllocationRequest::new("demanding", 4096)
            })
            .unwrap_err();
        let (field, needed) = match min_chunk_bytes {
            Some(needed) => (PromiseField::ChunkBytes, needed),
            None => (PromiseField::Locked, 1),
        };
        assert_eq!(refusal.reason, RefusalReason::Promise { field, needed, got });
        assert_eq!(refusal.errno(), Errno::NOMEM);
    }
}

#[test]
fn memory_that_can_be_resized_is_no_memory_of_a_heap() {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let growing = memfd_create("growing", flags).unwrap();
    ftruncate(&growing, 4096).unwrap();
    fcntl_add_seals(&growing, SealFlags::SHRINK).unwrap();
    let memfd = Memfd::from_fd(growing).unwrap();
    let refused = HeapMemory::new(memfd, 4096, Residency::Swappable).unwrap_err();
    assert!(matches!(refused, MemfdError::Unsealed { missing, .. } if missing == SealFlags::GROW));
}

#[test]
fn refusal_names_heap_buffer_sizes_and_a_way_out() {
    let refusal = SystemHeap
        .allocate(&AllocationRequest {
            min_chunk_bytes: Some(CHUNK),
            ..AllocationRequest::new("encoder input", 12_000)
        })
        .unwrap_err();
    let text = refusal.to_string();
    for part in [
        "'memfd'",
        "'encoder input'",
        "12000",
        "2097152",
        "4096",
        "chunk_bytes",
        "larger chunks",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}
