//! What a run did: counted by each process, put together by the parent, printed at the end.

mod latency;
mod memory_table;
mod moves;
mod process;
mod table;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::container::Summary;

pub use latency::{Latency, LatencyRecorder};
pub use moves::{MemoryReport, MoveReport, Newcomer, RefusalReport, Why};
pub use process::ProcessUse;

/// What a whole run did. Its JSON form is what `--json` prints; its `Display` is what is printed otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Size of the pictures, as `WIDTHxHEIGHT`.
    pub size: String,
    /// Frames per second, as a number or a fraction.
    pub frame_rate: String,
    /// How long the camera ran, in seconds.
    pub seconds: f64,
    /// What the camera did; `None` if it died without a word.
    pub camera: Option<CameraReport>,
    /// What each consumer did, in the order in which they were started.
    pub consumers: Vec<ConsumerReport>,
    /// The files that were recorded, in the order in which they were begun.
    pub recordings: Vec<RecordingReport>,
    /// Frames that someone did not get or gave up, by whom and why.
    pub dropped: Vec<Dropped>,
    /// The memory that frames lay in at first; `None` if the camera never got any.
    pub memory: Option<MemoryReport>,
    /// How the frames moved to other memory, in order.
    pub moves: Vec<MoveReport>,
    /// Who was refused because the memory did not suit it, in order.
    pub refusals: Vec<RefusalReport>,
    /// What each process used.
    pub processes: Vec<ProcessUse>,
    /// What went wrong, one line each.
    pub problems: Vec<String>,
}

impl Report {
    /// Bytes that Wharf copied in all processes together.
    #[must_use]
    pub fn wharf_copied_bytes(&self) -> u64 {
        self.processes
            .iter()
            .map(|process| process.wharf_copied_bytes)
            .sum()
    }

    /// Bytes that the processes themselves copied out of shared buffers, in all together.
    #[must_use]
    pub fn own_copied_bytes(&self) -> u64 {
        self.processes
            .iter()
            .map(|process| process.own_copied_bytes)
            .sum()
    }

    /// Frames that consumers of a kind used: that viewers showed or encoders encoded.
    #[must_use]
    pub fn frames_used(&self, role: Role) -> u64 {
        self.consumers
            .iter()
            .filter(|consumer| consumer.role == role)
            .map(|consumer| consumer.frames_used)
            .sum()
    }

    /// Frames that were dropped by anyone.
    #[must_use]
    pub fn frames_dropped(&self) -> u64 {
        self.dropped.iter().map(|dropped| dropped.frames).sum()
    }
}

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The parent of the others, with the broker inside if there is no other.
    Recorder,
    /// Makes the frames.
    Camera,
    /// Shows them.
    Viewer,
    /// Records them.
    Encoder,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorder => "recorder",
            Self::Camera => "camera",
            Self::Viewer => "viewer",
            Self::Encoder => "encoder",
        }
    }
}

/// What the camera did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CameraReport {
    /// Frames that it gave to the stream.
    pub frames_captured: u64,
}

/// What a viewer or an encoder did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsumerReport {
    /// Which of the two.
    pub role: Role,
    /// Its process.
    pub pid: u32,
    /// Frames that it received from the stream.
    pub frames_received: u64,
    /// Frames that it showed or encoded.
    pub frames_used: u64,
    /// Frames that were published while it was in the stream, and that it neither received nor passed over: always 0.
    pub frames_lost: u64,
    /// Frames that it compared with what the camera had to draw.
    pub frames_checked: u64,
    /// Those of them that were different.
    pub frames_torn: u64,
    /// How long frames took from being published to being received.
    pub latency: Latency,
}

/// A file that was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingReport {
    /// Where it is; what is not UTF-8 in it has been replaced.
    pub path: String,
    /// Number of its first frame in the stream, counted from 0; `None` if its encoder died and could not tell.
    pub first_frame: Option<u64>,
    /// Its length in bytes.
    pub bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// How long it plays, in seconds.
    pub seconds: f64,
}

impl RecordingReport {
    /// Describes a file.
    #[must_use]
    pub fn new(path: &Path, first_frame: Option<u64>, summary: Summary) -> Self {
        Self {
            path: path.display().to_string(),
            first_frame,
            bytes: summary.bytes,
            frames: summary.frames,
            seconds: summary.duration.as_secs_f64(),
        }
    }
}

/// Frames that were dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Who dropped them.
    pub by: Role,
    /// Why, in a few words.
    pub why: String,
    /// How many.
    pub frames: u64,
}
