//! Random limits and memory, small enough to try everything.

use std::ops::RangeInclusive;

use proptest::prelude::*;
use wharf_core::PAGE_BYTES;
use wharf_core::dma::{Coherency, DmaLimits, PhysicalRun, SgSegment, Storage, Translation, Window};

/// How many pages of addresses there are.
pub(crate) const PAGES: u64 = 48;

fn power(least: u32, most: u32) -> impl Strategy<Value = u64> {
    (least..=most).prop_map(|exponent| 1_u64 << exponent)
}

fn ranges() -> impl Strategy<Value = Vec<RangeInclusive<u64>>> {
    let range = (0..PAGES, 1..PAGES).prop_map(|(first, pages)| {
        let first = first * PAGE_BYTES;
        first..=first + pages * PAGE_BYTES - 1
    });
    prop::collection::vec(range, 1..4)
}

/// Offsets are multiples of all alignments that [`limits`] makes.
pub(crate) fn direct() -> impl Strategy<Value = Translation> {
    (-2..=2_i64).prop_map(|times| Translation::Direct {
        offset_bytes: times * 0x8000,
    })
}

pub(crate) fn iommu() -> impl Strategy<Value = Translation> {
    (0..8_u64, 8..64_u64, power(12, 14), any::<bool>()).prop_map(|(first, pages, page_bytes, coalesce)| {
        let first = first * PAGE_BYTES;
        let aperture = Window {
            first,
            last: first + pages * PAGE_BYTES - 1,
        };
        Translation::Iommu {
            aperture,
            page_bytes,
            coalesce,
        }
    })
}

/// Each field is set in one of three cases.
fn sometimes<T: std::fmt::Debug + Clone>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.33, strategy)
}

/// Limits with a translation of the given kind, or none.
pub(crate) fn limits_with(
    translation: impl Strategy<Value = Option<Translation>>,
) -> impl Strategy<Value = DmaLimits> {
    let counts = (
        sometimes(1..6_u32),
        sometimes(PAGE_BYTES..10 * PAGE_BYTES),
        sometimes(power(12, 16)),
    );
    let aligns = (
        sometimes(power(0, 14)),
        sometimes(power(10, 14)),
        sometimes(power(10, 14)),
    );
    let flags = (prop::bool::weighted(0.1), sometimes(prop::bool::ANY));
    let all = (sometimes(ranges()), translation, counts, aligns, flags);
    all.prop_filter_map(
        "impossible by themselves",
        |(windows, translation, counts, aligns, flags)| {
            let mut builder = DmaLimits::builder();
            if let Some(windows) = windows {
                builder = builder.windows(windows);
            }
            if let Some(translation) = translation {
                builder = builder.translation(translation);
            }
            if let Some(segments) = counts.0 {
                builder = builder.max_segments(segments);
            }
            if let Some(bytes) = counts.1 {
                builder = builder.max_segment_bytes(bytes);
            }
            if let Some(block) = counts.2 {
                builder = builder.boundary_mask(block - 1);
            }
            if let Some(bytes) = aligns.0 {
                builder = builder.base_align_bytes(bytes);
            }
            if let Some(bytes) = aligns.1 {
                builder = builder.segment_align_bytes(bytes);
            }
            if let Some(bytes) = aligns.2 {
                builder = builder.length_granule_bytes(bytes);
            }
            if flags.0 {
                builder = builder.contiguous();
            }
            if let Some(snoops) = flags.1 {
                builder = builder.coherency(if snoops {
                    Coherency::Snoops
                } else {
                    Coherency::NeedsSync
                });
            }
            builder.build().ok()
        },
    )
}

/// Limits of all kinds.
pub(crate) fn limits() -> impl Strategy<Value = DmaLimits> {
    limits_with(sometimes(prop_oneof![direct(), iommu()]))
}

/// Limits of a device that addresses memory directly.
pub(crate) fn direct_limits() -> impl Strategy<Value = DmaLimits> {
    limits_with(sometimes(direct()))
}

/// Memory in up to four runs.
pub(crate) fn storage() -> impl Strategy<Value = Storage> {
    let runs = prop::collection::vec((0..PAGES, 1..12_u64), 1..5);
    runs.prop_filter_map("overlap", |runs| {
        let run = |(page, pages)| PhysicalRun {
            address: page * PAGE_BYTES,
            length_bytes: pages * PAGE_BYTES,
        };
        Storage::new(runs.into_iter().map(run)).ok()
    })
}

/// Segments, most of which are page-granular and many of which follow each other.
pub(crate) fn segments() -> impl Strategy<Value = Vec<SgSegment>> {
    let aligned = (0..PAGES, 0..8_u64).prop_map(|(page, pages)| (page * PAGE_BYTES, pages * PAGE_BYTES));
    let odd = (0..PAGES * PAGE_BYTES, 0..8 * PAGE_BYTES);
    let segment = prop_oneof![12 => aligned, 1 => odd];
    prop::collection::vec(segment, 1..5).prop_map(|segments| {
        let segment = |(address, length_bytes)| SgSegment {
            address,
            length_bytes,
        };
        segments.into_iter().map(segment).collect()
    })
}
