//! What docs/contracts.md says about cases and tests is what the sources say.

#![allow(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

mod repository;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use repository::{read, root};

/// The clauses of the contract that cases may name.
const CLAUSES: [&str; 26] = [
    "B1", "B2", "B3", "B4", "B5", "A1", "A2", "A3", "A4", "A5", "A6", "L1", "L2", "L3", "L4", "L5", "L6",
    "L7", "L8", "C1", "C2", "C3", "C4", "C5", "C6", "C7",
];

/// A clause, its cases and its other tests.
struct Row {
    clause: String,
    cases: BTreeSet<String>,
    tests: Vec<String>,
    status: String,
}

fn rows() -> Vec<Row> {
    let quoted = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(Into::into).collect() };
    let document = read("docs/contracts.md");
    let lines = document.lines().filter(|line| line.starts_with("| "));
    let rows = lines.skip(1).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{line}");
        Row {
            clause: cells[0].into(),
            cases: quoted(cells[2]).into_iter().collect(),
            tests: quoted(cells[3]),
            status: cells[4].into(),
        }
    });
    rows.collect()
}

/// All cases of the suites, with the clauses that their comments begin with.
fn cases() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(root().join("crates/conformance/src/contract")).unwrap() {
        let path = file.unwrap().path();
        let suite = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut clauses = None;
        for line in fs::read_to_string(&path).unwrap().lines() {
            if let Some(comment) = line.strip_prefix("/// ") {
                let first = comment.split(": ").next().unwrap();
                clauses
                    .get_or_insert_with(|| first.split(", ").map(Into::into).collect::<BTreeSet<String>>());
            } else if let Some(case) = line.strip_prefix("pub fn ") {
                let case = case.split('<').next().unwrap();
                found.insert(format!("{suite}::{case}"), clauses.take().unwrap());
            } else {
                clauses = None;
            }
        }
    }
    found
}

#[test]
fn every_clause_is_in_the_table() {
    let listed: Vec<String> = rows().into_iter().map(|row| row.clause).collect();
    for clause in CLAUSES
        .into_iter()
        .chain(["F", "R", "N", "N1", "N2", "N3", "N4", "N5", "S", "S7", "P", "E"])
    {
        assert_eq!(listed.iter().filter(|row| *row == clause).count(), 1, "{clause}");
    }
    assert_eq!(listed.len(), CLAUSES.len() + 12);
}

#[test]
fn every_case_is_in_the_rows_of_its_clauses_and_no_other() {
    let cases = cases();
    assert!(cases.len() > 80, "only {} cases were understood", cases.len());
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows() {
        for case in row.cases {
            listed.entry(case).or_default().insert(row.clause.clone());
        }
    }
    assert_eq!(cases, listed, "left: in the suites, right: in docs/contracts.md");
}

#[test]
fn every_case_is_in_the_macro_of_its_suite() {
    let macros = read("crates/conformance/src/contract/macros.rs");
    for case in cases().into_keys() {
        let (suite, name) = case.split_once("::").unwrap();
        let begun = macros.split_once(&format!("contract::{suite}, $sut;")).unwrap().1;
        let listed = begun.split_once(");").unwrap().0;
        assert!(listed.contains(&format!(" {name},")), "{case} is never run");
    }
}

#[test]
fn every_other_test_exists() {
    let mut count = 0;
    for test in rows().into_iter().flat_map(|row| row.tests) {
        match test.split_once("::") {
            Some((file, name)) => assert!(read(file).contains(&format!("fn {name}(")), "{test}"),
            None => assert!(!read(&test).is_empty(), "{test}"),
        }
        count += 1;
    }
    assert!(count > 60, "only {count} tests were understood");
}

#[test]
fn clauses_without_tests_say_why() {
    for row in rows() {
        let says_why = row.status.contains("not here: ");
        assert!(!row.cases.is_empty() || says_why, "{} has no case", row.clause);
    }
}
