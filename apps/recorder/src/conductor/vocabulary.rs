//! What the conductor is told, and what it wants done.

use std::path::PathBuf;
use std::time::Duration;

use super::children::Ending;
use crate::control::{Order, Source, Word};
use crate::needs::EncoderNeeds;
use crate::rate::FrameRate;
use crate::report::Role;

/// Which child; counts up from 0 in the order in which they are started.
pub(crate) type ChildId = usize;

/// What the user wants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) source: Source,
    pub(crate) rate: Option<FrameRate>,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) record_after: Duration,
    pub(crate) viewers: u32,
    /// Whether the first viewer draws in the terminal.
    pub(crate) draw: bool,
    /// Whether viewers hold the memory in place.
    pub(crate) pin_viewers: bool,
    /// Whether viewers compare every frame with the test card.
    pub(crate) check: bool,
    pub(crate) encoder_needs: EncoderNeeds,
}

/// A file to record to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    /// Whether there is no such file yet.
    pub(crate) is_new: bool,
}

/// Gives the file for the next recording, or says why there is none.
pub(crate) type Targets = Box<dyn FnMut() -> Result<Target, String>>;

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A child has been started.
    Started { child: ChildId, pid: u32 },
    /// A child could not be started.
    NotStarted { child: ChildId, reason: String },
    /// A child has said something.
    Said { child: ChildId, word: Box<Word> },
    /// A child's process has ended, and everything it said has been passed on.
    Ended { child: ChildId, ending: Ending },
    /// The system wants the run to end.
    Terminated,
    /// The user wants the run to end, by Ctrl-C.
    Interrupted,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Start a process and answer with [`Event::Started`] or [`Event::NotStarted`].
    Start { child: ChildId, role: Role, draws: bool },
    /// Tell a child something, once it can hear.
    Tell { child: ChildId, order: Order },
    /// Kill a child.
    Kill { child: ChildId },
    /// Put the terminal back into its former state: who had it is dead.
    RestoreTerminal,
    /// Tell the user something at once.
    Inform(String),
}
