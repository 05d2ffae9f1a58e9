//! The broker and an independent Varlink client: the Python package `varlink`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{Broker, Outcome, run};
use wharf_testkit::skip;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/varlink_client.py");

/// A Python that has the package: that of `scripts/setup`, or else the system's.
fn python() -> Option<PathBuf> {
    let own = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/venv/bin/python"
    ));
    let has_package = |python: &PathBuf| {
        let asked = Command::new(python).args(["-c", "import varlink"]).output();
        asked.is_ok_and(|output| output.status.success())
    };
    [own, PathBuf::from("python3")].into_iter().find(has_package)
}

#[test]
fn python_client_agrees_with_the_broker() -> Outcome {
    let Some(python) = python() else {
        skip("the broker with an independent Varlink client: no Python package varlink");
        return Ok(());
    };
    let broker = Broker::start(&[]);
    let mut command = Command::new(python);
    command.arg(PROGRAM).arg(broker.socket());
    let agreed = [
        "introspection",
        "looking",
        "holding",
        "errors",
        "unknown_method",
        "oneway",
    ];
    let expected: Vec<String> = agreed.iter().map(|check| format!("{check}: agreed\n")).collect();
    assert_eq!(run(command).output(), expected.concat());
    Ok(())
}
