//! YUV4MPEG2 input: what `ffmpeg -f yuv4mpegpipe` and the mjpegtools write.
//!
//! [`Reader`] takes any `Read`, checks the stream header, and hands over each frame row by row as planar
//! 4:2:0, so that it can go straight into a shared buffer. It needs memory for a few rows only and has a
//! limit for everything that a file can make long.
//!
//! | Chroma in the file | What happens |
//! |---|---|
//! | 420, 420jpeg, 420paldv, 420mpeg2, or no `C` tag | taken as it is |
//! | mono | chroma becomes neutral |
//! | 422, 444 | chroma is averaged down to 4:2:0 |
//! | 411, 444alpha, anything above 8 bits | refused by name |
//!
//! Chroma siting is not adjusted: the four 4:2:0 kinds differ by a quarter of a pixel at most. Interlaced,
//! non-square and full-range pictures are taken as they are; [`Header::warnings`] says so.

mod convert;
mod error;
mod header;
mod line;
mod reader;
mod tag;

pub use error::{Place, Y4mError};
pub use header::{Chroma, Header, Warning};
pub use reader::Reader;
