//! What the tests of heaps share.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use wharf_linux::{HeapMemory, Memfd};
use wharf_memory::{Access, Mapping};
use wharf_testkit::{Process, skip};

pub(crate) const CHUNK: u64 = 2 << 20;

/// All of the memory, mapped for reading.
pub(crate) fn mapped(memory: &HeapMemory) -> Mapping {
    let len_bytes = usize::try_from(memory.size_bytes()).unwrap();
    Mapping::map(memory.memfd(), len_bytes, Access::ReadOnly).unwrap()
}

pub(crate) fn assert_zeroed(memory: &HeapMemory) {
    let mut bytes = vec![0xff; usize::try_from(memory.size_bytes()).unwrap()];
    mapped(memory).view().copy_to(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0), "not zeroed");
}

pub(crate) fn assert_fixed_size(memory: &HeapMemory) {
    let info = memory.memfd().inspect().unwrap();
    assert_eq!(info.size_bytes, memory.size_bytes());
    assert!(info.seals.contains(Memfd::FIXED_SIZE), "{:?}", info.seals);
    assert!(rustix::fs::ftruncate(memory.memfd(), 0).is_err());
    assert!(rustix::fs::ftruncate(memory.memfd(), 2 * memory.size_bytes()).is_err());
}

/// Descriptors and mappings of memory files with this name.
pub(crate) fn left_of(label: &str) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mappings = maps.lines().filter(|line| line.contains(label)).count();
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    // Those of other tests come and go; a vanished one is not ours.
    let targets = entries.map(|entry| fs::read_link(entry.unwrap().path()).unwrap_or_default());
    mappings
        + targets
            .filter(|target| target.to_string_lossy().contains(label))
            .count()
}

/// Whether the tests of a process may lock what they need beside each other.
pub(crate) fn can_lock() -> bool {
    let needed_bytes = 2 * CHUNK;
    let limit = getrlimit(Resource::Memlock).current;
    let is_enough = limit.is_none_or(|limit_bytes| limit_bytes >= needed_bytes);
    if !is_enough {
        skip(&format!(
            "locked memory: RLIMIT_MEMLOCK is {limit:?}, {needed_bytes} bytes are needed"
        ));
    }
    is_enough
}

/// Bytes that this process has locked.
pub(crate) fn locked_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs the ignored test `name` of this program alone in a process of its own, which must pass.
pub(crate) fn in_a_process(name: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"]);
    let patience = Duration::from_secs(60);
    let mut child = Process::spawn(name, command, patience).unwrap();
    loop {
        let line = child.hear(patience).unwrap();
        if line.starts_with("test result:") {
            assert!(line.contains("1 passed"), "{name}: {line}");
            break;
        }
    }
    child.finish().unwrap();
}
