//! Buffer sets: who takes part, when memory is allocated, and what happens when somebody comes or goes after that.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod domains;
mod existing;
mod fake;
mod heaps;
mod late;
mod leaving;
mod listing;
mod model;
mod negotiated;
mod negotiator;
mod play;
mod sealing;
mod sysmem;
mod tokens;

#[path = "../negotiation/support.rs"]
#[allow(
    dead_code,
    reason = "the words of the solver's tests, of which these need some"
)]
mod support;
