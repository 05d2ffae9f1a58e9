//! What the processes of a run say to each other.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::devices::{Exactness, FileId};
use crate::error::RunError;

/// A device of the private `/dev`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Device {
    /// `/dev/dma_heap/<name>`.
    Heap(String),
    /// `/dev/udmabuf`.
    Udmabuf(Exactness),
    /// `/dev/sw_sync`.
    SwSync,
    /// `/dev/dri/card0`.
    Vgem,
}

/// A failure, to be told further up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    Program { program: String, errno: i32 },
    Setup { reason: String, errno: i32 },
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let errno = error.errno().raw_os_error();
        match error {
            RunError::NoProgram { program } | RunError::Program { program, .. } => {
                Self::Program { program, errno }
            }
            other => Self::Setup {
                reason: other.to_string(),
                errno,
            },
        }
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Program { program, errno } if errno == Errno::NOENT.raw_os_error() => {
                Self::NoProgram { program }
            }
            Failure::Program { program, errno } => Self::Program {
                program,
                errno: Errno::from_raw_os_error(errno),
            },
            Failure::Setup { reason, errno } => Self::Setup {
                reason,
                errno: Errno::from_raw_os_error(errno),
            },
        }
    }
}

/// From the stage to the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StageReport {
    /// Everything is there; the descriptors are the listener and the connection to the broker, if there is one. The program is
    /// executed when something is sent back.
    Ready { devices: Vec<(FileId, Device)> },
    /// There will be no program.
    Failed(Failure),
}

/// From the supervisor to the guardian.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The program is about to begin, as this process. The descriptor is the listener.
    Started {
        pid: i32,
        devices: Vec<(FileId, Device)>,
    },
    /// It was stopped by a signal.
    Stopped { signal: i32 },
    /// It has exited.
    Exited { code: i32 },
    /// It was killed by a signal.
    Killed { signal: i32 },
    /// There will be no program.
    Failed(Failure),
}
