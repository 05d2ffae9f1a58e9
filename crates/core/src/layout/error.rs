//! Why a frame layout is impossible.

use crate::Errno;

use super::{Fourcc, MAX_PLANES, MAX_SIDE_PIXELS, MAX_STRIDE_ALIGNMENT_BYTES, Modifier};

/// The reason why a frame layout is impossible, or does not fit its buffer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A side is zero or too long.
    #[error("frame {side} of {pixels} pixels; use 1 to {MAX_SIDE_PIXELS}")]
    Side {
        /// "width" or "height".
        side: &'static str,
        /// The length refused, in pixels.
        pixels: u32,
    },
    /// The pixel format is not known.
    #[error("pixel format '{fourcc}' is not supported; use YU12, YU16, YU24, NV12, R8 or XR24")]
    Format {
        /// The format refused.
        fourcc: Fourcc,
    },
    /// The arrangement of pixels is not known.
    #[error("format modifier {modifier} is not supported; use linear (0)")]
    Modifier {
        /// The modifier refused.
        modifier: Modifier,
    },
    /// The stride alignment is not usable.
    #[error(
        "stride alignment of {alignment_bytes} bytes; use a power of two from 1 to {MAX_STRIDE_ALIGNMENT_BYTES}"
    )]
    StrideAlignment {
        /// The alignment refused, in bytes.
        alignment_bytes: u32,
    },
    /// There are more or fewer planes than the format has.
    #[error("{fourcc} frame with {actual} planes; it has {expected} (at most {MAX_PLANES} are possible)")]
    PlaneCount {
        /// The format.
        fourcc: Fourcc,
        /// How many planes the format has.
        expected: usize,
        /// How many were given.
        actual: usize,
    },
    /// A stride is shorter than a row.
    #[error("plane {plane} has a stride of {stride_bytes} bytes, less than its rows of {row_bytes} bytes")]
    Stride {
        /// Which plane, from 0.
        plane: usize,
        /// The stride refused, in bytes.
        stride_bytes: u32,
        /// Length of a row in bytes.
        row_bytes: u32,
    },
    /// A plane would begin at an offset above 32 bits.
    #[error("plane {plane} would begin at byte {offset_bytes}, above the limit of 4294967295")]
    Offset {
        /// Which plane, from 0.
        plane: usize,
        /// Where it would begin, in bytes.
        offset_bytes: u64,
    },
    /// Two planes share bytes.
    #[error(
        "planes {first} and {second} overlap: one begins at byte {begin_bytes}, the other ends at {end_bytes}"
    )]
    Overlap {
        /// The plane that begins first.
        first: usize,
        /// The plane that begins before the first has ended.
        second: usize,
        /// Where the second begins, in bytes.
        begin_bytes: u64,
        /// Where the first ends, in bytes.
        end_bytes: u64,
    },
    /// The buffer is too small.
    #[error("frame needs {needed_bytes} bytes and the buffer has {buffer_bytes}")]
    BufferTooSmall {
        /// What the frame needs, in bytes.
        needed_bytes: u64,
        /// What there is, in bytes.
        buffer_bytes: u64,
    },
}

impl LayoutError {
    /// Returns what DRM answers for such a framebuffer: ERANGE for an offset that does not fit, EINVAL otherwise.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Offset { .. } => Errno::ERANGE,
            Self::Side { .. }
            | Self::Format { .. }
            | Self::Modifier { .. }
            | Self::StrideAlignment { .. }
            | Self::PlaneCount { .. }
            | Self::Stride { .. }
            | Self::Overlap { .. }
            | Self::BufferTooSmall { .. } => Errno::EINVAL,
        }
    }
}
