//! Whether any memory that keeps a heap's promises suits a device: where it will be, nobody knows yet.

use super::{Unsuitable, Verdict, ensure};
use crate::PAGE_BYTES;
use crate::constraints::{Field, Value};
use crate::dma::{DmaLimits, PhysicalRun, Storage, Translation, Windows};
use crate::negotiation::Guarantees;

/// Checks that a device can use any memory of `size_bytes` as promised.
pub(super) fn check(limits: &DmaLimits, promised: &Guarantees, size_bytes: u64) -> Verdict {
    ensure(
        size_bytes > 0,
        Field::Size,
        || Value::Bytes(0),
        || Value::Bytes(PAGE_BYTES),
    )?;
    let promise = Promise::of(promised, size_bytes);
    match limits.translation().unwrap_or(Translation::PHYSICAL) {
        Translation::Direct { offset_bytes } => {
            promise.check_direct(limits, promised.windows.as_ref(), offset_bytes)
        }
        Translation::Iommu {
            page_bytes, coalesce, ..
        } => promise.check_mapped(limits, page_bytes, coalesce),
    }
}

/// Memory as it is promised.
struct Promise {
    size_bytes: u64,
    /// The length of the runs, at least, but for the last.
    chunk_bytes: u64,
    /// What the first byte lies at a multiple of.
    base_bytes: u64,
    /// What every run begins at a multiple of.
    run_bytes: u64,
}

/// How a device cuts runs.
struct Cut {
    /// The distance of boundaries.
    block: u128,
    /// The longest segment that is the last of its run.
    longest: u128,
    /// The longest that another follows.
    inner: u128,
}

impl Promise {
    fn of(promised: &Guarantees, size_bytes: u64) -> Self {
        let base_bytes = promised.base_align_bytes.max(promised.chunk_bytes);
        // Whoever fills it in: no chunk is shorter than a page.
        let chunk_bytes = promised.chunk_bytes.max(PAGE_BYTES);
        let contiguous = promised.contiguous || size_bytes <= chunk_bytes;
        Self {
            size_bytes,
            chunk_bytes: if contiguous { size_bytes } else { chunk_bytes },
            base_bytes,
            run_bytes: if contiguous { base_bytes } else { chunk_bytes },
        }
    }

    fn check_direct(&self, limits: &DmaLimits, windows: Option<&Windows>, offset_bytes: i64) -> Verdict {
        check_windows(limits, windows, offset_bytes)?;
        let alignments = [
            (Field::SegmentAlign, limits.segment_align_bytes(), self.run_bytes),
            (Field::BaseAlign, limits.base_align_bytes(), self.base_bytes),
        ];
        for (field, need, have) in alignments {
            is_multiple(field, have, need.unwrap_or(1))?;
        }
        self.check_granule(limits)?;
        let cut = Cut::of(limits);
        // An offset moves what is aligned more than itself.
        let kept = 1_u64
            .checked_shl(offset_bytes.trailing_zeros())
            .unwrap_or(u64::MAX);
        let align = self.run_bytes.min(kept);
        let segments = if in_one_block(windows, offset_bytes, cut.block) {
            self.segments(|length| cut.within_block(length))
        } else {
            let crosses = u128::from(align) < cut.block && self.chunk_bytes > align;
            is_multiple(
                Field::LengthGranule,
                align,
                if crosses { granule(limits) } else { 1 },
            )?;
            self.segments(|length| cut.anywhere(length, u128::from(align)))
        };
        self.check_count(limits, segments)
    }

    /// Behind an IOMMU it does not matter where memory is, only in how many pieces.
    fn check_mapped(&self, limits: &DmaLimits, page_bytes: u64, coalesce: bool) -> Verdict {
        is_multiple(
            Field::PageGranule,
            self.run_bytes.min(self.chunk_bytes),
            page_bytes,
        )?;
        is_multiple(Field::PageGranule, self.size_bytes, page_bytes)?;
        let in_one_run = Storage::new([PhysicalRun {
            address: 0,
            length_bytes: self.size_bytes,
        }]);
        let in_one_run = in_one_run.map_err(|_| {
            let (have, need) = (Value::Bytes(self.size_bytes), Value::Bytes(PAGE_BYTES));
            Unsuitable::new(Field::Size, have, need)
        })?;
        let outcome = limits.check_storage(&in_one_run);
        outcome.map_err(|violation| Unsuitable::new(violation.field, violation.have, violation.need))?;
        if coalesce {
            return Ok(());
        }
        self.check_granule(limits)?;
        let cut = Cut::of(limits);
        self.check_count(limits, self.segments(|length| cut.after_boundary(length)))
    }

    fn check_granule(&self, limits: &DmaLimits) -> Verdict {
        is_multiple(Field::LengthGranule, self.size_bytes, granule(limits))?;
        is_multiple(Field::LengthGranule, self.chunk_bytes, granule(limits))
    }

