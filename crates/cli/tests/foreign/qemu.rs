//! QEMU, whose graphics card shares the guest's memory with the display by `udmabuf`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wharf_testkit::{Process, ProcessError, skip};
use xtask::{Ending, Guest, Trouble};

use crate::support::run;
use crate::{machine_has, under_wharf};

/// How long QEMU may live.
const LIFE: Duration = Duration::from_secs(120);

/// A machine that never runs, with such a card and its monitor on stdin and stdout.
fn command() -> Option<Command> {
    let asked = Command::new("qemu-system-x86_64")
        .args(["-device", "virtio-vga,help"])
        .output();
    let has_card = asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("blob="));
    if !has_card {
        skip("QEMU under wharf run: no qemu-system-x86_64 with a card that shares memory");
        return None;
    }
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-nodefaults", "-display", "none", "-S", "-monitor", "stdio"])
        .args(["-m", "64", "-machine", "q35,memory-backend=memory"])
        .args(["-object", "memory-backend-memfd,id=memory,size=64M,share=on"])
        .args(["-device", "virtio-vga,blob=true"]);
    Some(command)
}

#[test]
fn card_that_shares_memory_starts() {
    let Some(command) = command() else {
        return;
    };
    let mut process = Process::spawn("qemu", under_wharf(&[], &command), LIFE).unwrap();
    let first = process.hear(LIFE).unwrap();
    assert!(first.starts_with("QEMU "), "{first}");
    process.say("quit").unwrap();
    loop {
        match process.hear(LIFE) {
            Ok(_) => {}
            Err(ProcessError::Ended {
                status: Some(status),
                stderr,
                ..
            }) => {
                assert!(status.success() && stderr.is_empty(), "{status} {stderr}");
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn without_wharf_it_does_not() {
    if machine_has("/dev/udmabuf") {
        return;
    }
    let Some(command) = command() else {
        return;
    };
    let ended = run(command);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("cannot enable blob resources without udmabuf"),
        "{ended:?}"
    );
}

/// The program that makes a picture in a guest; `None`, said aloud, where it cannot be compiled.
fn picture() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/programs/picture.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("picture-{}", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-static", "-o"]).arg(&program).arg(source);
    if compiler.status().is_ok_and(|status| status.success()) {
        return Some(program);
    }
    skip("a guest's picture: there is no C compiler that links statically");
    None
}

/// What QEMU says in a run with these options when its guest makes a picture, of 300 pages all over the guest's memory.
fn said_of_a_picture(options: &[&str]) -> Option<String> {
    command()?;
    let picture = picture()?;
    let wharf = [&[env!("CARGO_BIN_EXE_wharf"), "run"], options, &["--"]].concat();
    let card = [
        "-object",
        "memory-backend-memfd,id=memory,size=512M,share=on",
        "-machine",
        "memory-backend=memory",
        "-device",
        "virtio-vga,blob=true",
    ];
    let guest = Guest::new().memory_mib(512).module("virtio-gpu", "");
    let output = match guest.under(wharf).qemu_arguments(card).output(&picture, &[]) {
        Err(Trouble::Unavailable(reason)) => {
            skip(&format!("a guest's picture under wharf run: {reason}"));
            return None;
        }
        other => other.expect("the guest can be started"),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.outcome.ending, Ending::Exit(0), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a picture of 1200 KiB\n");
    Some(said)
}

#[test]
fn guests_pictures_are_buffers_of_parts() {
    if let Some(said) = said_of_a_picture(&["--exact-udmabuf"]) {
        assert_eq!(said, "");
    }
}

#[test]
fn guests_pictures_are_refused_where_parts_were_not_asked_for() {
    if let Some(said) = said_of_a_picture(&[]) {
        assert!(said.contains("UDMABUF_CREATE_LIST: Invalid argument"), "{said}");
    }
}
