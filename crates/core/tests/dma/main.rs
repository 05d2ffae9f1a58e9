//! Devices, limits and memory, from outside.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod brute;
mod collating;
mod device;
mod limits;
mod prop_collate;
mod prop_merge;
mod prop_pieces;
mod prop_table;
mod random;
mod storage;
mod table;
mod windows;
mod worked_example;
