//! What became of the memory that frames lie in.

use serde::{Deserialize, Serialize};
use wharf::core::negotiation::Report as Refused;

use super::Role;

/// The memory of one generation of the stream's buffers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Its number, from 1.
    pub generation: u64,
    /// The heap it came from.
    pub heap: String,
    /// How many buffers there are.
    pub count: u64,
    /// The size of each in bytes.
    pub size_bytes: u64,
    /// The length in bytes of the chunks that it had to be made of; a page if nobody needs more.
    pub chunk_bytes: u64,
    /// From the start of one row of the luma plane to the start of the next, in bytes.
    pub stride_bytes: u64,
    /// Rows of the luma plane, with those that only pad.
    pub rows: u64,
}

/// A move of the stream to other memory while it ran. Times are in nanoseconds from the moment the newcomer asked to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveReport {
    /// What there was before.
    pub from: MemoryReport,
    /// What there was after.
    pub to: MemoryReport,
    /// For whom; `None` if it died before it could tell.
    pub newcomer: Option<Newcomer>,
    /// Until the camera learned that there is new memory; `None` without a newcomer to tell when it asked, as all times here.
    pub allocated_after_ns: Option<u64>,
    /// Until the camera knew that everybody has it.
    pub everybody_ready_after_ns: Option<u64>,
    /// Until the first frame in it was handed over.
    pub first_frame_after_ns: Option<u64>,
    /// The longest time between two frames of the camera meanwhile.
    pub longest_interval_ns: u64,
    /// Frames meanwhile that the camera could not make or hand over, or that never came to a viewer in the stream.
    pub frames_lost: u64,
    /// Frames meanwhile that viewers passed over because a newer one was there.
    pub frames_skipped: u64,
}

/// Somebody for whom memory moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newcomer {
    /// What it does.
    pub role: Role,
    /// Its process.
    pub pid: u32,
    /// What it needed that decided how the new memory is.
    pub why: Vec<Why>,
}

/// A need that decided how memory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The field, and the plane where it is one plane's.
    pub field: String,
    /// What was decided.
    pub value: String,
    /// Whose need it was.
    pub who: Vec<String>,
}

/// Somebody whom the memory did not suit, and for whom it did not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalReport {
    /// What it does.
    pub role: Role,
    /// Its process.
    pub pid: u32,
    /// Whether it then did its work in another way, with needs that could be met.
    pub found_another_way: bool,
    /// Why, in one line.
    pub summary: String,
    /// Why: who and what is in the way, and what would help.
    pub report: Refused,
}

impl RefusalReport {
    /// Describes a refusal of this process.
    #[must_use]
    pub fn of_this_process(role: Role, report: &Refused) -> Self {
        Self {
            role,
            pid: std::process::id(),
            found_another_way: false,
            summary: report.summary(),
            report: report.clone(),
        }
    }
}
