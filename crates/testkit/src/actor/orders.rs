//! What an actor can be told to do.

use crate::pattern::Pattern;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use wharf_core::negotiation::Participant;
use wharf_protocol::{FailureDomain, Policy, Rotation, Token};

/// An order, and the report that answers it when all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Anybody: connects to the broker. [`Report::Done`](super::Report::Done) or [`Report::Refused`](super::Report::Refused).
    Connect {
        /// The broker's socket.
        socket: PathBuf,
        /// What to register as.
        label: String,
    },
    /// Anybody: gives up everything it has from the broker. `Done`.
    Close,
    /// Anybody: lowers the limit on descriptors so that only `free` more can be opened. `Done`.
    Starve {
        /// How many.
        free: u64,
    },
    /// Anybody: undoes `Starve`. `Done`.
    Feed,
    /// Producer: allocates buffers and starts a stream. `Done` or `Refused`.
    Open(ProducerTerms),
    /// Producer: makes a negotiated set and keeps it, and issues a seat for each of these. `Seats` or `Refused`.
    CreateSet {
        /// Whom it waits for.
        seats: Vec<SeatTerms>,
    },
    /// Producer or consumer: takes a seat of a negotiated set. `Done` or `Refused`.
    TakeSeat {
        /// What stands for the seat.
        token: Token,
        /// What it needs.
        needs: Box<Participant>,
    },
    /// Whoever has a seat: gets the buffers, and keeps them. `Done` or `Refused`.
    TakeBuffers {
        /// How long to wait, in milliseconds.
        patience_ms: u64,
    },
    /// Producer with a seat: gets the buffers, and starts a stream in them. `Done` or `Refused`.
    OpenSeated {
        /// How long to wait, in milliseconds.
        patience_ms: u64,
        /// What to fill frames with.
        pattern: Pattern,
    },
    /// Consumer: joins a stream over a negotiated set with needs of its own and goes on receiving. `Done` or `Refused`.
    JoinWith {
        /// How it takes part.
        terms: ConsumerTerms,
        /// What it needs.
        needs: Box<Participant>,
    },
    /// Producer: makes a token for this many uses. `Token` or `Refused`.
    IssueToken {
        /// How many.
        uses: u32,
    },
    /// Producer: waits for this many consumers. `Done`.
    AwaitConsumers {
        /// How many.
        count: usize,
    },
    /// Producer: goes on publishing, until `Pause` or `Finish`, with a pause of up to so much after each frame. `Done`.
    Run {
        /// Longest pause in microseconds.
        pause_us: u64,
    },
    /// Producer: publishes one frame. `Published` or `Blocked`.
    PublishOne {
        /// How long to wait for a buffer, in milliseconds.
        patience_ms: u64,
    },
    /// Producer: publishes no more. `Published`.
    Pause,
    /// Producer: has every buffer in hand at once, then gives them back. `Acquired` or `Blocked`.
    AcquireAll {
        /// How long to wait for each, in milliseconds.
        patience_ms: u64,
    },
    /// Producer: says who has departed since it was last asked and who is there. `Roster`.
    Roster,
    /// Producer: begins to move the stream to other buffers. `Moving` or `Refused`.
    Move {
        /// The size of each in bytes.
        size_bytes: u64,
        /// How many.
        buffers: u32,
        /// How long all of it may take, in milliseconds.
        deadline_ms: u64,
    },
    /// Producer: says how a move stands. `Moving` or, when it came to nothing, `Refused`.
    AskMove {
        /// The generation moved to.
        generation: u64,
    },
    /// Producer or consumer, which may be about to join: stops itself, as by SIGSTOP, at a step of the next move. `Done`.
    StopAt(MoveStage),
    /// Producer: ends the stream in order. `Done`, or `Refused` without a broker.
    Finish,
    /// Consumer: joins a stream and goes on receiving. `Done` or `Refused`.
    Join(ConsumerTerms),
    /// Consumer: says what it has seen. `Tally`.
    Tally,
    /// Consumer: says when each frame it received was published. `History`.
    History,
    /// Consumer: drops the frames it holds, after looking at them once more, and leaves. `Tally`.
    Leave,
    /// Intruder: joins a stream, over a connection of its own, and tries to write what it gets. `Attempts`.
    Intrude {
        /// The broker's socket.
        socket: PathBuf,
        /// What stands for the stream.
        token: Token,
    },
}

/// A step of a move, as one participant goes through it; see `wharf::MoveStep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveStage {
    /// Before it takes the new buffers.
    Offered,
    /// Before it tells the broker that it has them.
    Taken,
    /// After that.
    Ready,
    /// When it sees them in use.
    Committed,
    /// At its first frame in them.
    FirstFrame,
}

/// What stream a producer starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerTerms {
    /// How many buffers.
    pub buffers: u32,
    /// The size of each in bytes.
    pub size_bytes: u64,
    /// How many consumers there may be at a time.
    pub max_consumers: u32,
    /// How long it may take to make room for one that does not fit, in milliseconds; `None` if that is not to be done.
    pub room_ms: Option<u64>,
    /// After whose departure the stream moves; [`Rotation::OtherUsers`] if `None`.
    pub rotation: Option<Rotation>,
    /// What to fill frames with.
    pub pattern: Pattern,
}

/// A seat that is issued to somebody who is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatTerms {
    /// What its holder is called until it comes.
    pub label: String,
    /// Whether its holder may write.
    pub writes: bool,
    /// Whom it harms when its holder dies.
    pub domain: FailureDomain,
}

/// How a consumer takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerTerms {
    /// What stands for the stream.
    pub token: Token,
    /// Most frames it may have.
    pub depth: u32,
    /// What happens when it does not keep up.
    pub policy: Policy,
    /// What it does with frames.
    pub behavior: Behavior,
    /// What they must be filled with.
    pub pattern: Pattern,
}

/// What a consumer does with the frames it receives. It looks at each when it comes and again before it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Behavior {
    /// Sleeps until a frame comes, and holds up to `keep` of them, each for up to `hold_us` microseconds after it came.
    Steady {
        /// Frames held, 1 up to the depth.
        keep: usize,
        /// Longest time in microseconds.
        hold_us: u64,
    },
    /// Claims and releases without a pause, and looks for the next frame without sleeping.
    Spinning,
    /// Holds frames up to its depth and never lets go of them.
    Hoarding,
}
