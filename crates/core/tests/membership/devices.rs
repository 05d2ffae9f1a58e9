//! Devices at memory that is there, and at memory that is only promised.

use proptest::prelude::*;
use wharf_core::constraints::{Constraints, Field, Value};
use wharf_core::dma::{DmaLimits, PhysicalRun, Storage, Translation, Window};
use wharf_core::negotiation::{ActualBuffer, ActualMemory, Guarantees, suits};

use crate::support::{participant, storage};

const PAGE: u64 = 4096;

fn verdict(memory: ActualMemory<'_>, limits: &DmaLimits) -> Result<(), Field> {
    let constraints = Constraints::builder().dma(limits.clone()).build().unwrap();
    let outcome = suits(&ActualBuffer::new(vec![memory], 1), &participant(constraints));
    outcome.map(|_| ()).map_err(|misfit| misfit.path.field)
}

fn promised(guarantees: &Guarantees, size_bytes: u64, limits: &DmaLimits) -> Result<(), Field> {
    verdict(ActualMemory::new("heap", guarantees, size_bytes), limits)
}

fn there(storage: &Storage, limits: &DmaLimits) -> Result<(), Field> {
    let nothing = Guarantees::default();
    let mut memory = ActualMemory::new("heap", &nothing, storage.size_bytes());
    memory.storage = Some(storage);
    verdict(memory, limits)
}

fn limits(
    set: impl FnOnce(wharf_core::dma::DmaLimitsBuilder) -> wharf_core::dma::DmaLimitsBuilder,
) -> DmaLimits {
    set(DmaLimits::builder()).build().unwrap()
}

#[test]
fn memory_that_is_there_is_taken_as_it_is() {
    let below = storage([(0x1000_0000, 0x10000)]);
    let scattered = storage([(0x1000_0000, 0x8000), (0x2000_0000, 0x8000)]);
    let display = limits(|some| some.address_mask(0x3fff_ffff).contiguous());
    assert_eq!(there(&below, &display), Ok(()));
    assert_eq!(there(&scattered, &display), Err(Field::Contiguous));
    assert_eq!(
        there(&storage([(0x8000_0000, 0x10000)]), &display),
        Err(Field::Windows)
    );
}

#[test]
fn what_is_not_promised_is_not_there() {
    let system = Guarantees::default();
    let size = 16 * PAGE;
    assert_eq!(promised(&system, size, &limits(|some| some)), Ok(()));
    assert_eq!(
        promised(&system, size, &limits(|some| some.contiguous())),
        Err(Field::Contiguous)
    );
    assert_eq!(
        promised(&system, size, &limits(|some| some.max_segments(15))),
        Err(Field::MaxSegments)
    );
    assert_eq!(
        promised(&system, size, &limits(|some| some.max_segments(16))),
        Ok(())
    );
    let high = limits(|some| some.address_mask(0xffff_ffff));
    assert_eq!(promised(&system, size, &high), Err(Field::Windows));
    assert_eq!(
        promised(&system, size, &limits(|some| some.base_align_bytes(8192))),
        Err(Field::BaseAlign)
    );
    assert_eq!(
        promised(&system, size, &limits(|some| some.segment_align_bytes(8192))),
        Err(Field::SegmentAlign)
    );
    assert_eq!(
        promised(&system, size, &limits(|some| some.length_granule_bytes(8192))),
        Err(Field::LengthGranule)
    );
}

