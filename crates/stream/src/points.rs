//! Points of frames: contents that are not there yet, and frames that are read after their release.
//!
//! Asynchronous devices work on buffers while no thread waits. So a producer can publish a frame before its device has filled it, and a
//! consumer can lend a frame back before its device has read it. Each page has [a part](crate::layout::points) where its writer says, for each
//! buffer, up to which frame that work is over: [`PointsWriter`]. The others look there, or sleep: [`Points`].
//!
//! # Why no wake-up is lost
//!
//! Who waits (1) counts itself as a sleeper in its own page, (2) passes a sequentially consistent fence, (3) reads the bell, (4) looks at the
//! point, and (5) sleeps while the bell is what it read. Who has reached a point (a) stores it, (b) counts the bell up, (c) passes such
//! a fence, (d) looks at the sleepers of those who may wait, and (e) wakes if there are any. If the sleeper misses the point at 4, its fence came
//! first, so that it is seen at (d); and it did not see the new bell at 3, because with the bell comes the point, so that it either
//! does not fall asleep or is woken. A consumer is known to the producer before it gets a frame, so that nobody who waits is not
//! looked at.
//!
//! A producer that has no buffer sleeps on the count of releases, or on its own bell, and says that it does in its own page: so
//! [`settle`](crate::settle) counts a release, and [`PointsWriter::finish`] looks whether the producer itself sleeps.
//!
//! # Trust
//!
//! A point counts only for the frame that lies in the buffer. One that is never reached keeps what a frame never released keeps, and is
//! dealt with in the same way: it counts against the consumer's depth. A reader keeps the highest point it saw. When the other side dies
//! or is dropped, what was not reached has failed.

mod reader;
mod waiting;
mod writer;

pub use reader::PointsReader;
pub use waiting::{Points, Sleepers};
pub use writer::PointsWriter;
