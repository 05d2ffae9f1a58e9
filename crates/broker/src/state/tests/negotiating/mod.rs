//! Negotiated sets: who gets what and when, and that nobody's death or nonsense harms those it should not. Contract: N, P5.

mod attacks;
mod deaths;
mod limits;
mod memory;
mod model;
mod moves;
mod table;
