//! Why there is no run.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use wharf::SessionError;
use wharf_broker::EmbeddedError;

use crate::container::OutputError;
use crate::control::ListenError;

/// Why a run could not begin or go on; one line each.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The command line makes no sense here.
    #[error("{0}")]
    Usage(&'static str),
    /// The input cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Input { path: PathBuf, source: io::Error },
    /// The output is no place to record to.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The broker that was named is none.
    #[error(transparent)]
    Broker(#[from] SessionError),
    /// There is no broker of our own.
    #[error("cannot start a broker: {0}")]
    Embedded(#[from] EmbeddedError),
    /// Children have no place to connect to.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// Nothing can be waited for.
    #[error("cannot wait for the other processes: {0}")]
    Wait(Errno),
}