#[test]
fn stated_chunks_are_long_and_in_their_place() {
    fn needs(memory: ActualMemory<'_>) -> bool {
        let constraints = Constraints::builder().set(Field::MinChunk, Value::Bytes(0x4000));
        let participant = participant(constraints.build().unwrap());
        suits(&ActualBuffer::new(vec![memory], 1), &participant).is_ok()
    }
    let nothing = Guarantees::default();
    let keeps = |storage: Storage| {
        let memory = ActualMemory::new("heap", &nothing, 0x6000);
        needs(ActualMemory {
            storage: Some(&storage),
            ..memory
        })
    };
    assert!(keeps(storage([(0x4000, 0x4000), (0x10000, 0x2000)])));
    assert!(keeps(storage([(0x8000, 0x6000)])));
    assert!(!keeps(storage([(0x4000, 0x2000), (0x10000, 0x4000)])));
    assert!(!keeps(storage([(0x4000, 0x4000), (0x12000, 0x2000)])));
    let promised = |chunk_bytes, contiguous, base_align_bytes| {
        let promised = Guarantees {
            chunk_bytes,
            contiguous,
            base_align_bytes,
            ..Guarantees::default()
        };
        needs(ActualMemory::new("heap", &promised, 0x6000))
    };
    assert!(promised(0x4000, false, PAGE));
    assert!(!promised(0x2000, false, 0x4000));
    assert!(promised(0x1000, true, 0x4000));
    assert!(!promised(0x1000, true, 0x2000));
}

// The heaps of the worked example: system memory, contiguous memory above, contiguous memory below.
#[test]
fn display_takes_the_heap_that_promises_enough() {
    let size = 3_133_440;
    let display = limits(|some| some.address_mask(0x3fff_ffff).max_segments(1));
    let cma = |first, last| Guarantees {
        windows: Some([first..=last].into_iter().collect()),
        contiguous: true,
        ..Guarantees::default()
    };
    let below = Guarantees {
        contiguous: false,
        ..cma(0, 0x3fff_ffff)
    };
    assert_eq!(promised(&below, size, &display), Err(Field::MaxSegments));
    assert_eq!(
        promised(&cma(0x8000_0000, 0xffff_ffff), size, &display),
        Err(Field::Windows)
    );
    assert_eq!(promised(&cma(0, 0x3fff_ffff), size, &display), Ok(()));
}

#[test]
fn iommu_that_coalesces_takes_pages_anywhere() {
    let gpu = |page_bytes, coalesce| {
        let aperture = Window {
            first: 0,
            last: 0xff_ffff,
        };
        limits(|some| {
            some.contiguous().translation(Translation::Iommu {
                aperture,
                page_bytes,
                coalesce,
            })
        })
    };
    let system = Guarantees::default();
    assert_eq!(promised(&system, 16 * PAGE, &gpu(4096, true)), Ok(()));
    assert_eq!(
        promised(&system, 16 * PAGE, &gpu(16384, true)),
        Err(Field::PageGranule)
    );
    assert_eq!(
        promised(&system, 16 * PAGE, &gpu(4096, false)),
        Err(Field::Contiguous)
    );
    assert_eq!(
        promised(&system, 0x200_0000, &gpu(4096, true)),
        Err(Field::Windows)
    );
}

#[test]
fn boundaries_are_crossed_where_nothing_forbids_it() {
    let size = 16 * PAGE;
    let camera = limits(|some| some.contiguous().boundary_mask(0xf_ffff));
    let cma = |align, windows: Option<std::ops::RangeInclusive<u64>>| Guarantees {
        contiguous: true,
        base_align_bytes: align,
        windows: windows.map(|window| [window].into_iter().collect()),
        ..Guarantees::default()
    };
    assert_eq!(promised(&cma(PAGE, None), size, &camera), Err(Field::Contiguous));
    assert_eq!(promised(&cma(size, None), size, &camera), Ok(()));
    assert_eq!(
        promised(&cma(PAGE, Some(0x10_0000..=0x1f_ffff)), size, &camera),
        Ok(())
    );
    assert_eq!(
        promised(&cma(PAGE, Some(0x10_0000..=0x2f_ffff)), size, &camera),
        Err(Field::Contiguous)
    );
    let two = limits(|some| some.max_segments(2).boundary_mask(0xf_ffff));
    assert_eq!(promised(&cma(PAGE, None), size, &two), Ok(()));
}

