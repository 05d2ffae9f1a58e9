//! Why a broker cannot serve.

use rustix::io::Errno;

/// The system refused something the broker cannot do without. No peer can cause this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker cannot {action}: {errno}")]
pub struct ServeError {
    /// What was tried.
    pub(crate) action: &'static str,
    /// What the system said.
    pub(crate) errno: Errno,
}

impl ServeError {
    /// The system's error number.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.errno
    }
}
