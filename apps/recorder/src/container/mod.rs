//! Recordings: fragmented MP4 files that can be played at any moment of their making.
//!
//! A file begins with `ftyp` and `moov`, which describe the video but no frame, and goes on with fragments
//! (`moof` and `mdat`) of about half a second. Each is written whole.
//!
//! Whatever happens to this process, what was written before plays. If a write fails, the file is cut back to
//! the last whole fragment. If the process is killed in the middle of a write, there is nothing to cut back
//! with, and some players give a file up for half a `moof`. So a `moof` is written as a box to skip (`free`)
//! and only gets its name, in four bytes, when the whole fragment is there.

mod boxes;
mod error;
mod inspect;
mod output;
mod recording;
mod timeline;

pub use error::{OutputError, RecordingError, Step};
pub use inspect::inspect;
pub use output::{NewFile, OutputFile, Storage};
pub use recording::{Recording, Summary};
