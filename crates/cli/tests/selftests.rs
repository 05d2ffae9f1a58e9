//! The kernel's own tests of heaps, udmabuf and sync files, compiled unmodified, under `wharf run`. What cannot pass is listed in
//! docs/run.md.
#![allow(clippy::expect_used, reason = "a test ends where it cannot go on")]

use std::path::Path;

use wharf_testkit::skip;
use xtask::Trouble;
use xtask::selftests::{Report, Selftests};

mod support;

#[test]
fn kernels_own_tests_pass_under_wharf_run() {
    pass(Selftests::under);
}

#[test]
fn kernels_own_tests_pass_with_files() {
    if support::files_are_possible() {
        pass(Selftests::with_files);
    }
}

fn pass(run: fn(&Selftests, &Path) -> Result<Vec<Report>, Trouble>) {
    let wharf = Path::new(env!("CARGO_BIN_EXE_wharf"));
    let reports = match Selftests::get().and_then(|tests| run(&tests, wharf)) {
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
