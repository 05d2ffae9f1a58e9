//! Byte ranges of a buffer.

use std::ops::{Bound, Range, RangeBounds};

use crate::Errno;

/// The reason why a byte range does not lie in a buffer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// A bound does not fit in 64 bits.
    #[error(
        "byte range ends past the largest 64-bit offset; use bounds up to the buffer's {size_bytes} bytes"
    )]
    Overflow {
        /// Size of the buffer in bytes.
        size_bytes: u64,
    },
    /// The range has no byte.
    #[error("byte range {start_bytes}..{end_bytes} is empty; access at least one byte")]
    Empty {
        /// First byte.
        start_bytes: u64,
        /// One past the last byte.
        end_bytes: u64,
    },
    /// The range ends behind the buffer.
    #[error("byte range {start_bytes}..{end_bytes} ends behind the buffer of {size_bytes} bytes")]
    PastEnd {
        /// First byte.
        start_bytes: u64,
        /// One past the last byte.
        end_bytes: u64,
        /// Size of the buffer in bytes.
        size_bytes: u64,
    },
}

impl RangeError {
    /// Returns EOVERFLOW for bounds that wrap and EINVAL otherwise, as `dma_buf_mmap` does.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Overflow { .. } => Errno::EOVERFLOW,
            Self::Empty { .. } | Self::PastEnd { .. } => Errno::EINVAL,
        }
    }
}

/// Turns any kind of range into the bytes it covers of a buffer of `size_bytes`.
pub(crate) fn resolve(bounds: impl RangeBounds<u64>, size_bytes: u64) -> Result<Range<u64>, RangeError> {
    let overflow = RangeError::Overflow { size_bytes };
    let start_bytes = match bounds.start_bound() {
        Bound::Unbounded => Some(0),
        Bound::Included(start) => Some(*start),
        Bound::Excluded(before) => before.checked_add(1),
    };
    let end_bytes = match bounds.end_bound() {
        Bound::Unbounded => Some(size_bytes),
        Bound::Excluded(end) => Some(*end),
        Bound::Included(last) => last.checked_add(1),
    };
    let (Some(start_bytes), Some(end_bytes)) = (start_bytes, end_bytes) else {
        return Err(overflow);
    };
    if end_bytes > size_bytes {
        return Err(RangeError::PastEnd {
            start_bytes,
            end_bytes,
            size_bytes,
        });
    }
    if start_bytes >= end_bytes {
        return Err(RangeError::Empty {
            start_bytes,
            end_bytes,
        });
    }
    Ok(start_bytes..end_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_range_is_understood() {
        assert_eq!(resolve(.., 4096), Ok(0..4096));
        assert_eq!(resolve(1..=2, 4096), Ok(1..3));
        assert_eq!(resolve((Bound::Excluded(1), Bound::Unbounded), 4096), Ok(2..4096));
        assert_eq!(resolve(..4096, 4096), Ok(0..4096));
    }

    #[test]
    fn bounds_that_wrap_are_an_overflow() {
        assert_eq!(
            resolve(0..=u64::MAX, 4096),
            Err(RangeError::Overflow { size_bytes: 4096 })
        );
        let from_the_end = (Bound::Excluded(u64::MAX), Bound::Unbounded);
        assert_eq!(
            resolve(from_the_end, 4096),
            Err(RangeError::Overflow { size_bytes: 4096 })
        );
    }

    #[test]
    fn ranges_past_the_end_backwards_or_empty_are_refused() {
        assert_eq!(
            resolve(4096..4097, 4096),
            Err(RangeError::PastEnd {
                start_bytes: 4096,
                end_bytes: 4097,
                size_bytes: 4096
            })
        );
        assert_eq!(
            resolve(7..7, 4096),
            Err(RangeError::Empty {
                start_bytes: 7,
                end_bytes: 7
            })
        );
        let backwards = (Bound::Included(9), Bound::Excluded(8));
        assert_eq!(
            resolve(backwards, 4096),
            Err(RangeError::Empty {
                start_bytes: 9,
                end_bytes: 8
            })
        );
        assert_eq!(
            resolve(4096.., 4096),
            Err(RangeError::Empty {
                start_bytes: 4096,
                end_bytes: 4096
            })
        );
    }
}
