//! The harness itself: children never stay behind, and nothing that is left over goes unseen.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which shall panic")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use wharf_linux::Memfd;
use wharf_memory::{Access, Mapping};
use wharf_testkit::{Process, ProcessError, Snapshot, eventually};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

fn shell(script: &str, deadline: Duration) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Process::spawn("shell", command, deadline).unwrap()
}

/// Whether a process exists, as a zombie or otherwise.
fn exists(pid: u32) -> bool {
    std::fs::exists(format!("/proc/{pid}")).unwrap()
}

#[test]
fn lines_go_in_and_come_out() {
    let mut cat = Process::spawn("cat", Command::new("cat"), LONG).unwrap();
    for line in ["one", "", "three, and üñí"] {
        cat.say(line).unwrap();
        assert_eq!(cat.hear(LONG).unwrap(), line);
    }
    assert!(matches!(cat.hear(SHORT), Err(ProcessError::Silent { .. })));
    cat.finish().unwrap();
}

#[test]
fn last_line_needs_no_end() {
    let mut process = shell("printf 'a\\nb'", LONG);
    assert_eq!(process.hear(LONG).unwrap(), "a");
    assert_eq!(process.hear(LONG).unwrap(), "b");
    assert!(matches!(process.hear(LONG), Err(ProcessError::Ended { .. })));
}

#[test]
fn failure_is_reported_with_status_and_stderr() {
    let mut process = shell("echo what a pity >&2; exit 3", LONG);
    let text = process.hear(LONG).unwrap_err().to_string();
    assert!(
        text.contains("exit status: 3") && text.contains("what a pity"),
        "{text}"
    );
    assert!(process.finish().is_err());
}

#[test]
fn watchdog_kills_what_takes_too_long_and_tells() {
    let mut process = shell("echo stuck >&2; exec sleep 1000", SHORT);
    let pid = process.pid();
    let error = process.hear(LONG).unwrap_err();
    assert!(
        matches!(&error, ProcessError::Overdue { stderr, .. } if stderr == "stuck\n"),
        "{error}"
    );
    assert!(!exists(pid));
}

#[test]
fn watchdog_watches_those_that_close_their_output_too() {
    let mut process = shell("exec sleep 1000 >&- 2>&-", SHORT);
    assert!(matches!(process.hear(LONG), Err(ProcessError::Overdue { .. })));
}

#[test]
fn nothing_stays_behind_when_a_test_panics() {
    let mut pids = Vec::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut process = shell("sleep 1000 & echo $!; wait", LONG);
        pids.push(process.pid());
        pids.push(process.hear(LONG).unwrap().parse().unwrap());
        assert!(pids.iter().all(|pid| exists(*pid)));
        panic!("as a failing test does");
    }));
    assert!(panicked.is_err());
    assert!(!exists(pids[0]));
    // Who reaps the child's child, and when, is not ours to say.
    let zombie = || match std::fs::read_to_string(format!("/proc/{}/stat", pids[1])) {
        Ok(stat) if !stat.contains(") Z ") => Err(stat),
        _ => Ok(()),
    };
    eventually(LONG, zombie).unwrap();
}

#[test]
fn killed_process_is_dead_when_kill_returns() {
    let process = shell("echo begun; exec sleep 1000", LONG);
    let pid = process.pid();
    let before_ns = wharf::now_ns();
    let death = process.kill().unwrap();
    assert!(death.detectable_ns >= before_ns && death.detectable_ns <= wharf::now_ns());
    assert!(!exists(pid));
}

#[test]
fn what_is_left_over_is_named() {
    // A child of its own, so that tests running at the same time do not count.
    let script = "exec 7</dev/null; echo; read _; sleep 1000 & exec 8</dev/zero; echo; read _";
    let mut process = shell(script, LONG);
    process.hear(LONG).unwrap();
    let before = Snapshot::of(process.pid()).unwrap();
    assert!(
        before.descriptor_count() >= 4 && before.child_count() == 0,
        "{before:?}"
    );
    assert!(before.left_over_since(&before).is_empty());
    process.say("").unwrap();
    process.hear(LONG).unwrap();
    let after = Snapshot::of(process.pid()).unwrap();
    let left_over = after.left_over_since(&before);
    assert_eq!(left_over.len(), 2, "{left_over:?}");
    assert_eq!(left_over[0], "fd 8 -> /dev/zero");
    assert!(left_over[1].starts_with("child "), "{left_over:?}");
}

#[test]
fn mapping_without_its_descriptor_is_seen() {
    let memfd = Memfd::create("left over in this test", 4096).unwrap();
    let before = Snapshot::of_self().unwrap();
    let mapping = Mapping::map(&memfd, 4096, Access::ReadWrite).unwrap();
    drop(memfd);
    let expected = "mapping rw-s /memfd:left over in this test".to_owned();
    assert!(
        Snapshot::of_self()
            .unwrap()
            .left_over_since(&before)
            .contains(&expected)
    );
    drop(mapping);
    assert!(
        !Snapshot::of_self()
            .unwrap()
            .left_over_since(&before)
            .contains(&expected)
    );
}
