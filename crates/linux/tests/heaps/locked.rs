//! The heap of locked pages.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use wharf_core::AccessMode;
use wharf_linux::{AllocationRequest, Heap, HeapRefusal, Heaps, LockedHeap, MemfdExporter, RefusalReason};

use crate::support::{assert_fixed_size, assert_zeroed, in_a_process, left_of, locked_bytes, mapped};

const KIB: u64 = 1024;

fn lower_limit(bytes: u64) {
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Memlock, limit).unwrap();
}

fn request(size_bytes: u64) -> AllocationRequest {
    AllocationRequest {
        locked: true,
        ..AllocationRequest::new("locked memory", size_bytes)
    }
}

fn exceeded(refusal: &HeapRefusal) -> (u64, u64, u64) {
    assert_eq!(refusal.errno(), Errno::DQUOT);
    match &refusal.reason {
        RefusalReason::Limit {
            limit,
            limit_bytes,
            used_bytes,
            requested_bytes,
        } => {
            assert_eq!(*limit, "RLIMIT_MEMLOCK");
            (*limit_bytes, *used_bytes, *requested_bytes)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn memory_is_zeroed_of_fixed_size_and_all_there() {
    let memory = match LockedHeap.allocate(&request(12_000)) {
        Ok(memory) => memory,
        Err(refusal) => {
            exceeded(&refusal);
            wharf_testkit::skip(&format!("locked memory: {refusal}"));
            return;
        }
    };
    assert_eq!(memory.size_bytes(), 12 * KIB);
    assert!(memory.is_locked());
    let present = rustix::fs::fstat(memory.memfd()).unwrap().st_blocks * 512;
    assert_eq!(present, 12 * KIB as i64);
    assert_fixed_size(&memory);
    assert_zeroed(&memory);
}

#[test]
fn limit_is_kept_and_the_refusal_names_it() {
    in_a_process("locked::limit");
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn limit() {
    lower_limit(64 * KIB);
    assert_eq!(LockedHeap.guarantees().capacity_bytes, Some(64 * KIB));
    let first = LockedHeap.allocate(&request(32 * KIB)).unwrap();
    assert_eq!(LockedHeap.guarantees().capacity_bytes, Some(32 * KIB));

    let refusal = LockedHeap.allocate(&request(32 * KIB + 1)).unwrap_err();
    assert_eq!(exceeded(&refusal), (64 * KIB, 32 * KIB, 36 * KIB));
    for part in ["memfd-locked", "RLIMIT_MEMLOCK", "65536", "32768", "36864"] {
        assert!(refusal.to_string().contains(part), "{refusal}");
    }
    let rest = LockedHeap.allocate(&request(32 * KIB)).unwrap();
    assert_eq!(left_of("locked memory"), 4, "two files and two locks");

    drop(first);
    assert_eq!(locked_bytes(), 32 * KIB);
    drop(rest);
    assert_eq!(left_of("locked memory"), 0);
    assert_eq!(locked_bytes(), 0);
}

#[test]
fn nothing_allowed_is_a_limit_too() {
    in_a_process("locked::nothing_allowed");
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn nothing_allowed() {
    lower_limit(0);
    let refusal = LockedHeap.allocate(&request(1)).unwrap_err();
    assert_eq!(exceeded(&refusal), (0, 0, 4 * KIB));
    let machine = Heaps::of_this_machine();
    assert!(machine.heaps.get("memfd-locked").is_none());
    let absent = machine
        .absent
        .iter()
        .find(|refusal| refusal.heap == "memfd-locked");
    assert_eq!(exceeded(absent.unwrap()), (0, 0, 4 * KIB));
}

#[test]
fn lock_lives_as_long_as_the_buffer() {
    in_a_process("locked::lock_of_a_buffer");
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn lock_of_a_buffer() {
    let memory = LockedHeap.allocate(&request(16 * KIB)).unwrap();
    let consumer = mapped(&memory);
    let exporter = MemfdExporter::map_heap_memory(memory, AccessMode::ReadWrite).unwrap();
    let buffer = exporter.export(None).unwrap();
    assert_eq!(locked_bytes(), 16 * KIB);
    drop(buffer);
    assert_eq!(locked_bytes(), 0, "the consumer's mapping locks nothing");
    drop(consumer);
}

#[test]
fn all_or_none_within_the_limit() {
    in_a_process("locked::sets_within_the_limit");
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn sets_within_the_limit() {
    lower_limit(64 * KIB);
    let mut heaps = Heaps::new();
    heaps.add(std::sync::Arc::new(LockedHeap)).unwrap();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let refusal = heaps
        .allocate_set(&request(16 * KIB), 5, &["memfd-locked"])
        .unwrap_err();
    assert_eq!(exceeded(&refusal.trail()[0]), (64 * KIB, 64 * KIB, 16 * KIB));
    assert_eq!(locked_bytes(), 0);
    assert_eq!(descriptors(), before);
    let set = heaps
        .allocate_set(&request(16 * KIB), 4, &["memfd-locked"])
        .unwrap();
    assert_eq!(set.buffers.len(), 4);
    assert_eq!(locked_bytes(), 64 * KIB);
}