#[test]
fn runs_are_cut_as_the_device_sees_them() {
    let contiguous = |align| Guarantees {
        contiguous: true,
        base_align_bytes: align,
        ..Guarantees::default()
    };
    // At a boundary in physical memory, and in the middle between two for the device.
    let windows = |some: wharf_core::dma::DmaLimitsBuilder| some.windows([0x8_0000..=u64::MAX]);
    let offset = |offset_bytes| {
        let camera = limits(|some| {
            let some = windows(some).contiguous().boundary_mask(0xf_ffff);
            some.translation(Translation::Direct { offset_bytes })
        });
        let low = Guarantees {
            windows: Some([0x10_0000..=0xffff_ffff].into_iter().collect()),
            ..contiguous(0x10_0000)
        };
        promised(&low, 0x10_0000, &camera)
    };
    assert_eq!(offset(0), Ok(()));
    assert_eq!(offset(0x8_0000), Err(Field::Contiguous));
    // A run that begins at an odd page is cut at a boundary after an odd number of pages.
    let pairs = limits(|some| some.boundary_mask(0x3fff).length_granule_bytes(0x2000));
    assert_eq!(
        promised(&contiguous(0x1000), 0x4000, &pairs),
        Err(Field::LengthGranule)
    );
    assert_eq!(promised(&contiguous(0x2000), 0x4000, &pairs), Ok(()));
    // Two parts, each of them short.
    let short = limits(|some| {
        some.max_segments(2)
            .max_segment_bytes(0x1_0000)
            .boundary_mask(0xf_ffff)
    });
    assert_eq!(promised(&contiguous(PAGE), 0x1_0000, &short), Ok(()));
    assert_eq!(
        promised(&contiguous(PAGE), 0x1_2000, &short),
        Err(Field::MaxSegments)
    );
    // A single chunk begins where the buffer begins.
    let single = Guarantees {
        chunk_bytes: 0x1_0000,
        base_align_bytes: 0x2_0000,
        ..Guarantees::default()
    };
    let aligned = limits(|some| some.segment_align_bytes(0x2_0000));
    assert_eq!(promised(&single, 0x1_0000, &aligned), Ok(()));
    assert_eq!(promised(&single, 0x2_0000, &aligned), Err(Field::SegmentAlign));
}

#[test]
fn promises_and_sizes_that_mean_nothing_are_refused_too() {
    let nothing = Guarantees {
        chunk_bytes: 0,
        base_align_bytes: 0,
        ..Guarantees::default()
    };
    let plain = limits(|some| some.max_segments(1));
    assert_eq!(promised(&nothing, 0, &plain), Err(Field::Size));
    assert_eq!(promised(&nothing, u64::MAX, &plain), Err(Field::LengthGranule));
    assert_eq!(
        promised(&nothing, u64::MAX - 4095, &plain),
        Err(Field::MaxSegments)
    );
    let empty = participant(Constraints::default());
    assert!(suits(&ActualBuffer::new(Vec::new(), 0), &empty).is_ok());
}

/// How many pages of addresses there are in the small world.
const PAGES: u64 = 24;

fn power(least: u32, most: u32) -> impl Strategy<Value = u64> {
    (least..=most).prop_map(|exponent| 1_u64 << exponent)
}

fn sometimes<T: Clone + std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.4, strategy)
}

fn translations() -> impl Strategy<Value = Option<Translation>> {
    let iommu = (power(12, 13), any::<bool>()).prop_map(|(page_bytes, coalesce)| {
        let aperture = Window {
            first: 0,
            last: 0xf_ffff,
        };
        Translation::Iommu {
            aperture,
            page_bytes,
            coalesce,
        }
    });
    prop_oneof![
        2 => Just(None),
        1 => (0..3_i64).prop_map(|times| Some(Translation::Direct { offset_bytes: times * 0x4000 })),
        1 => iommu.prop_map(Some),
    ]
}

