//! Refusals that say why: what people read, what programs read, and that all of it is true. Contracts: N2, N3.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "helpers of tests")]

mod chapter;
mod json;
mod kinds;
mod plans;
mod random;
mod support;
mod worked_example;
