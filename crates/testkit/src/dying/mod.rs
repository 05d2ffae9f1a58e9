//! Roles of the hand-over whose process dies, or stops, at a chosen store into the pages that it shares.
//!
//! The test plays the broker and makes the pages ([`Stage`]); a victim (the program of that name) and survivors (threads of the test) play
//! the roles, all with the same scripts over the real producer, consumer and timeline of `wharf-stream`. Only the victim's own pages
//! have a [`Fuse`]. Every wait of a script is long enough to be called stuck when it ends, and no script looks now and then: whoever
//! is not woken is found out.

mod consuming;
mod fenced;
mod fuse;
mod pages;
mod producing;
mod timelines;
mod turns;

pub use consuming::{Received, consume};
pub use fenced::{FENCED_GENERATION_CHANGE, Filled, Read, UNFINISHED, fill, read};
pub use fuse::{End, Fuse, FuseTerms, FusedWords, Moment};
pub use pages::{BUFFERS, Seat, SharedPage, Stage};
pub use producing::{Course, GENERATION_CHANGE, Published, produce};
pub use timelines::{TimelineStage, own_timeline, wait_for_points};

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who waits longer than this is stuck.
pub const STUCK: Duration = Duration::from_secs(10);

/// What is wrong: it fails the test, or ends the victim.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a victim is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fate {
    /// When it dies.
    pub fuse: FuseTerms,
    /// What it does until then.
    pub part: Part,
}

/// A role and what it needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Part {
    /// Publishes so many frames.
    Producer {
        /// Its pages.
        stage: Stage,
        /// How many.
        frames: u64,
    },
    /// Takes so many frames and leaves.
    Consumer {
        /// Its pages.
        stage: Stage,
        /// Which of the seats is its.
        seat: usize,
        /// How many.
        frames: u64,
    },
    /// Publishes so many frames, most of them before their contents.
    FencedProducer {
        /// Its pages.
        stage: Stage,
        /// How many.
        frames: u64,
    },
    /// Takes so many such frames, reads each for a while after it has given it back, and leaves.
    FencedConsumer {
        /// Its pages.
        stage: Stage,
        /// Which of the seats is its.
        seat: usize,
        /// How many.
        frames: u64,
    },
    /// Signals so many points.
    Owner {
        /// Its pages.
        stage: TimelineStage,
        /// How many.
        points: u64,
    },
    /// Waits for so many points.
    Waiter {
        /// Its pages.
        stage: TimelineStage,
        /// How many.
        points: u64,
    },
}

impl Fate {
    /// Meets it.
    ///
    /// # Blocking
    ///
    /// Until the part is played.
    ///
    /// # Errors
    ///
    /// Whatever it finds wrong.
    pub fn meet(self) -> Result<(), Failure> {
        let fuse = Fuse::new(self.fuse);
        match self.part {
            Part::Producer { stage, frames } => {
                produce(&stage, &fuse, Course::new(frames))?;
            }
            Part::Consumer { stage, seat, frames } => {
                consume(&stage, seat, &fuse, Some(frames))?;
            }
            Part::FencedProducer { stage, frames } => {
                fill(&stage, &fuse, &Course::new(frames))?;
            }
            Part::FencedConsumer { stage, seat, frames } => {
                read(&stage, seat, &fuse, Some(frames))?;
            }
            Part::Owner { stage, points } => own_timeline(&stage, &fuse, points)?,
            Part::Waiter { stage, points } => {
                wait_for_points(&stage, &fuse, points)?;
            }
        }
        Ok(())
    }
}