fn small_limits() -> impl Strategy<Value = DmaLimits> {
    let lengths = (
        sometimes(1..5_u32),
        sometimes(1..6_u64),
        sometimes(power(12, 15)),
        any::<bool>(),
    );
    let aligns = (
        sometimes(power(12, 14)),
        sometimes(power(12, 13)),
        sometimes(power(12, 13)),
    );
    let window = sometimes((0..PAGES, 4..PAGES * 2));
    (translations(), lengths, aligns, window).prop_filter_map(
        "impossible",
        |(translation, lengths, aligns, window)| {
            let mut builder = DmaLimits::builder();
            if let Some(translation) = translation {
                builder = builder.translation(translation);
            }
            if let Some(most) = lengths.0 {
                builder = builder.max_segments(most);
            }
            if let Some(pages) = lengths.1 {
                builder = builder.max_segment_bytes(pages * PAGE);
            }
            if let Some(block) = lengths.2 {
                builder = builder.boundary_mask(block - 1);
            }
            if lengths.3 {
                builder = builder.contiguous();
            }
            if let Some(align) = aligns.0 {
                builder = builder.base_align_bytes(align);
            }
            if let Some(align) = aligns.1 {
                builder = builder.segment_align_bytes(align);
            }
            if let Some(granule) = aligns.2 {
                builder = builder.length_granule_bytes(granule);
            }
            if let Some((first, pages)) = window {
                builder = builder.windows([first * PAGE..=(first + pages) * PAGE - 1]);
            }
            builder
                .build()
                .ok()
                .filter(|limits| Constraints::builder().dma(limits.clone()).build().is_ok())
        },
    )
}

fn small_promises() -> impl Strategy<Value = Guarantees> {
    let chunk = power(12, 14);
    (any::<bool>(), chunk, power(12, 15), 0..8_u64).prop_map(
        |(contiguous, chunk_bytes, base_align_bytes, first)| Guarantees {
            windows: Some([first * PAGE..=(first + PAGES) * PAGE - 1].into_iter().collect()),
            contiguous,
            chunk_bytes,
            base_align_bytes,
            ..Guarantees::default()
        },
    )
}

/// All memories of `size_bytes` that keep the promises: every choice of places for the chunks.
fn all_memories(promised: &Guarantees, size_bytes: u64) -> Vec<Storage> {
    let window = promised.windows.as_ref().unwrap().as_slice()[0];
    let first_align = promised.base_align_bytes.max(promised.chunk_bytes);
    let (piece, align) = if promised.contiguous {
        (size_bytes, first_align)
    } else {
        (promised.chunk_bytes, promised.chunk_bytes)
    };
    let mut found = Vec::new();
    let mut pending: Vec<Vec<PhysicalRun>> = vec![Vec::new()];
    while let Some(runs) = pending.pop() {
        let rest = size_bytes - runs.iter().map(|run| run.length_bytes).sum::<u64>();
        if rest == 0 {
            found.extend(Storage::new(runs));
            continue;
        }
        let length_bytes = piece.min(rest);
        let align = if runs.is_empty() { first_align } else { align };
        let mut address = window.first.next_multiple_of(align);
        while address + length_bytes - 1 <= window.last {
            let run = PhysicalRun {
                address,
                length_bytes,
            };
            let apart = |other: &PhysicalRun| {
                other.address + other.length_bytes <= address || address + length_bytes <= other.address
            };
            if runs.iter().all(apart) {
                let mut more = runs.clone();
                more.push(run);
                pending.push(more);
            }
            address += align;
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn promise_suits_when_all_memory_that_keeps_it_does(
        limits in small_limits(),
        guarantees in small_promises(),
        pages in 1..=3_u64,
    ) {
        let size_bytes = pages * PAGE;
        let memories = all_memories(&guarantees, size_bytes);
        prop_assume!(!memories.is_empty());
        let wrong = memories.iter().find(|storage| limits.check_storage(storage).is_err());
        match promised(&guarantees, size_bytes, &limits) {
            Ok(()) => prop_assert_eq!(wrong, None),
            // A window that the memory does not come to the end of is promised all the same.
            Err(Field::Windows) => {}
            Err(field) => prop_assert!(wrong.is_some(), "{field} is refused although all {} suit", memories.len()),
        }
    }
}
