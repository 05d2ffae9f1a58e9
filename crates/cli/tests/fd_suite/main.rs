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

use listed::{Ends, Listed};

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

/// Compares what came of all cases with what is listed.
fn compare(what: &str, output: &str, world: impl Fn(Ends) -> String) {
    let (listed, results) = (Listed::read(), results(output));
    assert!(results.len() > 300, "{} cases", results.len());
    let unlike = results.iter().filter_map(|(case, became)| {
        let expected = world(listed.of(case));
        (expected != *became).then(|| format!("\n{case}\n  listed: {expected}\n  found:  {became}"))
    });
    let unlike: Vec<String> = unlike.collect();
    assert!(unlike.is_empty(), "{what}:{}", unlike.concat());
    assert_eq!(listed.that_are_none(results.keys()), Vec::<String>::new());
}

/// The suite in a run with these options besides.
fn run(options: &[&str]) -> support::Ended {
    let mut command = support::wharf(&["run", "--sw-sync"]);
    command.args(options).arg("--").arg(program());
    support::run(command)
}

#[test]
fn run_is_what_is_listed() {
    compare("under wharf run", &run(&[]).stdout, |ends| ends.wharf);
}

/// Two views of each buffer are seen in what is in them only.
#[test]
fn run_that_checks_coherency_is_what_is_listed() {
    let ended = run(&["--check-coherency"]);
    compare("under wharf run --check-coherency", &ended.stdout, |ends| {
        ends.wharf
    });
    assert!(ended.stderr.starts_with("wharf: coherency: "), "{}", ended.stderr);
}

#[test]
fn run_with_files_is_what_is_listed() {
    if !support::files_are_possible() {
        return;
    }
    let ended = run(&["--fd-kind", "fuse"]);
    let output: Vec<String> = ended.stdout.lines().map(without_number).collect();
    compare("under wharf run --fd-kind fuse", &output.join("\n"), |ends| {
        ends.fuse
    });
}

/// A line without the number in the name of a buffer's file, which nobody can know.
fn without_number(line: &str) -> String {
    match line.split_once("got /dmabuf:") {
        Some((before, number)) if number.parse::<u64>().is_ok() => format!("{before}got /dmabuf:N"),
        _ => line.to_owned(),
    }
}

#[test]
fn exact_run_is_what_is_listed() {
    let ended = run(&["--exact-udmabuf"]);
    compare("under wharf run --exact-udmabuf", &ended.stdout, |ends| {
        ends.exact
    });
}

#[test]
fn run_without_privileges_is_what_is_listed() {
    if let Some(ended) = support::run_unprivileged(&["--sw-sync"], &program()) {
        let what = "under wharf run without privileges";
        compare(what, &ended.stdout, |ends| ends.unprivileged);
    }
}

#[test]
fn kernel_is_what_is_listed() {
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
    let stdout = String::from_utf8_lossy(&output.stdout);
    compare("in the guest", &stdout, |ends| ends.kernel);
}

#[test]
fn listed_ones_are_differences() {
    for entry in Listed::read().entries() {
        let others: Vec<&String> = [&entry.unprivileged, &entry.exact, &entry.fuse]
            .into_iter()
            .flatten()
            .collect();
        let differs = |ends: &String| *ends != entry.kernel;
        assert!(
            differs(&entry.wharf) || others.iter().any(|ends| differs(ends)),
            "{:?}",
            entry.cases
        );
        let twice = others.iter().any(|ends| **ends == entry.wharf);
        assert!(!twice, "{:?} says twice how it ends", entry.cases);
        assert!(entry.why.len() > 10, "{:?} says no reason", entry.cases);
    }
}
