//! Timelines: fences across processes (contract F).
//!
//! A timeline is a row of points, numbered upwards from 1. Its owner signals them in this order, each with an error or without; others
//! look, wait and sleep. Who signals and who waits share memory and nothing else: no broker and, while nobody sleeps, no system call
//! takes part.
//!
//! # Pages
//!
//! Each has one writer (contract S3):
//!
//! | page | written by | says |
//! |---|---|---|
//! | timeline | its owner | the highest point signaled, and errors of points |
//! | waiter | a process that waits | for each timeline it imported: the lowest point somebody there waits for |
//! | status | broker | whether the owner lives, and how many imports there were |
//!
//! | type | side |
//! |---|---|
//! | [`PointWriter`], [`Importers`] | the owner: signals, and finds out whether somebody has to be woken |
//! | [`PointReader`], [`Import`], [`Waiting`] | who waits: looks, announces, sleeps |
//! | [`TimelineStatusWriter`], [`TimelineStatus`] | the broker, and who reads it |
//!
//! Writer and reader take the page and the cell in it where the timeline begins, so that a timeline can be part of another page.
//!
//! # Why no wake-up is lost
//!
//! Who waits for point `p` (1) announces `p` or a lower point in its waiter page, (2) passes a sequentially consistent fence, (3) reads
//! the bell, (4) looks at the value, and (5) sleeps while the bell is what it read. Who signals (a) stores the value, (b) counts the bell
//! up, (c) passes such a fence, (d) looks at the waiter pages, and (e) wakes if one has a point that is reached now.
//!
//! Suppose the waiter misses the value at 4. Then its fence came first, so that the owner at (d) sees what was announced at 1, or
//! something announced later; as long as somebody waits for `p` that is never 0 and never above `p`. So the owner wakes. The waiter did not
//! see the new bell at 3, because with the bell comes the value; so at 5 either the kernel finds the bell changed, or the waiter sleeps
//! before the bell changes, and the wake-up, which comes after that, reaches it.
//!
//! An owner knows the waiter page of an import only some time after the import was made. Until then it wakes at each signal: the broker
//! counts the import in the status page before the importer hears of it. So the count was stored before the importer's fence, and by
//! the argument above an owner whose value was missed sees it at (d).
//!
//! The end of a timeline is the broker's store of the state, then of the version, then a wake-up; who waits reads the version before
//! the state, and sleeps on both words.
//!
//! `tests/loom_timeline.rs` checks all this on this code.
//!
//! # Trust
//!
//! The owner can write any garbage into its page: a value that goes back is ignored, for a reader keeps the highest it saw; one that is too
//! high signals everything, which an owner may do anyway. Its own points are all that it can spoil. Who waits can announce any
//! garbage: that costs its owner spare wake-ups and nothing else. Both can wake others for nothing; who is woken looks again.
//!
//! # Errors
//!
//! An error belongs to one point; points that are passed over in one signal have none. It is kept until another error is
//! stored for a point that is a multiple of [`ERROR_SLOTS`](layout::ERROR_SLOTS) later: who looks only then finds the point signaled without.

mod error;
mod import;
mod latch;
pub mod layout;
mod owner;
mod reader;
mod status;
pub(crate) mod sync;
mod waiting;

pub use error::SignalPointError;
pub use import::{Import, Until, sleep_in_turns, wait};
pub(crate) use latch::Latch;
pub use owner::{Importers, PointWriter};
pub use reader::{End, PointReader};
pub use status::{TimelineState, TimelineStatus, TimelineStatusWriter};
pub use waiting::Waiting;
