//! Mappings, views, words and futexes on real memfds.
#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod fences;
mod futex;
mod huge;
mod mapping;
mod support;
mod traffic;
mod views;
mod words;
