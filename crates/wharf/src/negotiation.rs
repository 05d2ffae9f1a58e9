//! Buffer sets whose memory is decided by what everybody needs. Contract: N.
//!
//! | Type | What it is |
//! |---|---|
//! | [`NegotiatedSet`] | a set this session made: it issues seats, seals, explains |
//! | [`Seat`] | a place in a set: it says what this session needs, and gets the buffers |
//! | [`SeatSpec`] | what a seat is to be like that somebody else gets |
//! | [`SetExplanation`] | how a set stands, and why |
//! | [`NegotiationError`] | why there is no memory, with the report |

mod error;
mod explaining;
mod options;
mod seat;
mod set;

pub use error::NegotiationError;
pub use explaining::{Fit, SeatInfo, SetExplanation};
pub use options::{SeatSpec, SetOptions};
pub use seat::Seat;
pub(crate) use seat::{MOVES_TAKE, SeatHold};
pub use set::NegotiatedSet;
