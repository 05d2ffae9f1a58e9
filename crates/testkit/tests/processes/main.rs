//! Streams between real processes that are killed, stopped, starved and spied on. Contracts: S1 to S6, P2, P5, P6.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails fails the test"
)]

mod broker_loss;
mod consumer_kills;
mod contention;
mod few_descriptors;
mod late_joiners;
mod moves;
mod negotiation;
mod negotiation_kills;
mod no_copies;
mod peers_in_trouble;
mod producer_kills;
mod random_lives;
mod read_only;
mod reuse;
mod rotation;
mod statistics;
mod stopped_broker;
mod stopped_consumer;
mod stress;
mod world;
