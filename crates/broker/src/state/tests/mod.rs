//! Tests of the state machine. No descriptor, clock or thread takes part.

mod audit;
mod bells;
mod buffers;
mod clients;
mod info;
mod limits;
mod model;
mod move_attacks;
mod moves;
mod negotiating;
mod operations;
mod pages;
mod play;
mod sessions;
mod streams;
mod timelines;
mod tokens;
mod watching;
mod world;
