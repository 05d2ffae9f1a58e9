//! The kernel's own tests in the guest: heaps with vgem as importer, udmabuf with huge pages. Under `wharf run` they are
//! crates/cli/tests/selftests.rs.

use wharf_testkit::skip;
use xtask::Trouble;
use xtask::selftests::{EXCEPTIONS, Selftests};

#[test]
fn kernels_own_tests_pass_on_the_kernel() {
    let reports = match Selftests::get().and_then(|tests| tests.in_guest()) {
        Ok(reports) => reports,
        Err(Trouble::Unavailable(why)) => {
            return skip(&format!("the kernel's own tests in the guest: {why}"));
        }
        Err(error) => panic!("{error}"),
    };
    let programs: Vec<_> = reports.iter().map(|report| report.program).collect();
    assert_eq!(programs, ["dmabuf-heap", "udmabuf"]);
    for report in reports {
        assert_eq!(report.problems, [""; 0], "{report}\n{}", report.output);
    }
}

#[test]
fn exceptions_are_those_of_the_documentation() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/run.md");
    let page = std::fs::read_to_string(page).unwrap();
    let told: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("` case "))
        .collect();
    let listed: Vec<String> = EXCEPTIONS
        .iter()
        .map(|known| {
            format!(
                "| `{}` case {} | {} | {} |",
                known.program, known.case, known.world, known.reason
            )
        })
        .collect();
    assert_eq!(told, listed);
}
