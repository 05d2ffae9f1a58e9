//! Devices, limits and memory, from outside.

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
