//! One suite for both worlds: what `fd-suite` finds under `wharf run` and on a real kernel is what `docs/compat.toml` says.
//!
//! A case that is not listed there passes in both; a listed one ends in each as it says there. So a difference that nobody listed
//! fails, and so does a listed one that is none any more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it cannot go on"
)]

mod listed;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use wharf_testkit::skip;
use xtask::{Ending, Guest, Trouble};

use listed::Listed;

/// Cases and what became of them.
type Results = BTreeMap<String, String>;

/// What `fd-suite` printed, without its last line, which counts.
fn results(output: &str) -> Results {
    let lines = output.lines().filter_map(|line| line.split_once(": "));
    let results: Results = lines
        .filter(|(case, _)| case.contains('/'))
        .map(|(case, became)| (case.to_owned(), became.to_owned()))
        .collect();
    let last = output.lines().last().unwrap_or_default();
    assert!(
        last.starts_with(&format!("{} cases: ", results.len())),
        "not all was said: {last}"
    );
    results
}

/// The program, linked statically: the same file in both worlds.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let build = || xtask::build::program("wharf-conformance", "fd-suite").expect("it can be built");
    PROGRAM.get_or_init(build).clone()
}

/// What differs from `expected`, case by case.
fn unlike(results: &Results, expected: impl Fn(&str) -> String) -> Vec<String> {
    let unlike = results.iter().filter_map(|(case, became)| {
        let expected = expected(case);
        (expected != *became).then(|| format!("{case}\n  listed: {expected}\n  found:  {became}"))
    });
    unlike.collect()
}

#[test]
fn run_is_what_is_listed() {
    let listed = Listed::read();
    let mut command = support::wharf(&["run", "--sw-sync", "--"]);
    command.arg(program());
    let ended = support::run(command);
    let results = results(&ended.stdout);
    assert!(results.len() > 300, "{} cases", results.len());
    let unlike = unlike(&results, |case| listed.of(case).wharf);
    assert!(unlike.is_empty(), "under wharf run:\n{}", unlike.join("\n"));
    assert_eq!(listed.that_are_none(results.keys()), Vec::<String>::new());
}

#[test]
fn kernel_is_what_is_listed() {
    let listed = Listed::read();
    let guest = Guest::new().module("vgem", "").time(Duration::from_secs(600));
    let output = match guest.output(&program(), &[]) {
        Err(Trouble::Unavailable(reason)) => {
            skip(&format!("fd-suite on a real kernel: {reason}"));
            return;
        }
        other => other.expect("the guest can be started"),
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.outcome.ending, Ending::Exit(0), "{stderr}");
    let results = results(&String::from_utf8_lossy(&output.stdout));
    let unlike = unlike(&results, |case| listed.of(case).kernel);
    assert!(unlike.is_empty(), "in the guest:\n{}", unlike.join("\n"));
    assert_eq!(listed.that_are_none(results.keys()), Vec::<String>::new());
}

#[test]
fn listed_ones_are_differences() {
    for entry in Listed::read().entries() {
        assert_ne!(entry.kernel, entry.wharf, "{:?}", entry.cases);
        assert!(entry.why.len() > 10, "{:?} says no reason", entry.cases);
    }
}
