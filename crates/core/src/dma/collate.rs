//! What a buffer's memory has to be like, to suit everybody.

use super::merge::fold;
use super::physical::Physical;
use super::{Conflict, DmaLimits, Field, Need, Place, Requirements, Translation, Value, Violation, Windows};

/// Puts together what all participants need of the memory of a buffer of `size_bytes`: what an exporter sees that allocates at
/// the first map.
///
/// Each participant's limits are turned into needs of physical memory: a device behind an IOMMU that coalesces needs hardly
/// any. The order does not matter, neither for the result nor for the conflict.
///
/// # Errors
/// [`Conflict`]: no such memory can exist. That none is found does not mean that there is some: the exporter may have none.
///
/// # Examples
/// ```
/// use wharf_core::dma::{self, DmaLimits, Field};
///
/// let camera = DmaLimits::builder().address_mask(0xffff_ffff).max_segments(1).build()?;
/// let display = DmaLimits::builder().address_mask(0x3fff_ffff).build()?;
/// let needs = dma::collate([("camera", &camera), ("display", &display)], 3_133_440)?;
/// assert!(needs.is_contiguous());
/// assert_eq!(
///     needs.to_string(),
///     "3133440 bytes; camera needs windows inside 0x0..=0xffffffff; display needs windows inside 0x0..=0x3fffffff; \
///      camera needs max_segments at most 1 segment"
/// );
///
/// let above = DmaLimits::builder().windows([0x4000_0000..=0xffff_ffff]).build()?;
/// let conflict = dma::collate([("camera", &camera), ("display", &display), ("late", &above)], 3_133_440).unwrap_err();
/// assert_eq!(conflict.field, Field::Windows);
/// assert_eq!(
///     conflict.to_string(),
///     "no memory of 3133440 bytes suits: display needs windows inside 0x0..=0x3fffffff; late needs windows inside \
///      0x40000000..=0xffffffff"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// The comment on `attach` in include/linux/dma-buf.h `struct dma_buf_ops`. Contract: A2.
pub fn collate<'a>(
    parties: impl IntoIterator<Item = (&'a str, &'a DmaLimits)>,
    size_bytes: u64,
) -> Result<Requirements, Conflict> {
    let mut parties: Vec<(&str, &DmaLimits)> = parties.into_iter().collect();
    parties.sort_unstable();
    parties.dedup();
    for (who, limits) in &parties {
        if limits.failing_alone(size_bytes).is_some() {
            return Err(conflict_alone(who, limits, size_bytes));
        }
    }
    let needs: Vec<Need> = parties
        .iter()
        .flat_map(|(who, limits)| limits.physical(who, size_bytes))
        .collect();
    let failing = |needs: &[Need]| Physical::of(needs).failing(size_bytes);
    if failing(&needs).is_some() {
        return Err(Conflict::smallest(needs, Some(size_bytes), failing));
    }
    let every_chunk = parties
        .iter()
        .all(|(_, limits)| limits.chunks_suffice(size_bytes));
    Ok(Requirements::new(size_bytes, &parties, needs, every_chunk))
}

/// What one participant cannot have, even by itself, for this size.
fn conflict_alone(who: &str, limits: &DmaLimits, size_bytes: u64) -> Conflict {
    let needs = limits.stated_by(who).collect();
    Conflict::smallest(needs, Some(size_bytes), |needs| match fold(needs) {
        Ok(limits) => limits.failing_alone(size_bytes),
        Err(field) => Some(field),
    })
}

impl DmaLimits {
    /// The field that no memory of this size can satisfy.
    pub(super) fn failing_alone(&self, size_bytes: u64) -> Option<Field> {
        self.check_alone(size_bytes)
            .err()
            .map(|violation| violation.field)
    }

    /// What the sizes of buffers are multiples of, in bytes.
    pub(crate) fn size_unit_bytes(&self) -> u64 {
        self.length_granule().max(self.page_granule())
    }

    /// Says whether a buffer of `size_bytes`, a multiple of the unit, could be mapped wherever it is.
    pub(crate) fn could_hold(&self, size_bytes: u64) -> bool {
        let fits_windows = || {
            let windows = self.physical_windows().unwrap_or_else(Windows::all);
            let rooms = windows.rooms(self.segment_align(), self.length_granule());
            let room = match self.segment_count() {
                Some((_, 1)) => rooms.max().unwrap_or(0),
                _ => rooms.sum(),
            };
            room >= u128::from(size_bytes)
        };
        self.check_alone(size_bytes).is_ok() && fits_windows()
    }

    fn check_alone(&self, size_bytes: u64) -> Result<(), Violation> {
        self.check_unit(size_bytes)?;
        let Translation::Iommu {
            page_bytes, coalesce, ..
        } = self.translation_or_physical()
        else {
            return self.check_count(self.fewest_segments(size_bytes));
        };
        if !size_bytes.is_multiple_of(page_bytes) {
            let (have, need) = (Value::Bytes(size_bytes), Value::Bytes(page_bytes));
            return Err(Violation {
                field: Field::Translation,
                have,
                need,
                place: Place::Whole,
            });
        }
        self.check_room(size_bytes)?;
        self.check_count(if coalesce {
            self.check_divisible(size_bytes, Place::Whole)?
        } else {
            self.fewest_segments(size_bytes)
        })
    }

    /// The fewest segments there can be, wherever the memory is: all of the greatest length.
    fn fewest_segments(&self, size_bytes: u64) -> u64 {
        size_bytes.div_ceil(self.longest_segment())
    }
}
