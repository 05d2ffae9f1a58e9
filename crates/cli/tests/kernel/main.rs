//! The cases of crates/linux/tests/kernel under `wharf run`: what the library does with the kernel's heaps, buffers and fences it does with
//! those of the stand-in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it cannot go on"
)]

#[path = "../../../linux/tests/kernel/cases/mod.rs"]
mod cases;
#[path = "../../../linux/tests/kernel/devices/mod.rs"]
mod devices;
#[macro_use]
#[path = "../../../linux/tests/kernel/list.rs"]
mod list;
#[path = "../support/mod.rs"]
mod support;

use support::{run, wharf, without_environment};
use wharf_testkit::{SKIP_LOG_ENV, skip};

/// Names of cases, with the cases.
macro_rules! list {
    ($($module:ident { $($case:ident,)* })*) => {
        &[$($((stringify!($case), cases::$module::$case as fn()),)*)*]
    };
}

const ALL: &[(&str, fn())] = with_all_cases!(list);

/// Runs in the process that the test below starts.
#[test]
#[ignore = "needs the devices of wharf run: the other test starts it there"]
fn inside() {
    for (name, case) in ALL {
        println!("case {name}");
        case();
    }
    println!("{} cases are over", ALL.len());
}

#[test]
fn all_cases_hold_under_wharf_run() {
    let skipped = tempfile::NamedTempFile::new().unwrap();
    let myself = std::env::current_exe().unwrap();
    let mut command = wharf(&["run", "--sw-sync", "--"]);
    without_environment(&mut command);
    command.arg(myself).args([
        "--exact",
        "inside",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env(SKIP_LOG_ENV, skipped.path());
    let ended = run(command);
    if ended.stderr.contains("cannot get a private view of files") {
        return skip("wharf run needs user namespaces or root");
    }
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains(&format!("{} cases are over", ALL.len())),
        "{}",
        ended.stdout
    );
    // What the stand-in cannot do is known; nothing else is left out.
    let left_out = std::fs::read_to_string(skipped.path()).unwrap();
    assert_eq!(
        left_out,
        "lists of parts are refused under wharf run\nno camera: the module vivid is not loaded\n"
    );
}
