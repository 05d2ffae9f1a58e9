//! The limits of devices as needs of physical memory.

use crate::PAGE_BYTES;

use super::{DmaLimits, Field, Need, Place, Translation, Value, Windows};

/// What needs of physical memory come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Physical {
    pub(crate) windows: Option<Windows>,
    /// The most runs, and the field that says so.
    pub(super) runs: Option<(Field, u64)>,
    pub(crate) base_align: u64,
    pub(crate) run_align: u64,
    pub(super) run_granule: u64,
    pub(crate) min_chunk: u64,
}

impl DmaLimits {
    /// What the limits ask of physical memory.
    pub(super) fn physical(&self, who: &str, size_bytes: u64) -> Vec<Need> {
        let mut needs = Vec::new();
        let mut need = |field, value| {
            needs.push(Need {
                field,
                who: who.into(),
                value,
            })
        };
        let runs_are_segments = match self.translation_or_physical() {
            Translation::Direct { .. } => true,
            Translation::Iommu {
                page_bytes, coalesce, ..
            } => {
                need(Field::PageGranule, Value::Bytes(page_bytes));
                !coalesce
            }
        };
        if let Some(windows) = self.physical_windows() {
            need(Field::Windows, Value::Windows(windows));
        }
        for (field, value) in self.fields() {
            let wanted = match field {
                Field::MaxSegments | Field::Contiguous | Field::LengthGranule => runs_are_segments,
                Field::BaseAlign | Field::SegmentAlign => {
                    matches!(self.translation_or_physical(), Translation::Direct { .. })
                }
                Field::Coherency => true,
                _ => false,
            };
            if wanted {
                need(field, value);
            }
        }
        let few = runs_are_segments && self.segment_count().is_some();
        if let Some(chunk) = self.min_chunk(size_bytes).filter(|_| few) {
            need(Field::MinChunk, Value::Bytes(chunk));
        }
        needs
    }

    /// Says whether chunks of some power of two suit the device.
    pub(super) fn chunks_suffice(&self, size_bytes: u64) -> bool {
        let coalesces = matches!(
            self.translation_or_physical(),
            Translation::Iommu { coalesce: true, .. }
        );
        coalesces || self.min_chunk(size_bytes).is_some()
    }

    /// The field in which one run might break the limits that a heap puts anywhere in `windows` at a multiple of `align_bytes`.
    /// `None` if it does not, wherever it is. That it is within reach and aligned is another matter.
    pub(crate) fn failing_run(
        &self,
        size_bytes: u64,
        align_bytes: u64,
        windows: Option<&Windows>,
    ) -> Option<Field> {
        let shifted = match self.translation_or_physical() {
            // An IOMMU maps it at a boundary.
            Translation::Iommu { .. } => 0,
            Translation::Direct { offset_bytes } => {
                u64::from(self.might_cross(size_bytes, align_bytes, windows, offset_bytes))
            }
        };
        let pieces = match self.check_divisible(size_bytes, Place::Whole) {
            Ok(pieces) => pieces.saturating_add(shifted),
            Err(violation) => return Some(violation.field),
        };
        let uneven = shifted > 0 && !self.block_bytes().is_multiple_of(u128::from(self.step()));
        if uneven || self.check_count(pieces).is_err() {
            let by_boundary = uneven || self.check_count(pieces - shifted).is_ok();
            let count = self.segment_count().map(|(field, _)| field);
            return count.filter(|_| !by_boundary).or(Some(Field::BoundaryMask));
        }
        None
    }

    /// Whether a run might lie across a boundary that it would not if it began at one.
    fn might_cross(
        &self,
        size_bytes: u64,
        align_bytes: u64,
        windows: Option<&Windows>,
        offset_bytes: i64,
    ) -> bool {
        if self.boundary_mask().is_none() {
            return false;
        }
        let block = self.with_physical_boundaries().block_bytes();
        let aligned = u128::from(align_bytes) >= block
            || size_bytes
                .checked_next_power_of_two()
                .is_some_and(|whole| align_bytes >= whole);
        let within_one = |windows: &Windows| {
            let seen = windows.moved(i128::from(offset_bytes));
            let mut blocks = seen.as_slice().iter().map(|window| {
                (
                    u128::from(window.first) / self.block_bytes(),
                    u128::from(window.last) / self.block_bytes(),
                )
            });
            blocks.all(|(first, last)| first == last)
        };
        !aligned && !windows.is_some_and(within_one)
    }

