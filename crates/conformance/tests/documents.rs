//! What the documents say about tests and differences is what the sources say.

#![allow(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

mod repository;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use repository::{read, root};

/// The last column of every row of docs/kernel-tests.md.
fn rows() -> Vec<String> {
    let table = read("docs/kernel-tests.md");
    let cells = table.lines().filter_map(|line| line.strip_suffix("` |"));
    cells
        .map(|line| line.rsplit('`').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_mirrored_case_exists_where_the_table_says() {
    let rows = rows();
    assert!(rows.len() > 90, "only {} rows were understood", rows.len());
    for row in rows {
        match row.split_once("::") {
            Some((file, case)) => assert!(read(file).contains(&format!("pub fn {case}<")), "{row}"),
            None => assert!(!read(&row).is_empty(), "{row}"),
        }
    }
}

#[test]
fn every_case_of_the_kernel_suites_is_in_the_table() {
    let listed: BTreeSet<String> = rows().into_iter().collect();
    for file in [
        "fence/basic",
        "fence/chain",
        "fence/unwrap",
        "resv/basic",
        "ww/mutex",
        "ww/stress",
        "ww/selftest",
    ] {
        let path = format!("crates/conformance/src/{file}.rs");
        for line in read(&path).lines() {
            let Some(rest) = line.strip_prefix("pub fn ") else {
                continue;
            };
            let case = format!("{path}::{}", rest.split('<').next().unwrap());
            let is_ours = case.ends_with("::stress_lock_all");
            assert!(listed.contains(&case) || is_ours, "{case} is in no row");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// How many differences each source file declares.
fn declared() -> BTreeMap<String, usize> {
    let mut files = Vec::new();
    for folder in fs::read_dir(root().join("crates")).unwrap() {
        let folder = folder.unwrap().path().join("src");
        sources(&folder, &mut files);
    }
    let mut counts = BTreeMap::new();
    for file in files {
        let declared = fs::read_to_string(&file).unwrap().matches("DIFFERENCE: ").count();
        if declared > 0 {
            let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            counts.insert(name, declared);
        }
    }
    counts
}

#[test]
fn every_difference_to_the_kernel_is_in_compat_toml() {
    let document = read("docs/compat.toml");
    let mut listed = BTreeMap::new();
    for line in document
        .lines()
        .filter_map(|line| line.strip_prefix("where = \""))
    {
        *listed.entry(line.trim_end_matches('"').to_owned()).or_insert(0) += 1;
    }
    assert_eq!(
        declared(),
        listed,
        "left: in the sources, right: in docs/compat.toml"
    );
}
