//! The guest: how programs end there, what they print, and what they find.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Output as Finished};
use std::time::Duration;

use wharf_testkit::skip;
use xtask::{Ending, Guest, Output, Trouble, UNAVAILABLE_CODE, build};

/// The program that ends as it is told; nothing, and said so, where there can be no guest.
fn probe() -> Option<PathBuf> {
    match Guest::check() {
        Ok(()) => Some(build::program("guest-init", "guest-probe").unwrap()),
        Err(Trouble::Unavailable(why)) => {
            skip(&format!("the guest: {why}"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn told(guest: &Guest, arguments: &[&str]) -> Option<Result<Output, Trouble>> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    Some(guest.output(&probe()?, &arguments))
}

fn output(guest: &Guest, arguments: &[&str]) -> Option<Output> {
    told(guest, arguments).map(|output| output.unwrap())
}

fn ending(arguments: &[&str]) -> Option<Ending> {
    output(&Guest::new(), arguments).map(|output| output.outcome.ending)
}

/// Runs the command line.
fn xtask(arguments: &[&str]) -> Finished {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn exit_codes_pass_through() {
    for code in [0_u8, 3, 200] {
        let Some(ending) = ending(&["exit", &code.to_string()]) else {
            return;
        };
        assert_eq!(ending, Ending::Exit(code));
        assert_eq!(ending.code(), code);
    }
}

#[test]
fn signals_are_128_and_more() {
    for (how, signal) in [("segv", 11), ("abort", 6)] {
        let Some(ending) = ending(&[how]) else { return };
        assert_eq!(ending, Ending::Signal(signal));
        assert_eq!(ending.code(), 128 + signal);
    }
}

#[test]
fn hang_is_stopped_when_the_time_is_over() {
    let time = Duration::from_secs(12);
    let Some(output) = output(&Guest::new().time(time), &["hang"]) else {
        return;
    };
    assert_eq!(output.outcome.ending, Ending::Hang(time));
    assert_eq!(output.outcome.ending.code(), 124);
}

#[test]
fn panic_of_the_kernel_is_told_with_the_end_of_its_log() {
    let Some(ending) = ending(&["panic"]) else { return };
    assert_eq!(ending.code(), 125);
    let Ending::Panic(log) = ending else {
        panic!("{ending:?}");
    };
    assert!(log.contains("sysrq triggered crash"), "{log}");
}

#[test]
fn output_is_whole_and_both_streams_are_apart() {
    const BYTES: usize = 300_000;
    let Some(output) = output(&Guest::new(), &["write", &BYTES.to_string()]) else {
        return;
    };
    assert!(
        output.stdout == vec![b'o'; BYTES],
        "{} bytes",
        output.stdout.len()
    );
    assert!(
        output.stderr == vec![b'e'; BYTES],
        "{} bytes",
        output.stderr.len()
    );
}

#[test]
fn whoever_stays_behind_does_not_keep_the_guest() {
    let Some(ending) = ending(&["leave"]) else { return };
    assert_eq!(ending, Ending::Exit(0));
}

#[test]
fn what_is_skipped_in_the_guest_is_told() {
    let Some(output) = output(&Guest::new(), &["skip", "no moon"]) else {
        return;
    };
    assert_eq!(output.outcome.skipped, ["no moon"]);
}

#[test]
fn modules_come_with_what_they_need() {
    let guest = Guest::new()
        .module("vgem", "")
        .module("vivid", "n_devs=1 node_types=0x1")
        .module("udmabuf", "list_limit=7")
        .file(env!("CARGO_MANIFEST_DIR"), "/xtask");
    let places = [
        "list",
        "/dev",
        "/dev/dri",
        "/dev/dma_heap",
        "/xtask",
        "/xtask/src",
    ];
    let Some(output) = output(&guest, &places) else {
        return;
    };
    let listed = String::from_utf8_lossy(&output.stdout);
    for wanted in [
        "/dev/dri/card0",
        "/dev/video0",
        "/dev/udmabuf",
        "/dev/dma_heap/system",
        "/xtask/src/lib.rs",
    ] {
        assert!(
            listed.lines().any(|line| line == wanted),
            "{wanted} is not there:\n{listed}"
        );
    }
}

#[test]
fn module_that_there_is_not_is_named() {
    let Some(refused) = told(&Guest::new().module("wharfless", ""), &["exit", "0"]) else {
        return;
    };
    let error = refused.unwrap_err();
    assert!(
        matches!(&error, Trouble::Failed(why) if why.contains("wharfless")),
        "{error}"
    );
}

#[test]
fn command_line_prints_and_ends_as_the_program_does() {
    let Some(probe) = probe() else { return };
    let finished = xtask(&[
        "guest",
        "--cpus",
        "2",
        "--",
        probe.to_str().unwrap(),
        "exit",
        "42",
    ]);
    assert_eq!(finished.status.code(), Some(42), "{finished:?}");
    let finished = xtask(&["guest", "--", probe.to_str().unwrap(), "list", "/dev/dma_heap"]);
    assert_eq!(finished.stdout, b"/dev/dma_heap/system\n", "{finished:?}");
}

#[test]
fn machine_without_qemu_is_told_from_a_failure() {
    let tools = tempfile::tempdir().unwrap();
    let log = tools.path().join("skipped");
    let xtask = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(arguments)
            .env("PATH", tools.path())
            .env("WHARF_SKIP_LOG", &log);
        command.output().unwrap()
    };
    let finished = xtask(&["guest", "--", "/bin/true"]);
    assert_eq!(
        finished.status.code(),
        Some(UNAVAILABLE_CODE.into()),
        "{finished:?}"
    );
    assert!(!log.exists(), "nobody asked for a skip");

    let finished = xtask(&["guest-test", "--or-skip", "-p", "wharf-none"]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let skipped = std::fs::read_to_string(&log).unwrap();
    assert_eq!(skipped.lines().count(), 1, "{skipped}");
    assert!(
        skipped.contains("wharf-none") && skipped.contains("qemu"),
        "{skipped}"
    );
}
