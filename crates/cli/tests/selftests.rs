//! The kernel's own tests of heaps, udmabuf and sync files, compiled unmodified, under `wharf run`. What cannot pass is listed in
//! docs/run.md.
#![allow(clippy::expect_used, reason = "a test ends where it cannot go on")]

use std::path::Path;

use wharf_testkit::skip;
use xtask::Trouble;
use xtask::selftests::Selftests;

mod support;

#[test]
fn kernels_own_tests_pass_under_wharf_run() {
    pass_with(&[]);
}

#[test]
fn kernels_own_tests_pass_with_files() {
    if support::files_are_possible() {
        pass_with(&["--fd-kind", "fuse"]);
    }
}

fn pass_with(options: &[&str]) {
    let wharf = Path::new(env!("CARGO_BIN_EXE_wharf"));
    let reports = match Selftests::get().and_then(|tests| tests.under_with(wharf, options)) {
        Ok(reports) => reports,
        Err(Trouble::Unavailable(why)) => return skip(&format!("the kernel's own tests: {why}")),
        Err(error) => panic!("{error}"),
    };
    let programs: Vec<_> = reports.iter().map(|report| report.program).collect();
    assert_eq!(programs, ["dmabuf-heap", "udmabuf", "sync_test"]);
    for report in reports {
        assert_eq!(report.problems, [""; 0], "{report}\n{}", report.output);
    }
}
