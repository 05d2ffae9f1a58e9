//! What a device gets to see of a buffer.

use std::ops::Range;

/// A stretch of a device's address space without a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SgSegment {
    /// Address of the first byte, as the device knows it.
    pub address: u64,
    /// Length in bytes.
    pub length_bytes: u64,
}

/// A buffer in a device's address space: segments in the order of the buffer's bytes.
///
/// Devices make tables, and devices are not trusted: a table proves nothing by itself.
/// [`DmaLimits::check_table`](crate::dma::DmaLimits::check_table) tells whether it keeps the device's own limits.
///
/// # Examples
/// ```
/// use wharf_core::dma::{SgSegment, SgTable};
///
/// let table = SgTable::new([
///     SgSegment { address: 0x8000, length_bytes: 0x1000 },
///     SgSegment { address: 0x4000, length_bytes: 0x1000 },
/// ]);
/// assert_eq!(table.total_bytes(), 0x2000);
/// let middle: Vec<_> = table.pieces(0xf00..0x1100).collect();
/// assert_eq!(middle, [
///     SgSegment { address: 0x8f00, length_bytes: 0x100 },
///     SgSegment { address: 0x4000, length_bytes: 0x100 },
/// ]);
/// ```
///
/// # References
/// include/linux/scatterlist.h `struct sg_table`, the DMA side of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SgTable {
    segments: Box<[SgSegment]>,
    total_bytes: u64,
}

impl SgTable {
    /// Makes a table of any segments.
    pub fn new(segments: impl IntoIterator<Item = SgSegment>) -> Self {
        let segments: Box<[SgSegment]> = segments.into_iter().collect();
        let total_bytes = segments
            .iter()
            .fold(0_u64, |total, segment| total.saturating_add(segment.length_bytes));
        Self {
            segments,
            total_bytes,
        }
    }

    /// Returns the segments, in the order of the buffer's bytes.
    pub fn segments(&self) -> &[SgSegment] {
        &self.segments
    }

    /// Returns the length of all segments together in bytes; `u64::MAX` if it does not fit in 64 bits.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Returns where the bytes `range` of the buffer are, in order; bytes past the end of the table are left out.
    pub fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = SgSegment> {
        let mut offset: u64 = 0;
        self.segments.iter().filter_map(move |segment| {
            let begin = offset;
            offset = offset.saturating_add(segment.length_bytes);
            let first = range.start.max(begin);
            let end = range.end.min(offset);
            let length_bytes = end.checked_sub(first).filter(|length| *length > 0)?;
            Some(SgSegment {
                address: segment.address.wrapping_add(first - begin),
                length_bytes,
            })
        })
    }
}
