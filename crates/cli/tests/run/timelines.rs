//! Fences, timelines, and calls that wait.

use crate::programs::{Linked, outcome, outcome_unprivileged};

const WAITS: &str = "cloexec: 1 1
at 0: 0 0 1, ready 0 0 1
at 1: 1 0, ready 1 0
merged: 1 of 1, 1 of 1
driver: sw_sync timeline: NAME
at 5: both 1 same 0
before the end of 32 bits: 0
after it: 1
another timeline: 0
no deadline: ENOENT
deadline: ok
deadline is right: 1
deadline of stdin: EINVAL
timeline closed: ENOENT ready 1
epoll: ok
epoll waits: 1
import a reader: ok
readers go on: ok
export for readers: ready 1
export for writers: ready 0
writer waits: ok
long enough: 1
signaled: 1 1 1
interrupted: EINTR
end does not wait: ok
killed while waiting: 1
bad timeline: EFAULT
bad inc: EFAULT
";

/// Without the name of the program's process, which is cut to 15 bytes of it.
fn without_name(output: &str) -> String {
    let named = |line: &str| match line.split_once(" timeline: ") {
        Some(("driver: sw_sync", _)) => "driver: sw_sync timeline: NAME\n".to_owned(),
        _ => format!("{line}\n"),
    };
    output.lines().map(named).collect()
}

#[test]
fn calls_and_polls_wait_for_fences() {
    for linked in [Linked::Dynamically, Linked::Statically] {
        if let Some(ended) = outcome(&["--sw-sync"], "waits", linked, &[]) {
            assert_eq!(without_name(ended.output()), WAITS, "{linked:?}");
        }
    }
    if let Some(ended) = outcome_unprivileged(&["--sw-sync"], "waits", Linked::Dynamically) {
        assert_eq!(without_name(ended.output()), WAITS);
    }
}

#[test]
fn timelines_are_where_the_kernels_tests_look() {
    if !std::path::Path::new("/sys/kernel/debug").is_dir() {
        return wharf_testkit::skip("the kernel has no debug directory to put sw_sync into");
    }
    let path = "/sys/kernel/debug/sync/sw_sync";
    if let Some(ended) = outcome(&["--sw-sync"], "waits", Linked::Statically, &[path]) {
        assert_eq!(without_name(ended.output()), WAITS);
    }
}
