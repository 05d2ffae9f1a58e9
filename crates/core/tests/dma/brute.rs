//! The same questions answered the long way: page by page, from the words of the documentation and not from the code.

use wharf_core::PAGE_BYTES;
use wharf_core::dma::{DmaLimits, SgSegment, Storage, Translation};

const PAGE: u128 = PAGE_BYTES as u128;

/// Whether a device reaches the page that begins at `address`.
fn reaches(limits: &DmaLimits, address: u128) -> bool {
    let inside =
        |first: u64, last: u64| u128::from(first) <= address && address + PAGE - 1 <= u128::from(last);
    let in_windows = match limits.windows() {
        Some(windows) => windows
            .as_slice()
            .iter()
            .any(|window| inside(window.first, window.last)),
        None => address + PAGE <= 1 << 64,
    };
    let in_aperture = match limits.translation() {
        Some(Translation::Iommu {
            aperture, page_bytes, ..
        }) => {
            let unit = u128::from(page_bytes);
            let begin = address / unit * unit;
            u128::from(aperture.first) <= begin && begin + unit - 1 <= u128::from(aperture.last)
        }
        _ => true,
    };
    in_windows && in_aperture
}

/// Whether one segment is allowed, `first` or not.
pub(crate) fn segment_is_right(limits: &DmaLimits, segment: SgSegment, first: bool) -> bool {
    let (address, length) = (u128::from(segment.address), u128::from(segment.length_bytes));
    let divides = |number: u128, unit: Option<u64>| number.is_multiple_of(u128::from(unit.unwrap_or(1)));
    if length == 0 || !length.is_multiple_of(PAGE) || !address.is_multiple_of(PAGE) {
        return false;
    }
    let pages = || (0..length / PAGE).map(|page| address + page * PAGE);
    // In windows with a gap between them, a segment with all pages inside also has its borders inside.
    let block = limits.boundary_mask().map(|mask| u128::from(mask) + 1);
    pages().all(|page| reaches(limits, page))
        && block.is_none_or(|block| pages().all(|page| page / block == address / block))
        && limits
            .max_segment_bytes()
            .is_none_or(|longest| length <= u128::from(longest))
        && divides(length, limits.length_granule_bytes())
        && divides(address, limits.segment_align_bytes())
        && (!first || divides(address, limits.base_align_bytes()))
}

/// Whether a table is allowed for a buffer of `size_bytes`.
pub(crate) fn table_is_right(limits: &DmaLimits, segments: &[SgSegment], size_bytes: u64) -> bool {
    let total: u128 = segments
        .iter()
        .map(|segment| u128::from(segment.length_bytes))
        .sum();
    let each = segments.iter().enumerate();
    total == u128::from(size_bytes)
        && count_is_right(limits, segments.len())
        && each
            .into_iter()
            .all(|(number, segment)| segment_is_right(limits, *segment, number == 0))
}

fn count_is_right(limits: &DmaLimits, segments: usize) -> bool {
    let most = if limits.is_contiguous() {
        Some(1)
    } else {
        limits.max_segments()
    };
    most.is_none_or(|most| segments as u64 <= most)
}

/// The fewest segments that memory can be cut into for a device that addresses it directly; `None` if no way of cutting is
/// allowed. Tries all cuts.
pub(crate) fn fewest_segments(limits: &DmaLimits, storage: &Storage) -> Option<usize> {
    let offset = match limits.translation() {
        Some(Translation::Direct { offset_bytes }) => offset_bytes,
        None => 0,
        Some(Translation::Iommu { .. }) => panic!("only for direct addressing"),
    };
    let mut total = 0;
    for (number, run) in storage.runs().iter().enumerate() {
        let address = run.address.checked_add_signed(offset)?;
        total += fewest_of_run(limits, address, run.length_bytes, number == 0)?;
    }
    Some(total)
}

/// The fewest segments of one run at a device address.
pub(crate) fn fewest_of_run(
    limits: &DmaLimits,
    address: u64,
    length_bytes: u64,
    first: bool,
) -> Option<usize> {
    let pages = usize::try_from(length_bytes / PAGE_BYTES).unwrap();
    let mut fewest: Vec<Option<usize>> = vec![None; pages + 1];
    fewest[0] = Some(0);
    for end in 1..=pages {
        fewest[end] = (0..end)
            .filter_map(|begin| {
                let segment = SgSegment {
                    address: address.checked_add(begin as u64 * PAGE_BYTES)?,
                    length_bytes: (end - begin) as u64 * PAGE_BYTES,
                };
                let right = segment_is_right(limits, segment, first && begin == 0);
                right.then_some(fewest[begin]? + 1)
            })
            .min();
    }
    fewest[pages]
}

/// Whether memory suits a device that addresses it directly.
pub(crate) fn storage_is_right(limits: &DmaLimits, storage: &Storage) -> bool {
    fewest_segments(limits, storage).is_some_and(|segments| count_is_right(limits, segments))
}