    /// The segments of all runs, each cut as `of_run` says.
    fn segments(&self, of_run: impl Fn(u128) -> u128) -> u128 {
        let (chunk, size) = (u128::from(self.chunk_bytes), u128::from(self.size_bytes));
        let full = of_run(chunk).saturating_mul(size / chunk);
        full.saturating_add(of_run(size % chunk))
    }

    fn check_count(&self, limits: &DmaLimits, segments: u128) -> Verdict {
        let have = u64::try_from(segments).unwrap_or(u64::MAX);
        let (field, most) = if limits.is_contiguous() {
            (Field::Contiguous, 1)
        } else {
            (Field::MaxSegments, limits.max_segments().unwrap_or(u64::MAX - 1))
        };
        ensure(
            have <= most,
            field,
            || Value::Segments(have),
            || Value::Segments(most),
        )
    }
}

impl Cut {
    fn of(limits: &DmaLimits) -> Self {
        let block = u128::from(limits.boundary_mask().unwrap_or(u64::MAX)) + 1;
        let longest = u128::from(limits.max_segment_bytes().unwrap_or(u64::MAX)).min(block);
        let granule = u128::from(granule(limits));
        let align = u128::from(limits.segment_align_bytes().unwrap_or(1));
        let longest = longest - longest % granule;
        Self {
            block,
            longest,
            inner: longest - longest % granule.max(align),
        }
    }

    /// Segments of a run without a boundary inside.
    fn within_block(&self, length: u128) -> u128 {
        match length.saturating_sub(self.longest) {
            0 => u128::from(length > 0),
            _ if self.inner == 0 => u128::MAX,
            before_last => before_last.div_ceil(self.inner) + 1,
        }
    }

    /// Segments of a run that begins at a boundary.
    fn after_boundary(&self, length: u128) -> u128 {
        if length > self.block && self.inner == 0 {
            return u128::MAX;
        }
        let full = self.within_block(self.block).saturating_mul(length / self.block);
        full.saturating_add(self.within_block(length % self.block))
    }

    /// Segments of a run that begins at the worst multiple of a power of two.
    fn anywhere(&self, length: u128, align: u128) -> u128 {
        if align >= self.block {
            self.after_boundary(length)
        } else if length <= align {
            self.within_block(length)
        } else {
            self.at_worst(length)
        }
    }

    /// Segments of a run that begins at the worst page.
    fn at_worst(&self, length: u128) -> u128 {
        if self.inner == 0 {
            return u128::MAX;
        }
        let page = u128::from(PAGE_BYTES);
        let pages = length / page;
        let parts = ((length.saturating_sub(2 * page)) / self.block + 2).min(pages);
        let full_blocks = self.block.div_ceil(self.inner).saturating_mul(parts);
        // Each part has at most one segment that is shorter than the others, of one page at least.
        let short = (length - parts * page) / self.inner + parts;
        full_blocks.min(short)
    }
}

/// Says whether there is no boundary anywhere in the memory.
fn in_one_block(windows: Option<&Windows>, offset_bytes: i64, block: u128) -> bool {
    let block = i128::try_from(block).unwrap_or(i128::MAX);
    let block_of = |address: u64| (i128::from(address) + i128::from(offset_bytes)).div_euclid(block);
    let everywhere = Windows::all();
    let windows = windows.unwrap_or(&everywhere).as_slice();
    windows
        .iter()
        .all(|window| block_of(window.first) == block_of(window.last))
}

fn granule(limits: &DmaLimits) -> u64 {
    limits.length_granule_bytes().unwrap_or(1).max(PAGE_BYTES)
}

fn is_multiple(field: Field, have: u64, need: u64) -> Verdict {
    ensure(
        have.is_multiple_of(need),
        field,
        || Value::Bytes(have),
        || Value::Bytes(need),
    )
}

/// Wherever the memory may be, the device reaches it.
fn check_windows(limits: &DmaLimits, windows: Option<&Windows>, offset_bytes: i64) -> Verdict {
    let everywhere = Windows::all();
    let reach = limits.windows().unwrap_or(&everywhere);
    let may_be = windows.unwrap_or(&everywhere);
    let offset = i128::from(offset_bytes);
    let reached = may_be.as_slice().iter().all(|window| {
        let (first, last) = (
            i128::from(window.first) + offset,
            i128::from(window.last) + offset,
        );
        let inside =
            |reach: &crate::dma::Window| i128::from(reach.first) <= first && last <= i128::from(reach.last);
        reach.as_slice().iter().any(inside)
    });
    let values = || (Value::Windows(may_be.clone()), Value::Windows(reach.clone()));
    ensure(reached, Field::Windows, || values().0, || values().1)
}
