//! What this machine has.

use wharf_linux::{AllocationRequest, Heaps};

use crate::support::can_lock;

#[test]
fn every_heap_is_either_there_and_works_or_says_why_not() {
    let machine = Heaps::of_this_machine();
    let mut names: Vec<String> = machine.heaps.iter().map(|heap| heap.name().to_owned()).collect();
    assert!(names.contains(&"memfd".to_owned()), "every machine has it");
    for refusal in &machine.absent {
        assert!(refusal.to_string().contains(&refusal.heap), "{refusal}");
    }
    names.extend(machine.absent.iter().map(|refusal| refusal.heap.clone()));
    names.sort();
    assert_eq!(names, ["memfd", "memfd-huge", "memfd-locked", "udmabuf"]);
}

#[test]
fn memory_has_what_its_heap_guarantees() {
    if !can_lock() {
        return;
    }
    for heap in Heaps::of_this_machine().heaps.iter() {
        let guarantees = heap.guarantees();
        assert!(guarantees.zeroed && guarantees.cached);
        let request = AllocationRequest {
            min_chunk_bytes: Some(guarantees.chunk_bytes),
            locked: guarantees.locked,
            ..AllocationRequest::new("as guaranteed", 5000)
        };
        let memory = heap.allocate(&request).unwrap();
        assert_eq!(memory.chunk_bytes(), guarantees.chunk_bytes);
        assert_eq!(memory.size_bytes(), guarantees.chunk_bytes.max(8192));
        assert_eq!(memory.is_locked(), guarantees.locked);
        let present = rustix::fs::fstat(memory.memfd()).unwrap().st_blocks > 0;
        assert_eq!(present, guarantees.committed);
    }
}

#[test]
fn scarcer_heaps_cost_more() {
    let machine = Heaps::of_this_machine();
    let costs: Vec<u32> = machine.heaps.iter().map(|heap| heap.guarantees().cost).collect();
    assert!(costs.is_sorted_by(|one, next| one < next), "{costs:?}");
}
