//! The recorder: a camera, a viewer and an encoder, each its own process, on the same frames.
//!
//! This library is the inside of the `recorder` program, made reachable for its tests, fuzz targets and
//! benchmarks. It is not an API for others.
#![forbid(unsafe_code)]

pub mod cli;
pub mod color;
pub mod container;
pub mod encode;
mod nal;
pub mod picture;
pub mod rate;
pub mod report;
pub mod size;
pub mod terminal;
pub mod testcard;
pub mod y4m;
