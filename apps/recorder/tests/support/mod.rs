//! What several integration tests of the recorder need.
#![allow(dead_code, reason = "each test binary uses its own part of this module")]

pub(crate) mod broker;
pub(crate) mod card;
pub(crate) mod ffmpeg;
pub(crate) mod processes;
pub(crate) mod run;
pub(crate) mod y4m;
