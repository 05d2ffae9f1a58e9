//! Cutting memory into segments.

use super::{DmaLimits, SgSegment};

/// See [`DmaLimits::segments_of`].
///
/// Cuts a stretch of device addresses into the fewest segments that keep the limits.
///
/// Each segment is as long as can be: up to the next boundary, or to the longest length after which another may begin. Where even
/// that is not possible, as the stretch begins or ends at the wrong place, what comes out breaks the limits; the
/// check that follows says how.
struct Split<'a> {
    limits: &'a DmaLimits,
    rest: SgSegment,
}

impl Iterator for Split<'_> {
    type Item = SgSegment;

    fn next(&mut self) -> Option<SgSegment> {
        let SgSegment {
            address,
            length_bytes: rest,
        } = self.rest;
        if rest == 0 {
            return None;
        }
        let block = self.limits.block_bytes();
        let to_boundary = block - u128::from(address) % block;
        let bound = u64::try_from(to_boundary).unwrap_or(u64::MAX);
        let length_bytes = if rest <= bound.min(self.limits.longest_segment()) {
            rest
        } else {
            match bound.min(self.limits.longest_inner_segment()) {
                // Nothing can be cut off so that another segment may follow: one that is wrong, for the check to name.
                0 => rest.min(bound),
                inner => inner,
            }
        };
        self.rest = SgSegment {
            address: address.wrapping_add(length_bytes),
            length_bytes: rest - length_bytes,
        };
        Some(SgSegment {
            address,
            length_bytes,
        })
    }
}

impl DmaLimits {
    /// Cuts a stretch of device addresses into the fewest segments that keep these limits, as a device's
    /// [`DmaOps`](super::DmaOps) has to.
    ///
    /// Where that is not possible, because the stretch begins or ends at the wrong place, the segments break the limits, and
    /// [`DmaLimits::check_table`] says how.
    ///
    /// ```
    /// use wharf_core::dma::{DmaLimits, SgSegment};
    ///
    /// let limits = DmaLimits::builder().boundary_mask(0xffff).build()?;
    /// let stretch = SgSegment { address: 0xf000, length_bytes: 0x3000 };
    /// let segments: Vec<_> = limits.segments_of(stretch).map(|segment| segment.length_bytes).collect();
    /// assert_eq!(segments, [0x1000, 0x2000]);
    /// # Ok::<(), wharf_core::dma::LimitsError>(())
    /// ```
    pub fn segments_of(&self, stretch: SgSegment) -> impl Iterator<Item = SgSegment> {
        Split {
            limits: self,
            rest: stretch,
        }
    }

    /// Returns how many segments a run of `length_bytes` becomes when it begins at a boundary. `u64::MAX` when it cannot be
    /// divided at all.
    ///
    /// With blocks of `B` bytes between boundaries and segments of up to `L` bytes, these are
    /// `floor(S / B) * ceil(B / L) + ceil((S mod B) / L)`.
    ///
    /// ```
    /// use wharf_core::dma::DmaLimits;
    /// // An NV12 picture of 1920 x 1088 in the kernel's 64 KiB segments.
    /// assert_eq!(DmaLimits::kernel_default().pieces(3_133_440), 48);
    /// ```
    pub fn pieces(&self, length_bytes: u64) -> u64 {
        let Some(before_last) = length_bytes.checked_sub(1) else {
            return 0;
        };
        let block = self.block_bytes();
        let full_blocks = u128::from(before_last) / block;
        let last_block = u128::from(length_bytes) - full_blocks * block;
        if full_blocks > 0 && !block.is_multiple_of(u128::from(self.step())) {
            return u64::MAX;
        }
        let per_block = self.pieces_within(block);
        let pieces = per_block
            .checked_mul(full_blocks)
            .and_then(|inner| inner.checked_add(self.pieces_within(last_block)));
        pieces
            .and_then(|pieces| u64::try_from(pieces).ok())
            .unwrap_or(u64::MAX)
    }

    /// The number of segments between two boundaries, from the first of them on; `u128::MAX` when it cannot be divided.
    fn pieces_within(&self, length_bytes: u128) -> u128 {
        let before_last = length_bytes.saturating_sub(u128::from(self.longest_segment()));
        match u128::from(self.longest_inner_segment()) {
            _ if before_last == 0 => 1,
            0 => u128::MAX,
            inner => before_last.div_ceil(inner) + 1,
        }
    }
}
