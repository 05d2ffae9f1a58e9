//! What must not compile, one program per file of `tests/ui`.
#![cfg(not(any(loom, shuttle)))]

use std::io::Write;

/// The compiler whose messages are in the `.stderr` files; others word theirs differently. To change it, run
/// `TRYBUILD=overwrite cargo test -p wharf-core --test ui` and look at every difference.
const MESSAGES_OF: &str = "rustc 1.95.";

#[test]
fn misuse_does_not_compile() {
    let version = rustc_version();
    if version.starts_with(MESSAGES_OF) {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    } else {
        skip(&format!(
            "misuse that must not compile: the messages are those of {MESSAGES_OF}x, this is {version}"
        ));
    }
}

fn rustc_version() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("--version").output();
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Says so, and has it counted by `scripts/test`.
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
    if let Some(log) = std::env::var_os("WHARF_SKIP_LOG") {
        let file = std::fs::OpenOptions::new().append(true).open(log);
        let written = file.and_then(|mut file| writeln!(file, "{reason}"));
        assert!(written.is_ok(), "the skip is not counted: {written:?}");
    }
}
