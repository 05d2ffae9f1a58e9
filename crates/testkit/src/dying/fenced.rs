//! Frames whose contents come after them, and frames that are read after they were given back.
//!
//! Each side has a device that works later, in the same thread: so it dies with its owner, at a store like any other.

mod filling;
mod reading;

pub use filling::{Filled, fill};
pub use reading::{Read, read};

use super::{FusedWords, consuming::PATTERN};
use std::sync::Arc;
use wharf_core::Errno;
use wharf_memory::{OwnedWords, ReadOnlyWords};

/// Most frames of a producer whose contents are not there yet.
pub const UNFINISHED: usize = 2;

/// From this frame on frames lie in the second generation of the buffers.
pub const FENCED_GENERATION_CHANGE: u64 = 4;

/// A page of this process, for all who write it.
type Own = Arc<FusedWords<OwnedWords>>;
/// A page of somebody else.
type Other = Arc<ReadOnlyWords>;

/// The device fails at every fifth frame.
fn errno_of(seq: u64) -> Option<Errno> {
    seq.is_multiple_of(5).then_some(Errno::EIO)
}
