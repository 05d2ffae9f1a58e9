//! The recorder: a camera, a viewer and an encoder, each its own process, on the same frames.
//!
//! This library is the inside of the `recorder` program, made reachable for its tests, fuzz targets and
//! benchmarks. It is not an API for others.
//!
//! The process that the user starts is the *director*. It starts the others from its own program file and talks to them
//! over a control socket; frames go from process to process through Wharf, and never through the director.
//!
//! | Process | Does | Code |
//! |---|---|---|
//! | director | starts and ends the others, has the broker inside if there is no other, prints the report | `director`, `conductor` |
//! | camera | draws or reads frames into shared buffers | `camera` |
//! | viewer | shows the newest frame in the terminal, takes keys | `viewer` |
//! | encoder | joins when recording starts, writes every frame to a file | `encoder` |
//!
//! What memory the frames are in is negotiated: each process says what it needs (`needs`). The encoder needs more than the others, and
//! comes when they have their memory already, so that the stream moves to other memory while it runs; or cannot, and says why.
#![forbid(unsafe_code)]

mod camera;
mod child;
pub mod cli;
pub mod color;
mod conductor;
mod consuming;
pub mod container;
mod control;
mod director;
pub mod encode;
mod encoder;
mod nal;
mod needs;
pub mod picture;
pub mod rate;
pub mod report;
mod shared;
pub mod size;
pub mod terminal;
pub mod testcard;
mod viewer;
pub mod y4m;

use std::process::ExitCode;

/// The whole program, in whichever of its processes this is.
pub fn run() -> ExitCode {
    match child::role(std::env::args_os()) {
        Some(role) => child::run(role),
        None => director::run(std::env::args_os()),
    }
}