    /// The smallest power of two of bytes such that chunks of it, each at a multiple of it, do not become too many segments.
    fn min_chunk(&self, size_bytes: u64) -> Option<u64> {
        let most = self.segment_count().map_or(u64::MAX - 1, |(_, most)| most);
        let limits = self.with_physical_boundaries();
        let whole = size_bytes.checked_next_power_of_two()?;
        let mut chunk = limits.step();
        while chunk < whole && limits.pieces_of_chunks(chunk, size_bytes) > most {
            chunk *= 2;
        }
        (limits.pieces_of_chunks(chunk, size_bytes) <= most).then_some(chunk)
    }

    fn pieces_of_chunks(&self, chunk: u64, size_bytes: u64) -> u64 {
        let full = self.pieces(chunk).saturating_mul(size_bytes / chunk);
        full.saturating_add(self.pieces(size_bytes % chunk))
    }

    /// The same limits with boundaries at physical addresses: where an offset moves them off the multiples of their distance,
    /// at all multiples of a smaller one.
    fn with_physical_boundaries(&self) -> Self {
        let mut limits = self.clone();
        if let Translation::Direct { offset_bytes } = self.translation_or_physical() {
            let known = 1_u128 << offset_bytes.trailing_zeros();
            if let Ok(block) = u64::try_from(self.block_bytes().min(known)) {
                limits.set(Field::BoundaryMask, block - 1);
            }
        }
        limits
    }
}

impl Physical {
    /// What limits come to for a size, and whether chunks of some length suit all of them.
    ///
    /// # Errors
    /// The field that no memory of this size can satisfy.
    pub(crate) fn of_all<'a>(
        limits: impl IntoIterator<Item = &'a DmaLimits>,
        size_bytes: u64,
    ) -> Result<(Self, bool), Field> {
        let mut needs = Vec::new();
        let mut every_chunk = true;
        for limits in limits {
            if let Some(field) = limits.failing_alone(size_bytes) {
                return Err(field);
            }
            needs.extend(limits.physical("", size_bytes));
            every_chunk &= limits.chunks_suffice(size_bytes);
        }
        let physical = Self::of(&needs);
        match physical.failing(size_bytes) {
            Some(field) => Err(field),
            None => Ok((physical, every_chunk)),
        }
    }

    /// Says whether the memory has to be one run.
    pub(crate) fn is_one_run(&self) -> bool {
        self.runs.is_some_and(|(_, most)| most == 1)
    }

    pub(super) fn of(needs: &[Need]) -> Self {
        let mut windows: Option<Windows> = None;
        for need in needs {
            if let Value::Windows(more) = &need.value {
                windows = Some(match windows {
                    Some(others) => others.intersection(more),
                    None => more.clone(),
                });
            }
        }
        let largest = |fields: &[Field]| {
            let stated = needs.iter().filter(|need| fields.contains(&need.field));
            stated.filter_map(|need| need.value.number()).max().unwrap_or(1)
        };
        let run_align = largest(&[Field::SegmentAlign, Field::PageGranule]).max(PAGE_BYTES);
        let run_granule = largest(&[Field::LengthGranule, Field::PageGranule]).max(PAGE_BYTES);
        Self {
            windows,
            runs: most_runs(needs),
            base_align: largest(&[Field::BaseAlign]).max(run_align),
            run_align,
            run_granule,
            min_chunk: largest(&[Field::MinChunk]).max(run_align).max(run_granule),
        }
    }

    /// The field that no memory of this size can satisfy.
    pub(super) fn failing(&self, size_bytes: u64) -> Option<Field> {
        let Some(windows) = &self.windows else {
            return None;
        };
        let size = u128::from(size_bytes);
        let one_run = self.runs.is_some_and(|(_, most)| most == 1);
        let align = if one_run { self.base_align } else { self.run_align };
        let mut rooms: Vec<u128> = windows.rooms(align, self.run_granule).collect();
        if rooms.iter().sum::<u128>() < size {
            return Some(Field::Windows);
        }
        if windows
            .rooms(self.base_align, self.run_granule)
            .all(|room| room == 0)
        {
            return Some(Field::BaseAlign);
        }
        let (field, most) = self.runs?;
        rooms.sort_unstable_by(|one, other| other.cmp(one));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        (rooms.iter().take(most).sum::<u128>() < size).then_some(field)
    }
}

/// The most runs that all allow. All in one segment is said by the field of that name.
fn most_runs(needs: &[Need]) -> Option<(Field, u64)> {
    let runs = needs
        .iter()
        .filter(|need| matches!(need.field, Field::Contiguous | Field::MaxSegments));
    let counts = runs.filter_map(|need| Some((need.value.number()?, need.field)));
    counts
        .max_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)))
        .map(|(most, field)| (field, most))
}
