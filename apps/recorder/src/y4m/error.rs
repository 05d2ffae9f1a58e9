//! What can be wrong with a YUV4MPEG2 stream.

use std::fmt;
use std::io;

use crate::picture::{RowOutOfBounds, SizeError};
use crate::rate::RateError;

/// Why a YUV4MPEG2 stream is refused or ends early. Frames are counted from 0. Texts from the stream are
/// escaped and cut to 40 characters, so every message is one short line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Y4mError {
    /// There is not a single byte.
    #[error("Y4M input is empty")]
    Empty,
    /// The stream does not begin with `YUV4MPEG2`.
    #[error("input is not Y4M: it begins with \"{found}\" instead of \"YUV4MPEG2\"")]
    NotY4m {
        /// How it begins.
        found: String,
    },
    /// The stream ends before the end of the first line.
    #[error("Y4M header is cut off after {got_bytes} bytes")]
    TruncatedHeader {
        /// Bytes that are there.
        got_bytes: usize,
    },
    /// The first line is longer than any real one.
    #[error("Y4M header is longer than the limit of {limit_bytes} bytes")]
    HeaderTooLong {
        /// Longest line taken, in bytes.
        limit_bytes: usize,
    },
    /// A required tag is missing.
    #[error("Y4M header lacks the tag {tag}")]
    MissingTag {
        /// `W` or `H`.
        tag: char,
    },
    /// A tag that may come once comes again.
    #[error("Y4M header has the tag {tag} twice, the second time with value \"{value}\"")]
    DuplicateTag {
        /// Letter of the tag.
        tag: char,
        /// Its second value.
        value: String,
    },
    /// A tag that the format does not have.
    #[error("Y4M header has an unknown tag \"{text}\"")]
    UnknownTag {
        /// Tag and value.
        text: String,
    },
    /// A tag's value does not have the form it must have.
    #[error("Y4M tag {tag} has the bad value \"{value}\": {expected}")]
    BadValue {
        /// Letter of the tag.
        tag: char,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The size in the tags W and H cannot be recorded.
    #[error("Y4M tags W and H: {0}")]
    BadSize(#[from] SizeError),
    /// The frame rate in the tag F is outside the limits.
    #[error("Y4M tag F: {0}")]
    BadRate(#[from] RateError),
    /// A kind of chroma, or a bit depth, that is not converted.
    #[error(
        "Y4M tag C: chroma \"{value}\" is not supported, only 8-bit 420, mono, 422 and 444; convert with: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m"
    )]
    UnsupportedChroma {
        /// Value of the tag.
        value: String,
    },
    /// A frame does not begin with a line `FRAME`.
    #[error("Y4M frame {frame} begins with \"{found}\" instead of \"FRAME\"")]
    BadFrameHeader {
        /// Which frame.
        frame: u64,
        /// How it begins.
        found: String,
    },
    /// The stream ends inside the line `FRAME`.
    #[error("Y4M input is cut off inside the header of frame {frame}, after {got_bytes} of its bytes")]
    TruncatedFrameHeader {
        /// Which frame.
        frame: u64,
        /// Bytes of the line that are there.
        got_bytes: usize,
    },
    /// A line `FRAME` is longer than any real one.
    #[error("Y4M header of frame {frame} is longer than the limit of {limit_bytes} bytes")]
    FrameHeaderTooLong {
        /// Which frame.
        frame: u64,
        /// Longest line taken, in bytes.
        limit_bytes: usize,
    },
    /// The stream ends inside the pixels of a frame.
    #[error("Y4M input is cut off inside frame {frame}: {missing_bytes} of {frame_bytes} bytes are missing")]
    TruncatedFrame {
        /// Which frame.
        frame: u64,
        /// Bytes that are not there.
        missing_bytes: usize,
        /// Bytes a frame has.
        frame_bytes: usize,
    },
    /// The input cannot be read.
    #[error("cannot read Y4M input at {place}: {source}")]
    Read {
        /// Where in the stream.
        place: Place,
        /// What the system said.
        source: io::Error,
    },
    /// The picture that was to take a row refuses it.
    #[error("cannot store Y4M frame {frame}: {source}")]
    Store {
        /// Which frame.
        frame: u64,
        /// Which row.
        source: RowOutOfBounds,
    },
}

/// A place in a YUV4MPEG2 stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first line.
    Header,
    /// The frame with this number, counted from 0.
    Frame(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::Frame(frame) => write!(f, "frame {frame}"),
        }
    }
}

/// Makes bytes from a stream fit for a message: escaped, and cut to 40 characters.
pub(super) fn quote(bytes: &[u8]) -> String {
    bytes.escape_ascii().map(char::from).take(40).collect()
}
