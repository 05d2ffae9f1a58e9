//! The words of the conversation between the director and its children.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wharf::{SetId, Token};

use super::text;
use crate::needs::EncoderNeeds;
use crate::rate::FrameRate;
use crate::report::{ConsumerReport, Dropped, MemoryReport, ProcessUse, RecordingReport, RefusalReport, Why};
use crate::size::Size;

/// What the director tells a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// To the camera: open the input and make a stream.
    Open(OpenOrder),
    /// To the camera: the consumers are in the stream, produce frames.
    Begin,
    /// To a viewer: join the stream and show it.
    View(ViewOrder),
    /// To an encoder: join the stream and record it.
    Record(RecordOrder),
    /// To a viewer: say this about the recording.
    ShowRecording(RecordingState),
    /// To everyone: come to an end in order.
    Stop,
}

/// What the camera is to produce.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenOrder {
    pub(crate) source: Source,
    /// Instead of what the source says.
    #[serde(with = "text::option")]
    pub(crate) rate: Option<FrameRate>,
    /// Length of the stream; `None` is until the input ends.
    pub(crate) time_limit: Option<Duration>,
    /// The time of the stream at which the camera says [`Word::RecordDue`]; `None` is never.
    pub(crate) record_at: Option<Duration>,
    /// Viewers that are going to join.
    pub(crate) viewers: u32,
}

/// Where the camera's pictures come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// The built-in test card of this size.
    TestCard(#[serde(with = "text")] Size),
    /// YUV4MPEG2 on the camera's standard input.
    Y4m,
}

/// What a viewer is to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ViewOrder {
    pub(crate) token: Token,
    /// Whether to draw in the terminal, and not only count.
    pub(crate) draw: bool,
    /// Whether to hold the memory in place.
    pub(crate) pinned: bool,
    /// The size of the test cards to compare every frame with, if it is to.
    #[serde(with = "text::option")]
    pub(crate) check: Option<Size>,
}

/// What an encoder is to record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordOrder {
    pub(crate) token: Token,
    #[serde(with = "text")]
    pub(crate) size: Size,
    #[serde(with = "text")]
    pub(crate) rate: FrameRate,
    #[serde(with = "text::path")]
    pub(crate) path: PathBuf,
    /// What to ask for.
    pub(crate) needs: EncoderNeeds,
    /// The stream's buffers, to be asked about.
    pub(crate) set: SetId,
}

/// What viewers say about the recording.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordingState {
    /// Nothing is being recorded.
    #[default]
    Off,
    /// The encoder has been started, but has no frame yet.
    Starting,
    /// This file is being recorded.
    On(String),
    /// The encoder finishes its file.
    Stopping,
    /// The recording failed, for this reason.
    Failed(String),
}

/// What a child tells the director.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// The first word of every child: it listens.
    Hello,
    /// The camera's stream is there and waits for [`Order::Begin`].
    Ready(Ready),
    /// A viewer or encoder is in the stream: the next frame is its first.
    Joined,
    /// What an encoder found when it joined.
    Settled(Settled),
    /// An encoder has to do its work in another way, because the memory it would like to have is not to be had.
    MadeDo(RefusalReport),
    /// The camera has made its first frame in other memory.
    Moved(CameraMove),
    /// The camera has come to the time at which recording begins.
    RecordDue,
    /// An encoder has begun its file.
    Recording,
    /// The user pressed a key.
    Pressed(Key),
    /// The camera's last word.
    Captured(CameraOutcome),
    /// A viewer's or encoder's last word.
    Consumed(ConsumerOutcome),
    /// The last word of a child that never took part in the stream: why.
    Failed(String),
    /// The last word of a child whom the memory of the stream does not suit.
    Refused(RefusalReport),
}

/// What the camera has opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ready {
    #[serde(with = "text")]
    pub(crate) size: Size,
    #[serde(with = "text")]
    pub(crate) rate: FrameRate,
    pub(crate) token: Token,
    /// The buffers of the stream.
    pub(crate) set: SetId,
    /// The memory they are in.
    pub(crate) memory: MemoryReport,
    /// What people should know about the input.
    pub(crate) warnings: Vec<String>,
}

/// What an encoder found when it joined. Times are in nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settled {
    /// When it asked to join.
    pub(crate) asked_ns: u64,
    /// The generation of the memory it got.
    pub(crate) generation: u64,
    /// What it needs that decided how that is.
    pub(crate) why: Vec<Why>,
}

/// How the camera saw the stream move. Times are in nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CameraMove {
    pub(crate) from: MemoryReport,
    pub(crate) to: MemoryReport,
    /// When it learned of the new memory.
    pub(crate) offered_ns: u64,
    /// When it learned that everybody has it.
    pub(crate) committed_ns: u64,
    /// The frames before, the oldest first, and the first one in the new memory.
    pub(crate) frames: Vec<HandedOver>,
}

/// A frame of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandedOver {
    /// When it was handed over.
    pub(crate) at_ns: u64,
    /// Frames that were not, up to then, whatever the reason.
    pub(crate) dropped_before: u64,
}

/// How a viewer or an encoder saw the stream move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsumerMove {
    /// The generation moved to.
    pub(crate) to: u64,
    /// Frames meanwhile that it passed over.
    pub(crate) skipped: u64,
    /// Frames meanwhile that never came.
    pub(crate) lost: u64,
}

/// A key of meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    /// Start or stop recording.
    Record,
    /// End the run.
    Quit,
}

/// What the camera did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct CameraOutcome {
    pub(crate) frames_captured: u64,
    /// How long the stream is.
    pub(crate) duration: Duration,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) usage: Option<ProcessUse>,
    pub(crate) problems: Vec<String>,
}

/// What a viewer or an encoder did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConsumerOutcome {
    pub(crate) report: ConsumerReport,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) usage: Option<ProcessUse>,
    /// The moves it went along with.
    pub(crate) moves: Vec<ConsumerMove>,
    /// The file of an encoder that got a frame.
    pub(crate) recording: Option<RecordingReport>,
    pub(crate) problems: Vec<String>,
}
