//! What a device can address.

use std::ops::RangeInclusive;

use super::{Coherency, Field, LimitsError, Translation, Value, Windows, validate};

/// The fields that are one number, in the order of their slots.
pub(super) const NUMBERS: [Field; 8] = [
    Field::MaxSegments,
    Field::MaxSegmentBytes,
    Field::BoundaryMask,
    Field::BaseAlign,
    Field::SegmentAlign,
    Field::LengthGranule,
    Field::Contiguous,
    Field::Coherency,
];

/// What a device, or one function of it, can address: the kernel's `struct device_dma_parameters` and masks.
///
/// All fields are optional, and one that is not set does not restrict anything. They speak of the device's own address space.
/// Segments are page-granular in any case: their addresses and lengths are multiples of
/// [`PAGE_BYTES`](crate::PAGE_BYTES), as the kernel's debug builds check. That memory is never copied for a device that cannot
/// reach it is no field either, but always so. Contracts: A1, A4.
///
/// # Invariants
/// A buffer exists that suits the limits: what no memory at all could satisfy is an error when limits are built.
///
/// # Examples
/// ```
/// use wharf_core::dma::{DmaLimits, SgSegment, SgTable};
///
/// let display = DmaLimits::builder().address_mask(0x3fff_ffff).contiguous().build()?;
/// let above = SgTable::new([SgSegment { address: 0x4000_0000, length_bytes: 4096 }]);
/// let violation = display.check_table(&above, 4096).unwrap_err();
/// assert_eq!(
///     violation.to_string(),
///     "windows: segment 0 at 0x40000000..=0x40000fff is not inside 0x0..=0x3fffffff"
/// );
/// # Ok::<(), wharf_core::dma::LimitsError>(())
/// ```
///
/// # References
/// include/linux/device.h `struct device_dma_parameters`; include/linux/dma-mapping.h `dma_get_max_seg_size`,
/// `dma_get_seg_boundary`, `dma_get_mask`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DmaLimits {
    pub(super) windows: Option<Windows>,
    pub(super) translation: Option<Translation>,
    pub(super) numbers: [Option<u64>; NUMBERS.len()],
}

/// Collects limits; made by [`DmaLimits::builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct DmaLimitsBuilder {
    limits: DmaLimits,
}

impl DmaLimits {
    /// Begins limits that do not restrict anything yet.
    pub fn builder() -> DmaLimitsBuilder {
        DmaLimitsBuilder::default()
    }

    /// Returns limits that restrict nothing, for a device that reaches all memory in any pieces.
    ///
    /// ```
    /// use wharf_core::dma::DmaLimits;
    /// assert_eq!(DmaLimits::builder().build()?, DmaLimits::unconstrained());
    /// # Ok::<(), wharf_core::dma::LimitsError>(())
    /// ```
    pub fn unconstrained() -> Self {
        Self::default()
    }

    /// Returns what the kernel assumes of a device whose driver has stated nothing: addresses of 32 bits, and segments of up to
    /// 64 KiB that do not cross 4 GiB boundaries.
    ///
    /// ```
    /// use wharf_core::dma::DmaLimits;
    /// let limits = DmaLimits::kernel_default();
    /// assert_eq!(limits.max_segment_bytes(), Some(65536));
    /// assert_eq!(limits.boundary_mask(), Some(0xffff_ffff));
    /// assert!(!limits.windows().unwrap().contains(0x1_0000_0000, 1));
    /// ```
    pub fn kernel_default() -> Self {
        let mut limits = Self {
            windows: Some([0..=0xffff_ffff].into_iter().collect()),
            ..Self::default()
        };
        limits.set(Field::MaxSegmentBytes, 0x1_0000);
        limits.set(Field::BoundaryMask, 0xffff_ffff);
        limits
    }

    /// Returns the device addresses reached, in whole pages; `None` for all of 64 bits.
    pub fn windows(&self) -> Option<&Windows> {
        self.windows.as_ref()
    }

    /// Returns how device addresses come from physical ones, if stated; otherwise they are the same.
    pub fn translation(&self) -> Option<Translation> {
        self.translation
    }

    /// Returns how many segments a table may have.
    pub fn max_segments(&self) -> Option<u64> {
        self.number(Field::MaxSegments)
    }

    /// Returns how long a segment may be, in bytes.
    pub fn max_segment_bytes(&self) -> Option<u64> {
        self.number(Field::MaxSegmentBytes)
    }

    /// Returns the mask, of the form 2^k - 1, of the boundaries that no segment crosses: those at multiples of 2^k.
    pub fn boundary_mask(&self) -> Option<u64> {
        self.number(Field::BoundaryMask)
    }

    /// Returns what the first segment's address is a multiple of, in bytes.
    pub fn base_align_bytes(&self) -> Option<u64> {
        self.number(Field::BaseAlign)
    }

    /// Returns what every segment's address is a multiple of, in bytes.
    pub fn segment_align_bytes(&self) -> Option<u64> {
        self.number(Field::SegmentAlign)
    }

    /// Returns what every segment's length is a multiple of, in bytes.
    pub fn length_granule_bytes(&self) -> Option<u64> {
        self.number(Field::LengthGranule)
    }

