//! Tests that cannot run on this machine, said aloud.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write as _};

/// The environment variable that names the file in which skipped tests are listed.
pub const SKIP_LOG_ENV: &str = "WHARF_SKIP_LOG";

/// Says that the test cannot run here and why: on stderr, and as one line at the end of the file that `$WHARF_SKIP_LOG` names, if it
/// names one. The test then returns. What a run left out is thus seen, and never mistaken for what passed.
///
/// # Panics
///
/// When the file is named but cannot be written: a skip that nobody sees is a lie.
#[allow(
    clippy::panic,
    reason = "called by tests only, which must fail when a skip cannot be recorded"
)]
pub fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
    let Some(path) = std::env::var_os(SKIP_LOG_ENV).filter(|path| !path.is_empty()) else {
        return;
    };
    if let Err(error) = append(&path, reason) {
        panic!("cannot add to {SKIP_LOG_ENV}={}: {error}", path.display());
    }
}

/// Adds the reason, as one line, in one write: several processes may share the file.
fn append(path: &OsStr, reason: &str) -> io::Result<()> {
    let line = format!("{}\n", reason.replace(['\n', '\r'], " "));
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_one_line_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("skipped");
        append(path.as_os_str(), "no camera").unwrap();
        append(path.as_os_str(), "two\nlines").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "no camera\ntwo lines\n");
    }
}
