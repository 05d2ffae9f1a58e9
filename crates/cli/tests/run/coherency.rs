//! Runs that check coherency: what `programs/coherency.c` does wrong works without the option, and not with it.

use std::os::unix::process::ExitStatusExt;

use rustix::process::{Signal, kill_process};
use wharf_testkit::{Process, ProcessError};

use crate::programs::{Linked, outcome, outcome_unprivileged, program, wharf_run};
use crate::relatives::parent;
use crate::support::{Broker, Ended, PATIENCE};

const CHECK: &[&str] = &["--check-coherency"];
const NOTHING: &str = "wharf: coherency: no findings, no warnings in 0 of 1 buffer\n";

/// What a case leaves behind, without the option and with it.
fn both(case: &str) -> Option<(String, Ended)> {
    let without = outcome(&["--vgem"], "coherency", Linked::Dynamically, &[case])?;
    let with = outcome(CHECK, "coherency", Linked::Dynamically, &[case])?;
    assert!(with.status.success(), "{with:?}");
    Some((without.output().to_owned(), with))
}

/// Asserts what a case sees without the option and with it, and that the report has these parts, in this order.
fn case(name: &str, without: &str, with: &str, parts: &[&str]) {
    let Some((coherent, ended)) = both(name) else {
        return;
    };
    assert_eq!(coherent, without, "{name} without the option");
    assert_eq!(ended.stdout, with, "{name}: {}", ended.stderr);
    assert_parts(&ended.stderr, parts);
}

