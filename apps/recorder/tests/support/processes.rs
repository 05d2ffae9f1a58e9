//! Processes of a run, found by a mark in their environment.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Names the variable that all processes of a run inherit.
pub(crate) const MARK: &str = "RECORDER_TEST_RUN";

/// The living processes that have this mark, with their arguments. Zombies have no environment any more.
pub(crate) fn with_mark(mark: &str) -> Vec<(u32, Vec<String>)> {
    let wanted = format!("{MARK}={mark}");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        let environment = words(&format!("/proc/{pid}/environ"))?;
        let has_mark = environment.contains(&wanted);
        let arguments = has_mark
            .then(|| words(&format!("/proc/{pid}/cmdline")))
            .flatten()?;
        Some((pid, arguments))
    })
    .collect()
}

/// The process of a run that plays a part.
pub(crate) fn in_role(mark: &str, role: &str) -> Vec<u32> {
    let plays = |arguments: &Vec<String>| arguments.len() == 2 && arguments[1] == role;
    let processes = with_mark(mark).into_iter();
    processes
        .filter(|(_, arguments)| plays(arguments))
        .map(|(pid, _)| pid)
        .collect()
}

/// Sends a signal; a process that is gone does not mind.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(pid, signal);
}

/// Bytes that a process has read and written through system calls.
pub(crate) fn bytes_through_the_kernel(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let field = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    field("rchar:") + field("wchar:")
}

/// Shared memory that a process has mapped and touched; 0 once it is dead.
pub(crate) fn shared_memory_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = text.lines().find_map(|line| line.strip_prefix("RssShmem:"));
    let kibibytes = field.map(|field| field.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
    kibibytes.unwrap_or(0) * 1024
}

fn words(path: &str) -> Option<Vec<String>> {
    let text = fs::read(path).ok()?;
    let words = text.split(|&byte| byte == 0).filter(|word| !word.is_empty());
    Some(
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    )
}
