//! Why a program could not be run.

use std::io;

use rustix::io::Errno;

/// What the kernel said to a call that was made with `nix`.
pub(crate) fn errno_of(error: nix::Error) -> Errno {
    Errno::from_raw_os_error(error as i32)
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such program. `ENOENT`.
    #[error("cannot run {program}: there is no such program")]
    NoProgram {
        /// As it was asked for.
        program: String,
    },
    /// The program cannot be executed. What the kernel said.
    #[error("cannot run {program}: {errno}")]
    Program {
        /// As it was asked for.
        program: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// A step on the way to the program failed, and what can be done about it.
    #[error("{reason}")]
    Setup {
        /// Which step, what the kernel said and what helps.
        reason: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// A process of ours ended before it had started the program.
    #[error("the supervisor ended before the program was started: {how}")]
    Supervisor {
        /// How it ended.
        how: String,
    },
}

impl RunError {
    pub(crate) fn setup(doing: &str, errno: Errno) -> Self {
        Self::Setup {
            reason: format!("cannot {doing}: {errno}"),
            errno,
        }
    }

    pub(crate) fn io(doing: &str, error: &io::Error) -> Self {
        Self::setup(doing, Errno::from_io_error(error).unwrap_or(Errno::IO))
    }

    /// The Linux error number of the cause.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoProgram { .. } => Errno::NOENT,
            Self::Program { errno, .. } | Self::Setup { errno, .. } => *errno,
            Self::Supervisor { .. } => Errno::CHILD,
        }
    }

    /// The exit code by which shells and their tools tell these cases: 127, 126 and 125.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoProgram { .. } => 127,
            Self::Program { .. } => 126,
            Self::Setup { .. } | Self::Supervisor { .. } => 125,
        }
    }
}
