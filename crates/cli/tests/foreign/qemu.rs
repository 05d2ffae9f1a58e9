//! QEMU, whose graphics card shares the guest's memory with the display by `udmabuf`.

use std::process::Command;
use std::time::Duration;

use wharf_testkit::{Process, ProcessError, skip};

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
