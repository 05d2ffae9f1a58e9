//! What suits everybody: the solver.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what fails here fails the test"
)]

mod checker;
mod complaints;
mod details;
mod extremes;
mod late;
mod oracle;
mod support;
mod worked_example;
