//! Buffer sets: who takes part, when memory is allocated, and what happens when somebody comes or goes after that.
//!
//! | Type | What it is |
//! |---|---|
//! | [`SetMachine`] | a set without buffers: it decides, and whoever drives it does |
//! | [`TokenId`], [`TokenSpec`], [`Rights`] | permissions to take part, as a tree |
//! | [`FailureDomain`], [`Tie`] | whom it harms when somebody goes away, and what keeps the set alive |
//! | [`Order`], [`News`] | what the driver has to do, and what participants are told |
//! | [`Solver`], [`Negotiator`] | whom the set asks what suits everybody |
//! | [`SetSnapshot`] | what can be seen of it |
//!
//! # States
//! | State | Left by | To |
//! |---|---|---|
//! | open | an explicit seal, the last expected token, or the first participant that wants buffers | sealed; failed if nothing suits everybody |
//! | open | the deadline, with somebody missing | failed |
//! | sealed | a heap that has enough memory | allocated (generation 1) |
//! | sealed | no heap that has | failed |
//! | allocated | a newcomer that what there is does not suit | moving, if everybody lets it |
//! | moving | everybody has the new generation | allocated (the next generation) |
//! | moving | anything else | allocated (as before); the newcomer is refused |
//! | any | a failure that reaches the root of the tokens | failed |
//! | any | the last strong token is given up | dead |
//!
//! A participant may go away in any state: nothing is decided between two calls, so that it is never "during" a solution, and orders
//! that are under way are for those who remain. Contract: N, N1, N5; reference 4.1, 4.4, 4.6.

mod allocating;
mod attempt;
mod config;
mod declaring;
mod error;
mod existing;
mod listing;
pub mod local;
mod looking;
mod machine;
mod moving;
mod negotiator;
mod node;
mod order;
mod rights;
mod sealing;
mod solver;
mod token;
mod tokens;

pub use config::{Contents, FirstMap, LatePolicy, SetConfig};
pub use declaring::Declared;
pub use error::{SetError, SetFailure};
pub use listing::{SetSnapshot, SetStatus, TokenSnapshot, TokenStatus};
pub use looking::Prospect;
pub use machine::{MAX_TOKENS, SetMachine};
pub use negotiator::Negotiator;
pub use order::{AllocationFailure, MoveFailure, News, Order};
pub use rights::Rights;
pub use solver::{Joining, Late, Solver};
pub use token::{FailureDomain, Tie, TokenId, TokenSpec};
