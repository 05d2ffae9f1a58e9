//! Timelines: fences across processes (contract F).
//!
//! A [`Timeline`] is a row of points, numbered upwards. The process that made it signals them; others, who got a token, import it
//! and wait. Both sides live in shared memory: to signal is a few stores, and a wake-up only if somebody sleeps.
//!
//! Points are [`Fence`](wharf_core::Fence)s of the framework on both sides: [`Timeline::fence`], [`ImportedTimeline::fence`]. They go on reservations,
//! into arrays and chains, and have callbacks; [`FenceEvent`] makes a descriptor for poll and epoll of any of them.
//!
//! # Who calls the callbacks
//!
//! | fence | called by |
//! |---|---|
//! | of the owner | the thread that signals |
//! | imported, somebody looks first | the thread that looks |
//! | imported, nobody looks | the waiter thread |
//!
//! The waiter thread is one for the whole process. It starts with the first callback, or wait through the framework, on an imported
//! fence, sleeps on the words of all timelines that have such fences, and ends when there was none for a second. Fences that are only
//! looked at, and [`ImportedTimeline::wait`], need no thread. If none can be started, the next such fence tries again.
//!
//! # When somebody dies
//!
//! | who | what happens |
//! |---|---|
//! | owner | its unsignaled points fail with `EOWNERDEAD`, everywhere and at once; without a broker within 100 ms |
//! | importer | nothing; what it announced costs its owner spare wake-ups until the broker says that it is gone |
//! | broker | nothing, except that there are no new imports |

mod cells;
mod error;
mod event;
mod fences;
mod imported;
mod importing;
mod owner;
#[cfg(test)]
mod tests;
mod watcher;

pub(crate) use cells::WaiterPages;
pub use error::PointError;
pub use event::FenceEvent;
pub(crate) use fences::{Source, fence as fence_of};
pub use imported::ImportedTimeline;
pub use owner::Timeline;
pub(crate) use watcher::{Watched, watch};