fn assert_parts(report: &str, parts: &[&str]) {
    let mut rest = report;
    for part in parts {
        let Some(at) = rest.find(part) else {
            panic!("no {part:?} where it should be in\n{report}");
        };
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn right_programs_find_nothing() {
    let right = "device sees 1\ncpu sees 2\ndevice sees 2\ncpu sees 3\ndevice sees 3\ncpu sees 4\n";
    let again = "device sees 5\ndevice sees 5\ndevice sees 5\ncpu sees 10\n";
    for (name, seen) in [("right", right), ("again", again), ("fenced", "cpu sees 4\n")] {
        let Some((coherent, ended)) = both(name) else {
            return;
        };
        assert_eq!(
            (&*coherent, &*ended.stdout),
            (seen, seen),
            "{name}: {}",
            ended.stderr
        );
        assert_eq!(ended.stderr, NOTHING, "{name}");
    }
}

#[test]
fn no_privilege_is_needed() {
    if let Some(ended) = outcome_unprivileged(CHECK, "coherency", Linked::Statically) {
        assert_eq!(ended.stdout, "device sees 0\n", "{ended:?}");
        assert_parts(
            &ended.stderr,
            &["1 finding", "a bracket was never ended", "program+0x"],
        );
    }
}

#[test]
fn forgotten_start_reads_stale_data() {
    case(
        "no_start",
        "cpu sees 2\n",
        "cpu sees 1\n",
        &[
            "no findings, 1 warning in 1 of 1 buffer\n",
            "warning: what a device wrote to bytes 100..101 never reached the CPU",
            "after: SYNC END RW of fd ",
            "missing, if the CPU is to read that: SYNC START READ",
        ],
    );
}

#[test]
fn forgotten_end_leaves_the_device_with_stale_data() {
    case(
        "no_end",
        "device sees 1\n",
        "device sees 0\n",
        &[
            "1 finding, no warnings in 1 of 1 buffer\n",
            "of vgem, 16384 bytes, fd ",
            "error: a bracket was never ended; devices do not see bytes 100..101",
            "started by: SYNC START WRITE of fd ",
            "missing: SYNC END WRITE",
        ],
    );
}

#[test]
fn forgotten_brackets_lose_what_is_written() {
    case(
        "none",
        "device sees 1\ncpu sees 1\n",
        "device sees 0\ncpu sees 0\n",
        &[
            "1 finding",
            "error: the CPU wrote bytes 100..101 while no bracket was open",
            "noticed at: SYNC START RW of fd ",
        ],
    );
}

#[test]
fn writes_of_a_reader_are_lost() {
    case(
        "read_only",
        "device sees 3\ncpu sees 3\n",
        "device sees 0\ncpu sees 0\n",
        &[
            "1 finding",
            "error: the CPU wrote bytes 64..192 in a bracket for reading",
            "started by: SYNC START READ",
            "noticed at: SYNC END READ",
            "missing: WRITE in both",
        ],
    );
}

#[test]
fn start_for_writing_brings_nothing_in() {
    case(
        "write_only",
        "cpu sees the device's: 1\ncpu sees 9\ndevice sees 9\n",
        "cpu sees the device's: 0\ncpu sees 0\ndevice sees 9\n",
        &[
            "no findings, 1 warning",
            "what a device wrote to bytes 4096..4097 never",
        ],
    );
}

#[test]
fn calls_that_do_not_belong_together_are_told() {
    case(
        "mispaired",
        "cpu sees 1\ndevice sees 2\n",
        "cpu sees 0\ndevice sees 0\n",
        &[
            "3 findings",
            "error: a bracket ended that had not started",
            "missing: SYNC START WRITE",
            "error: a bracket started while one of the same thread was open, in which the CPU had written bytes 0..1",
            "error: a bracket started with RW and ended with READ; devices do not see bytes 0..1",
        ],
    );
}

#[test]
fn device_in_the_way_is_told() {
    case(
        "meanwhile",
        "device sees 1\ndevice sees 2\ncpu sees 2\n",
        "device sees 1\ndevice sees 2\ncpu sees 2\n",
        &[
            "1 finding",
            "error: a device wrote bytes 64..65 while a bracket of the CPU was open",
        ],
    );
}

#[test]
fn threads_and_children_have_one_cache() {
    let Some((coherent, ended)) = both("many") else {
        return;
    };
    let seen = "reader: ok\nreader: ok\nreader: ok\nchild: 0\ndevice sees 7\ncpu sees 7\n";
    assert_eq!((&*coherent, &*ended.stdout), (seen, seen), "{}", ended.stderr);
    assert_eq!(ended.stderr, NOTHING);
}

#[test]
fn only_the_wrong_buffer_is_named() {
    case(
        "two",
        "device sees 1\ndevice sees 1\n",
        "device sees 1\ndevice sees 0\n",
        &[
            "1 finding, no warnings in 1 of 2 buffers\n",
            "buffer 2 \"the wrong one\" of vgem",
            "wrote bytes 0..1 while no bracket was open",
            "noticed at: the end",
        ],
    );
}

#[test]
fn card_plays_the_device_of_a_heaps_buffer() {
    let Some(ended) = outcome(CHECK, "coherency", Linked::Dynamically, &["of_heap"]) else {
        return;
    };
    assert_eq!(
        ended.stdout, "cpu sees 0\ncpu sees 1\ndevice sees 1\n",
        "{}",
        ended.stderr
    );
    assert_eq!(
        ended.stderr,
        "wharf: coherency: no findings, no warnings in 0 of 2 buffers\n"
    );
}

#[test]
fn calls_are_told_with_their_place() {
    for linked in [Linked::Dynamically, Linked::Statically] {
        let Some(ended) = outcome(CHECK, "coherency", linked, &["no_end"]) else {
            return;
        };
        let line = ended
            .stderr
            .lines()
            .find(|line| line.contains("started by"))
            .unwrap();
        let place = line.split(" at ").last().unwrap();
        if cfg!(target_arch = "x86_64") {
            assert!(place.starts_with("coherency-") && place.contains("+0x"), "{line}");
            assert!(place.contains(" (by "), "{line}");
        }
        assert!(
            line.contains("by thread ") && line.contains("(coherency-"),
            "{line}"
        );
    }
}

#[test]
fn many_findings_are_bounded_and_repeated_ones_counted() {
    let Some(ended) = outcome(CHECK, "coherency", Linked::Dynamically, &["bounded"]) else {
        return;
    };
    assert_parts(&ended.stderr, &["findings", "of 131 buffers"]);
    let told = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("wharf:   error: "))
        .count();
    assert_eq!(told, 100, "{}", ended.stderr);
    assert!(ended.stderr.contains(" more findings\n"), "{}", ended.stderr);
    assert!(ended.stderr.lines().count() < 700);
}

#[test]
fn closed_buffers_are_told() {
    case(
        "closed",
        "",
        "",
        &["1 finding", "wrote bytes 3..4 while no bracket was open"],
    );
}

#[test]
fn exit_code_is_chosen() {
    let code = |options: &[&str], case: &str| {
        let ended = outcome(options, "coherency", Linked::Dynamically, &[case])?;
        ended.status.code()
    };
    let failing = ["--check-coherency", "--coherency-exit", "123"];
    for (options, case, expected) in [
        (CHECK, "no_end", 0),
        (&failing, "no_end", 123),
        (&failing, "right", 0),
        // Warnings do not count, and who fails anyway keeps its code.
        (&failing, "no_start", 0),
        (&failing, "fails", 7),
    ] {
        let Some(code) = code(options, case) else { return };
        assert_eq!(code, expected, "{options:?} {case}");
    }
    let alone = crate::support::wharf(&["run", "--coherency-exit", "9", "--", "true"]);
    assert!(!crate::support::run(alone).status.success());
}

#[test]
fn killed_programs_are_reported() {
    let Some(ended) = outcome(CHECK, "coherency", Linked::Dynamically, &["killed"]) else {
        return;
    };
    assert_eq!(ended.status.signal(), Some(Signal::KILL.as_raw()), "{ended:?}");
    assert_parts(
        &ended.stderr,
        &[
            "1 finding",
            "a bracket was never ended; devices do not see bytes 100..101",
        ],
    );
}

#[test]
fn both_views_count() {
    let Some(program) = program("hold", Linked::Dynamically) else {
        return;
    };
    let broker = Broker::start(&["--quota-bytes", "200000"]);
    let socket = broker.socket();
    let options = ["--check-coherency", "--socket", socket.to_str().unwrap()];
    let mut process =
        Process::spawn("hold", wharf_run(&options, &program, &["65536"]), PATIENCE * 2).unwrap();
    process.hear(PATIENCE).unwrap();
    let mut order = |order: &str, answer: &str| {
        process.say(order).unwrap();
        assert_eq!(process.hear(PATIENCE).unwrap(), format!("{order}: {answer}"));
    };
    order("allocate", "ok");
    order("allocate", "ENOMEM");
    order("close", "ok");
    order("allocate", "ok");
    order("sync", "ok");
}

#[test]
fn death_of_the_supervisor_ends_the_check() {
    let Some(program) = program("coherency", Linked::Dynamically) else {
        return;
    };
    let options = ["--check-coherency", "--coherency-exit", "123"];
    let mut process = Process::spawn("run", wharf_run(&options, &program, &["waits"]), PATIENCE * 2).unwrap();
    let ready = process.hear(PATIENCE).unwrap();
    let pid = ready.strip_prefix("ready ").unwrap();
    kill_process(parent(pid), Signal::KILL).unwrap();
    process.close_stdin();
    match process.hear(PATIENCE) {
        Err(ProcessError::Ended {
            status: Some(status),
            stderr,
            ..
        }) => {
            assert!(
                stderr.contains("wharf: coherency: checking has ended with the supervisor"),
                "{stderr}"
            );
            assert_eq!(
                status.code(),
                Some(123),
                "what was not checked has not passed: {stderr}"
            );
        }
        other => panic!("{other:?}"),
    }
}
