//! What tests and the `actor` program say to each other.
//!
//! The program plays a role, named by its first argument: `broker SOCKET`, `broker SOCKET GATE`, `producer`, `consumer` or `intruder`. It first reports
//! [`Report::Ready`]; then each order, a line of JSON on its stdin, gets one report, a line of JSON on its stdout, in turn. It
//! says nothing unasked: between orders a producer or consumer goes on with its frames. Whatever it finds wrong (a damaged or
//! missing frame, an error where there should be none) goes to stderr and ends it with a status other than 0, so that the next
//! order fails. The end of its stdin ends it in order; the death of the thread that started it kills it.

mod handle;
mod orders;
mod reports;

pub use handle::{Actor, ActorError, Role};
pub use orders::{Behavior, ConsumerTerms, MoveStage, Order, ProducerTerms, SeatTerms};
pub use reports::{Attempt, Blocking, Departed, Ending, Report, Tally};
