//! The formula for the number of segments of a run, against trying all cuts.

use proptest::prelude::*;
use wharf_core::PAGE_BYTES;
use wharf_core::dma::{DmaLimits, SgSegment};

use crate::brute;
use crate::random::limits_with;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn formula_is_what_trying_all_cuts_gives(limits in limits_with(Just(None)), units in 1..40_u64) {
        // Addresses are not the formula's business: it tells of a run at a boundary that is aligned.
        let free = without_addresses(&limits);
        let granule = limits.length_granule_bytes().unwrap_or(1).max(PAGE_BYTES);
        let length_bytes = (units * PAGE_BYTES).next_multiple_of(granule);
        let at_boundary = 1 << 40;
        let fewest = brute::fewest_of_run(&free, at_boundary, length_bytes, true);
        prop_assert_eq!(free.pieces(length_bytes), fewest.map_or(u64::MAX, |segments| segments as u64));
    }

    #[test]
    fn formula_is_that_of_the_documentation(blocks in 0..4_u32, longest in 1..40_u64, pages in 1..200_u64) {
        let block = PAGE_BYTES << (4 + blocks);
        let limits = DmaLimits::builder()
            .boundary_mask(block - 1)
            .max_segment_bytes(longest * PAGE_BYTES)
            .build()
            .unwrap();
        let (s, b, l) = (pages * PAGE_BYTES, block, block.min(longest * PAGE_BYTES));
        prop_assert_eq!(limits.pieces(s), (s / b) * b.div_ceil(l) + (s % b).div_ceil(l));
    }
}

fn without_addresses(limits: &DmaLimits) -> DmaLimits {
    let mut builder = DmaLimits::builder();
    if let Some(bytes) = limits.max_segment_bytes() {
        builder = builder.max_segment_bytes(bytes);
    }
    if let Some(mask) = limits.boundary_mask() {
        builder = builder.boundary_mask(mask);
    }
    if let Some(bytes) = limits.segment_align_bytes() {
        builder = builder.segment_align_bytes(bytes);
    }
    if let Some(bytes) = limits.length_granule_bytes() {
        builder = builder.length_granule_bytes(bytes);
    }
    builder.build().unwrap()
}

#[test]
fn figures_of_the_design() {
    let with = |bytes| DmaLimits::builder().max_segment_bytes(bytes).build().unwrap();
    assert_eq!(with(64 << 10).pieces(3_133_440), 48);
    assert_eq!(with(1 << 20).pieces(3_133_440), 3);
}

#[test]
fn nothing_needs_no_segment_and_everything_fits_in_the_number() {
    let limits = DmaLimits::kernel_default();
    assert_eq!(limits.pieces(0), 0);
    assert_eq!(limits.pieces(u64::MAX), 1 << 48);
    assert_eq!(DmaLimits::unconstrained().pieces(u64::MAX - 4095), 1);
}

#[test]
fn run_that_cannot_be_divided_never_fits() {
    let limits = DmaLimits::builder()
        .max_segment_bytes(8192)
        .segment_align_bytes(16384)
        .build()
        .unwrap();
    assert_eq!(limits.pieces(8192), 1);
    assert_eq!(limits.pieces(12288), u64::MAX);
}

#[test]
fn last_segment_of_a_run_need_not_end_where_another_could_begin() {
    let builder = DmaLimits::builder()
        .max_segment_bytes(0x3000)
        .segment_align_bytes(0x2000);
    let limits = builder.build().unwrap();
    let lengths = |length_bytes| {
        let stretch = SgSegment {
            address: 0x4000,
            length_bytes,
        };
        limits
            .segments_of(stretch)
            .map(|segment| segment.length_bytes)
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths(0x3000), [0x3000]);
    assert_eq!(lengths(0x5000), [0x2000, 0x3000]);
    assert_eq!((limits.pieces(0x3000), limits.pieces(0x5000)), (1, 2));
}
