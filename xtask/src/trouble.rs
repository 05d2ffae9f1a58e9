//! What went wrong.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// Exit code of `cargo xtask` where a machine cannot have what was asked for, so that callers can skip.
pub const UNAVAILABLE_CODE: u8 = 77;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// This machine lacks something that no change of the caller's can replace: QEMU, apt, a package. What was to be tested is skipped.
    #[error("{0}")]
    Unavailable(String),
    /// Something failed that should not have.
    #[error("{0}")]
    Failed(String),
}

impl Trouble {
    /// Something about a file or directory failed.
    pub(crate) fn at(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::Failed(format!("cannot {what} {}: {error}", path.display()))
    }

    /// Something failed, for a reason.
    pub(crate) fn failed(what: impl Display, why: impl Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }

    /// The exit code that says so: 77 for what a machine cannot have, 125 for the rest.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Unavailable(_) => UNAVAILABLE_CODE,
            Self::Failed(_) => 125,
        }
    }
}
