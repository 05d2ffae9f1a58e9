//! Sets: all buffers from one heap, or none.

use std::fs;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use wharf_linux::{
    AllocationRequest, Heap, Heaps, LockedHeap, MemfdError, PromiseField, RefusalReason, SetRefusal,
    SystemHeap,
};
use wharf_testkit::{FaultyHeap, HeapFault};

use crate::support::{can_lock, in_a_process, left_of};

/// A faulty heap before a sound one.
fn heaps(faulty: &Arc<FaultyHeap>) -> Heaps {
    let mut heaps = Heaps::new();
    heaps.add(Arc::clone(faulty) as Arc<dyn Heap>).unwrap();
    heaps.add(Arc::new(SystemHeap)).unwrap();
    heaps.add(Arc::new(LockedHeap)).unwrap();
    heaps
}

fn faulty(inner: impl Heap + 'static, fault: HeapFault) -> Arc<FaultyHeap> {
    Arc::new(FaultyHeap::new("faulty", inner, fault))
}

#[test]
fn first_heap_that_can_serves_all() {
    let first = faulty(SystemHeap, HeapFault::RefuseAfter(5));
    let set = heaps(&first)
        .allocate_set(&AllocationRequest::new("five", 4096), 5, &["faulty", "memfd"])
        .unwrap();
    assert_eq!((set.heap.as_str(), set.buffers.len()), ("faulty", 5));
    assert_eq!(set.trail, []);
    let mut ids: Vec<_> = set
        .buffers
        .iter()
        .map(|buffer| buffer.memfd().inspect().unwrap().id.inode)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "each buffer has memory of its own");
}

#[test]
fn refusal_at_any_buffer_frees_the_others_and_leads_to_the_next_heap() {
    for good in 0..4 {
        let label = format!("refused after {good}");
        let first = faulty(SystemHeap, HeapFault::RefuseAfter(good));
        let heaps = heaps(&first);
        let request = AllocationRequest::new(label.as_str(), 4096);
        let set = heaps.allocate_set(&request, 4, &["faulty", "memfd"]).unwrap();
        assert_eq!((set.heap.as_str(), set.buffers.len()), ("memfd", 4));
        assert_eq!(set.trail.len(), 1);
        assert_eq!(
            (set.trail[0].heap.as_str(), set.trail[0].errno()),
            ("faulty", Errno::NOMEM)
        );
        assert_eq!(first.calls(), good + 1, "it stops at the first refusal");
        assert_eq!(left_of(&label), 4, "only the second heap's");
        drop(set);

        let refusal = heaps.allocate_set(&request, 4, &["faulty"]).unwrap_err();
        assert_eq!(refusal.errno(), Errno::NOMEM);
        assert_eq!(left_of(&label), 0);
    }
}

#[test]
fn memory_with_less_than_was_asked_is_not_taken() {
    if !can_lock() {
        return;
    }
    let page_bytes = SystemHeap.guarantees().chunk_bytes;
    let cases = [
        (
            HeapFault::HalfTheSize,
            PromiseField::SizeBytes,
            4 * page_bytes,
            2 * page_bytes,
        ),
        (
            HeapFault::ChunksOf(512),
            PromiseField::ChunkBytes,
            page_bytes,
            512,
        ),
        (HeapFault::NotLocked, PromiseField::Locked, 1, 0),
    ];
    for (fault, field, needed, got) in cases {
        let label = format!("less {field}");
        let request = AllocationRequest {
            min_chunk_bytes: Some(page_bytes),
            locked: true,
            ..AllocationRequest::new(label.as_str(), 4 * page_bytes)
        };
        let first = faulty(LockedHeap, fault);
        let set = heaps(&first)
            .allocate_set(&request, 2, &["faulty", "memfd-locked"])
            .unwrap();
        assert_eq!(set.heap, "memfd-locked");
        assert_eq!(set.trail.len(), 1);
        assert_eq!(set.trail[0].reason, RefusalReason::Promise { field, needed, got });
        assert_eq!(set.trail[0].heap, "faulty");
        drop(set);
        assert_eq!(left_of(&label), 0);
    }
}

#[test]
fn order_is_that_of_the_request_and_the_trail_tells_all() {
    let first = faulty(SystemHeap, HeapFault::RefuseAfter(0));
    let request = AllocationRequest {
        min_chunk_bytes: Some(1 << 30),
        ..AllocationRequest::new("too much", 4096)
    };
    let refusal = heaps(&first)
        .allocate_set(&request, 1, &["memfd", "nowhere", "faulty"])
        .unwrap_err();
    let heaps: Vec<&str> = refusal.trail().iter().map(|one| one.heap.as_str()).collect();
    assert_eq!(heaps, ["memfd", "nowhere", "faulty"]);
    let numbers: Vec<Errno> = refusal.trail().iter().map(|one| one.errno()).collect();
    assert_eq!(numbers, [Errno::NOMEM, Errno::OPNOTSUPP, Errno::NOMEM]);
    let text = refusal.to_string();
    for part in [
        "'too much'",
        "4096",
        "1073741824",
        "'memfd'",
        "no such heap",
        "'faulty'",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn nothing_asked_for_is_refused() {
    let heaps = heaps(&faulty(SystemHeap, HeapFault::RefuseAfter(0)));
    let request = AllocationRequest::new("nothing", 4096);
    for (count, order) in [(0, &["memfd"][..]), (1, &[])] {
        let refusal = heaps.allocate_set(&request, count, order).unwrap_err();
        assert!(matches!(refusal, SetRefusal::Nothing { .. }), "{refusal:?}");
        assert_eq!(refusal.errno(), Errno::INVAL);
    }
}

#[test]
fn two_heaps_cannot_share_a_name() {
    let mut heaps = Heaps::new();
    heaps.add(Arc::new(SystemHeap)).unwrap();
    let refused = heaps.add(Arc::new(SystemHeap)).unwrap_err();
    assert_eq!((refused.name.as_str(), refused.errno()), ("memfd", Errno::EXIST));
    assert_eq!(heaps.iter().count(), 1);
}

#[test]
fn running_out_of_descriptors_leaves_none_behind() {
    in_a_process("sets::out_of_descriptors");
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn out_of_descriptors() {
    let limit = Rlimit {
        current: Some(40),
        maximum: Some(40),
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut heaps = Heaps::new();
    heaps.add(Arc::new(SystemHeap)).unwrap();
    let request = AllocationRequest::new("many", 4096);
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let refusal = heaps.allocate_set(&request, 1000, &["memfd"]).unwrap_err();
    assert_eq!(refusal.errno(), Errno::MFILE);
    assert!(
        matches!(
            refusal.trail()[0].reason,
            RefusalReason::Memfd(MemfdError::System { .. })
        ),
        "{refusal:?}"
    );
    assert_eq!(descriptors(), before);
    assert_eq!(
        heaps
            .allocate_set(&request, 20, &["memfd"])
            .unwrap()
            .buffers
            .len(),
        20
    );
}
