//! What docs/sysmem-tests.md says about tests is what the sources say.

#![allow(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

mod repository;

use std::collections::BTreeSet;

use repository::read;

/// The names of reference section 5.
const NAMES: [&str; 42] = [
    "MinBufferCount",
    "BufferName",
    "NoToken",
    "NoSync",
    "DuplicateSync",
    "CloseWithOutstandingWait",
    "ConstraintsRetainedBeyondRelease",
    "HeapConstraints",
    "NoneUsage",
    "PixelFormatBgr24",
    "ReleaseToken",
    "HeapAmlogicSecure",
    "HeapAmlogicSecureMiniStress",
    "AllocatedBufferZeroInRam",
    "DefaultAttributes",
    "TooManyFormats",
    "TooManyBuffers",
    "SetDispensableBeforeAllocation",
    "SetDispensableAfterAllocation",
    "IsAlternateFor",
    "IsAlternateForMiniStress",
    "GroupPrefersFirstChild",
    "GroupPriority",
    "GroupOneCompatibleChild",
    "SetVerboseLogging",
    "PixelFormatDoNotCareSuccess",
    "PixelFormatDoNotCareMultiple",
    "PixelFormatDoNotCareUnconstrained",
    "ColorSpaceDoNotCare",
    "WeakNeverSent",
    "WeakSent",
    "WeakTooLate",
    "WeakSparseBufferSet",
    "WeakZeroStrong",
    "GetVmoInfo",
    "MustMatchVmo",
    "IsAlphaPresent",
    "AttachNodeTracking",
    "PageForPadForBlockSize",
    "PadBeyondImageSize",
    "PadForBlockSizeMiniStress",
    "Fuzzer",
];

/// A name, what becomes of it, and the test.
struct Row {
    name: String,
    status: String,
    test: String,
}

fn rows() -> Vec<Row> {
    let table = read("docs/sysmem-tests.md");
    let lines = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Name "));
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, status, test] = cells[..] else {
            panic!("{line}")
        };
        Row {
            name: name.into(),
            status: status.into(),
            test: test.trim_matches('`').into(),
        }
    });
    rows.collect()
}

#[test]
fn every_name_is_in_one_row() {
    let rows = rows();
    for name in NAMES {
        assert_eq!(rows.iter().filter(|row| row.name == name).count(), 1, "{name}");
    }
    let ours = rows.iter().filter(|row| row.name.starts_with('('));
    assert_eq!(rows.len(), NAMES.len() + ours.count());
}

#[test]
fn every_complaint_and_each_of_our_own_is_answered_by_a_test() {
    let rows = rows();
    let is_there = |name: &str| rows.iter().any(|row| row.name.starts_with(name));
    for complaint in 1..=17 {
        assert!(is_there(&format!("(C{complaint})")), "C{complaint}");
    }
    // (i) are the complaints.
    for ours in ('a'..='n').filter(|letter| *letter != 'i') {
        assert!(is_there(&format!("({ours}) ")), "({ours})");
    }
}

#[test]
fn every_row_names_a_test_or_says_why_there_is_none() {
    for row in rows() {
        if row.status.starts_with("not here: ") {
            assert_eq!(row.test, "–", "{}", row.name);
            continue;
        }
        assert!(row.status.starts_with("passes"), "{}: {}", row.name, row.status);
        let (file, test) = row.test.split_once("::").unwrap();
        let source = read(file);
        let at = source
            .find(&format!("\n    fn {test}("))
            .or(source.find(&format!("\nfn {test}(")));
        let before = &source[..at.unwrap_or_else(|| panic!("{} is nowhere", row.test))];
        assert!(before.trim_end().ends_with("#[test]"), "{} is no test", row.test);
    }
}

#[test]
fn every_test_that_mirrors_one_is_in_a_row() {
    let tests: BTreeSet<String> = rows().into_iter().map(|row| row.test).collect();
    let mut count = 0;
    for file in [
        "crates/core/tests/set/sysmem.rs",
        "crates/core/tests/set/negotiated.rs",
        "crates/core/tests/set/existing.rs",
    ] {
        for mirror in read(file).split("// Mirrors sysmem_tests_v2.cc").skip(1) {
            let name = mirror.split("\nfn ").nth(1).unwrap().split('(').next().unwrap();
            assert!(tests.contains(&format!("{file}::{name}")), "{name} is in no row");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} were understood");
}
