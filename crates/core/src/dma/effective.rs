//! What limits come to, with unset fields filled in and the page unit applied.

use crate::PAGE_BYTES;

use super::{DmaLimits, Field, Translation, Windows};

impl DmaLimits {
    pub(super) fn translation_or_physical(&self) -> Translation {
        self.translation.unwrap_or(Translation::PHYSICAL)
    }

    /// The alignment of every segment, in bytes.
    pub(super) fn segment_align(&self) -> u64 {
        self.segment_align_bytes().unwrap_or(1).max(PAGE_BYTES)
    }

    /// The alignment of the first segment, in bytes.
    pub(super) fn base_align(&self) -> u64 {
        self.base_align_bytes().unwrap_or(1).max(self.segment_align())
    }

    /// The unit of every segment's length, in bytes.
    pub(super) fn length_granule(&self) -> u64 {
        self.length_granule_bytes().unwrap_or(1).max(PAGE_BYTES)
    }

    /// The distance between boundaries, in bytes; 2^64 when there are none.
    pub(super) fn block_bytes(&self) -> u128 {
        u128::from(self.boundary_mask().unwrap_or(u64::MAX)) + 1
    }

    /// The most segments in a table, and the field that says so.
    pub(super) fn segment_count(&self) -> Option<(Field, u64)> {
        if self.is_contiguous() {
            return Some((Field::Contiguous, 1));
        }
        self.max_segments().map(|count| (Field::MaxSegments, count))
    }

    /// The longest segment that is the last of its run, in bytes.
    pub(super) fn longest_segment(&self) -> u64 {
        let block = u64::try_from(self.block_bytes()).unwrap_or(u64::MAX);
        let longest = self.max_segment_bytes().unwrap_or(u64::MAX).min(block);
        longest - longest % self.length_granule()
    }

    /// The longest segment that another follows in its run: it ends where that may begin. In bytes.
    pub(super) fn longest_inner_segment(&self) -> u64 {
        let longest = self.longest_segment();
        longest - longest % self.step()
    }

    /// What the distances between the beginnings of segments of one run are multiples of, in bytes.
    pub(super) fn step(&self) -> u64 {
        self.segment_align().max(self.length_granule())
    }

    /// The device addresses that a table may have.
    pub(super) fn reach(&self) -> Windows {
        let windows = self.windows.clone().unwrap_or_else(Windows::all);
        match self.translation_or_physical() {
            Translation::Direct { .. } => windows,
            Translation::Iommu {
                aperture, page_bytes, ..
            } => {
                let aperture: Windows = [aperture.first..=aperture.last].into_iter().collect();
                windows.intersection(&aperture.units(page_bytes))
            }
        }
    }

    /// The alignment of what an IOMMU maps, in bytes; the page unit without one.
    pub(super) fn page_granule(&self) -> u64 {
        match self.translation_or_physical() {
            Translation::Direct { .. } => PAGE_BYTES,
            Translation::Iommu { page_bytes, .. } => page_bytes,
        }
    }

    /// The physical addresses that the device reaches; `None` when the memory may be anywhere.
    pub(super) fn physical_windows(&self) -> Option<Windows> {
        match self.translation_or_physical() {
            Translation::Direct { offset_bytes: 0 } => self.windows.clone(),
            Translation::Direct { offset_bytes } => {
                Some(self.reach().moved(-i128::from(offset_bytes)).pages())
            }
            Translation::Iommu { .. } => None,
        }
    }
}
