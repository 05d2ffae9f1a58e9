//! What can go wrong with a recording.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a file cannot be recorded to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The system does not let us open it for writing.
    #[error("cannot open {} for recording: {source}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something that a recording cannot be written to.
    #[error("cannot record to {}: it is {what}, not a file", path.display())]
    NotAFile {
        /// Which path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It is the file that the pictures come from.
    #[error("cannot record to {}: it is the input, which would be destroyed", path.display())]
    IsInput {
        /// Which file.
        path: PathBuf,
    },
}

impl OutputError {
    /// The errno that tells the same.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::Open { source, .. } => Errno::from_io_error(source).unwrap_or(Errno::IO),
            Self::NotAFile {
                what: "a directory", ..
            } => Errno::ISDIR,
            Self::NotAFile { .. } | Self::IsInput { .. } => Errno::INVAL,
        }
    }
}

/// What failed while recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Emptying the file at the beginning.
    Empty,
    /// Writing the header or a fragment.
    Write,
    /// Making the disk keep what was written.
    Sync,
}

/// A recording ended early. What was written before is kept and plays.
#[derive(Debug)]
pub struct RecordingError {
    /// Which file.
    pub path: PathBuf,
    /// What failed.
    pub step: Step,
    /// Frames that are in the file.
    pub kept_frames: u64,
    /// Length of the file in bytes. After a failed [`Step::Sync`] the disk may hold less.
    pub kept_bytes: u64,
    /// Frames that were given to the recording and are not in the file.
    pub lost_frames: u64,
    /// What the system said.
    pub source: io::Error,
    /// Why a half-written fragment could not be cut off, if so; players ignore it.
    pub leftover: Option<io::Error>,
}

impl RecordingError {
    /// The errno that tells the same: usually ENOSPC, EDQUOT, EFBIG or EIO.
    #[must_use]
    pub fn errno(&self) -> Errno {
        Errno::from_io_error(&self.source).unwrap_or(Errno::IO)
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = match self.step {
            Step::Empty => "empty",
            Step::Write => "write to",
            Step::Sync => "save",
        };
        write!(
            f,
            "cannot {doing} {}: {}; it keeps {} frames in {} bytes, {} frames are lost",
            self.path.display(),
            self.source,
            self.kept_frames,
            self.kept_bytes,
            self.lost_frames
        )?;
        match &self.leftover {
            Some(error) => write!(f, "; and part of a fragment stays at its end: {error}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RecordingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