    /// Says whether all is in one segment.
    pub fn is_contiguous(&self) -> bool {
        self.number(Field::Contiguous).is_some()
    }

    /// Returns whether the device sees the CPU's caches, if stated; otherwise it does.
    pub fn coherency(&self) -> Option<Coherency> {
        let number = self.number(Field::Coherency)?;
        Some(if number == 0 {
            Coherency::Snoops
        } else {
            Coherency::NeedsSync
        })
    }

    /// Returns all fields that are set, in the order of [`Field`].
    ///
    /// ```
    /// use wharf_core::dma::{DmaLimits, Field, Value};
    /// let limits = DmaLimits::builder().max_segments(4).contiguous().build()?;
    /// let fields: Vec<_> = limits.fields().collect();
    /// assert_eq!(fields, [(Field::MaxSegments, Value::Segments(4)), (Field::Contiguous, Value::Needed)]);
    /// # Ok::<(), wharf_core::dma::LimitsError>(())
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (Field, Value)> {
        let windows = self
            .windows
            .iter()
            .map(|set| (Field::Windows, Value::Windows(set.clone())));
        let translation = self
            .translation
            .iter()
            .map(|kind| (Field::Translation, Value::Translation(*kind)));
        let numbers = NUMBERS
            .iter()
            .filter_map(|&field| Some((field, Value::of_number(field, self.number(field)?)?)));
        windows.chain(translation).chain(numbers)
    }

    /// The same limits with other values of some fields.
    pub(crate) fn with_fields<'a>(
        mut self,
        fields: impl Iterator<Item = (Field, &'a Value)>,
    ) -> Result<Self, LimitsError> {
        for (field, value) in fields {
            match value {
                Value::Windows(windows) => self.windows = Some(windows.clone()),
                Value::Translation(translation) => self.translation = Some(*translation),
                value => {
                    if let Some(number) = value.number() {
                        self.set(field, number);
                    }
                }
            }
        }
        validate::checked(self)
    }

    pub(super) fn number(&self, field: Field) -> Option<u64> {
        let slot = NUMBERS.iter().position(|number| *number == field)?;
        self.numbers[slot]
    }

    pub(super) fn set(&mut self, field: Field, number: u64) {
        if let Some(slot) = NUMBERS.iter().position(|one| *one == field) {
            self.numbers[slot] = Some(number);
        }
    }
}

impl DmaLimitsBuilder {
    /// The device reaches these addresses, and no others; a segment lies in one of the ranges.
    pub fn windows(mut self, ranges: impl IntoIterator<Item = RangeInclusive<u64>>) -> Self {
        self.limits.windows = Some(ranges.into_iter().collect());
        self
    }

    /// The device reaches addresses from 0 to `mask`, inclusive: the kernel's `dma_set_mask`.
    pub fn address_mask(self, mask: u64) -> Self {
        self.windows([0..=mask])
    }

    /// How device addresses come from physical ones. The offset of a direct one is a multiple of the page unit, of all
    /// alignments and of the length granule, so that what is aligned in memory is aligned for the device.
    pub fn translation(mut self, translation: Translation) -> Self {
        self.limits.translation = Some(translation);
        self
    }

    /// A table has at most `segments` segments.
    pub fn max_segments(self, segments: u32) -> Self {
        self.number(Field::MaxSegments, u64::from(segments))
    }

    /// A segment is at most `bytes` long; at least a page. The kernel's `dma_set_max_seg_size`.
    pub fn max_segment_bytes(self, bytes: u64) -> Self {
        self.number(Field::MaxSegmentBytes, bytes)
    }

    /// No segment crosses a multiple of `mask + 1`, a power of two of at least a page. The kernel's `dma_set_seg_boundary`.
    pub fn boundary_mask(self, mask: u64) -> Self {
        self.number(Field::BoundaryMask, mask)
    }

    /// The first segment begins at a multiple of `bytes`, a power of two.
    pub fn base_align_bytes(self, bytes: u64) -> Self {
        self.number(Field::BaseAlign, bytes)
    }

    /// Every segment begins at a multiple of `bytes`, a power of two.
    pub fn segment_align_bytes(self, bytes: u64) -> Self {
        self.number(Field::SegmentAlign, bytes)
    }

    /// Every segment's length is a multiple of `bytes`, a power of two.
    pub fn length_granule_bytes(self, bytes: u64) -> Self {
        self.number(Field::LengthGranule, bytes)
    }

    /// All is in one segment.
    pub fn contiguous(self) -> Self {
        self.number(Field::Contiguous, 1)
    }

    /// Whether the device sees the CPU's caches.
    pub fn coherency(self, coherency: Coherency) -> Self {
        let number = match coherency {
            Coherency::Snoops => 0,
            Coherency::NeedsSync => 1,
        };
        self.number(Field::Coherency, number)
    }

    fn number(mut self, field: Field, number: u64) -> Self {
        self.limits.set(field, number);
        self
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// [`LimitsError`], EINVAL: a value means nothing, or no memory at all could satisfy the fields together. It names the
    /// field.
    pub fn build(self) -> Result<DmaLimits, LimitsError> {
        validate::checked(self.limits)
    }
}
