//! `wharf run` with programs that know nothing of Wharf: C programs in `programs/`, compiled here, dynamic and static.

mod buffers;
mod endings;
mod guardian;
mod hostility;
mod programs;
mod surface;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod timelines;
