//! What an actor answers.

use serde::{Deserialize, Serialize};
use wharf_protocol::{SetId, Token};

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The first report: the actor has started.
    Ready,
    /// The order was carried out, and there is nothing to add.
    Done,
    /// The library or the broker refused.
    Refused {
        /// The error number.
        errno: i32,
        /// The error's text.
        message: String,
    },
    /// The token asked for.
    Token(Token),
    /// A set, and a token for each seat asked for, in order.
    Seats {
        /// The set's number.
        set: SetId,
        /// What stands for the seats.
        tokens: Vec<Token>,
    },
    /// How many frames are published.
    Published {
        /// Number of the last one.
        seq: u64,
    },
    /// How a move stands.
    Moving {
        /// The generation moved to.
        generation: u64,
        /// Whether it is in use.
        committed: bool,
    },
    /// Consumers were in the way.
    Blocked {
        /// The error's text.
        message: String,
        /// Who.
        by: Vec<Blocking>,
    },
    /// Every buffer was in hand at once.
    Acquired {
        /// How many there are.
        count: usize,
        /// When the last one was, in nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
    },
    /// Who is in the stream.
    Roster {
        /// The process numbers of those present.
        present: Vec<u32>,
        /// Those that departed since the last time.
        departed: Vec<Departed>,
        /// The longest time a buffer was waited for, in nanoseconds.
        longest_wait_ns: u64,
        /// Bytes Wharf copied while handing over.
        bytes_copied: u64,
        /// What last kept a consumer from being admitted, since the last time.
        trouble: Option<String>,
    },
    /// What a consumer has seen.
    Tally(Tally),
    /// Number and time of publication, in nanoseconds of `CLOCK_MONOTONIC`, of each frame received.
    History(Vec<(u64, u64)>),
    /// What an intruder tried.
    Attempts(Vec<Attempt>),
}

/// A consumer the producer waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocking {
    /// What it calls itself.
    pub label: String,
    /// Its process.
    pub pid: u32,
    /// Frames it has.
    pub frames: usize,
}

/// A consumer that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departed {
    /// Its process.
    pub pid: u32,
    /// How the producer learned of it: `Left`, `Gone` (from the broker) or `Dropped` (by itself).
    pub how: String,
}

/// What a consumer has seen. Every frame counted was whole, in order, and the same when it was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Frames received.
    pub received: u64,
    /// Frames passed over.
    pub skipped: u64,
    /// Number of the first frame that was meant for it, received or passed over; 0 before one was received.
    pub first_seq: u64,
    /// Number of the last frame received; 0 before.
    pub last_seq: u64,
    /// The generation of the buffers that the last frame lay in.
    pub generation: u64,
    /// Frames held now.
    pub holding: usize,
    /// How the stream ended, if it has.
    pub ending: Option<Ending>,
    /// Bytes Wharf copied while handing over.
    pub bytes_copied: u64,
    /// When it asked to join, in nanoseconds of `CLOCK_MONOTONIC`.
    pub join_asked_ns: u64,
    /// When it had joined, likewise.
    pub joined_ns: u64,
}

/// How a stream ended for a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// In order.
    Ended,
    /// By the producer's death.
    ProducerDied,
    /// By the broker's death before the producer knew of this consumer.
    Stranded,
    /// For this consumer only.
    CutOff,
}

/// Something an intruder tried to do to a descriptor it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What the descriptor is.
    pub target: String,
    /// What was tried.
    pub attack: String,
    /// The error number it failed with; `None` when it succeeded.
    pub errno: Option<i32>,
    /// Whether the memory, read again, was as before.
    pub is_unchanged: bool,
}
