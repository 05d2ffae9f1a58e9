//! What is collated is true: nothing that is possible is called impossible, and what is recommended suits.

use proptest::prelude::*;
use wharf_core::PAGE_BYTES;
use wharf_core::dma::{self, Conflict, DmaLimits, Field, Need, PhysicalRun, Requirements, Storage, Value};
use wharf_core::dma::{Translation, Window};

use crate::prop_merge::single;
use crate::random::{PAGES, limits, storage};

fn named(parties: &[DmaLimits]) -> Vec<(&str, &DmaLimits)> {
    ["a", "b", "c", "d"].into_iter().zip(parties).collect()
}

fn suits_all(parties: &[DmaLimits], storage: &Storage) -> bool {
    parties.iter().all(|limits| limits.check_storage(storage).is_ok())
}

/// Limits of a device with direct addressing that need what one need of a conflict says of physical memory.
fn as_party(need: &Need) -> DmaLimits {
    match (&need.field, &need.value) {
        (Field::PageGranule, Value::Bytes(page_bytes)) => {
            let aperture = Window {
                first: 0,
                last: u64::MAX,
            };
            let translation = Translation::Iommu {
                aperture,
                page_bytes: *page_bytes,
                coalesce: true,
            };
            DmaLimits::builder().translation(translation).build().unwrap()
        }
        _ => single(need),
    }
}

/// Chunks in the way that the documentation of requirements recommends, in the lowest addresses where they fit.
fn recommended(needs: &Requirements, gap: bool) -> Option<Storage> {
    let chunk = needs.min_chunk_bytes()?;
    let mut left = needs.size_bytes();
    let mut runs = Vec::new();
    let mut address = 0;
    while left > 0 {
        let align = if runs.is_empty() {
            needs.base_align_bytes().max(chunk)
        } else {
            chunk
        };
        let length_bytes = left.min(chunk);
        address = lowest(
            needs,
            address.max(1_u64).next_multiple_of(align),
            align,
            length_bytes,
        )?;
        runs.push(PhysicalRun {
            address,
            length_bytes,
        });
        address += length_bytes + if gap { chunk } else { 0 };
        left -= length_bytes;
    }
    Some(Storage::new(runs).unwrap())
}

fn lowest(needs: &Requirements, from: u64, align: u64, length_bytes: u64) -> Option<u64> {
    let aligned = (0..4 * PAGES).map(|times| from + times * align);
    let fits = |address: &u64| {
        needs
            .windows()
            .is_none_or(|windows| windows.contains(*address, length_bytes))
    };
    aligned.into_iter().find(fits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn order_does_not_matter(parties in prop::collection::vec(limits(), 3), pages in 1..24_u64) {
        let named = named(&parties);
        let collated = dma::collate(named.iter().copied(), pages * PAGE_BYTES);
        for order in [[1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 2, 1], [1, 0, 2]] {
            let again = dma::collate(order.map(|number| named[number]), pages * PAGE_BYTES);
            prop_assert_eq!(&again, &collated);
        }
    }

    #[test]
    fn requirements_allow_what_suits_everybody(parties in prop::collection::vec(limits(), 1..4), storage in storage()) {
        let suits = suits_all(&parties, &storage);
        match dma::collate(named(&parties), storage.size_bytes()) {
            Ok(needs) => prop_assert_eq!(needs.allows(&storage).is_ok(), suits),
            Err(conflict) => prop_assert!(!suits, "{} but {:?} suits", conflict, storage),
        }
    }

    #[test]
    fn single_runs_that_suit_are_never_called_impossible(
        parties in prop::collection::vec(limits(), 1..4),
        pages in 1..24_u64,
    ) {
        let size_bytes = pages * PAGE_BYTES;
        let Err(conflict) = dma::collate(named(&parties), size_bytes) else { return Ok(()) };
        for page in 0..PAGES + 16 {
            let run = PhysicalRun { address: page * PAGE_BYTES, length_bytes: size_bytes };
            let storage = Storage::new([run]).unwrap();
            prop_assert!(!suits_all(&parties, &storage), "{} but {:?} suits", conflict, storage);
        }
    }

    #[test]
    fn recommended_chunks_suit(
        parties in prop::collection::vec(limits(), 1..4),
        pages in 1..24_u64,
        gap in any::<bool>(),
    ) {
        let Ok(needs) = dma::collate(named(&parties), pages * PAGE_BYTES) else { return Ok(()) };
        let Some(storage) = recommended(&needs, gap) else { return Ok(()) };
        prop_assert_eq!(needs.allows(&storage), Ok(()), "{}", needs);
    }

    #[test]
    fn conflict_between_several_is_minimal(parties in prop::collection::vec(limits(), 3), pages in 1..24_u64) {
        let size_bytes = pages * PAGE_BYTES;
        let Err(conflict) = dma::collate(named(&parties), size_bytes) else { return Ok(()) };
        prop_assert_eq!(conflict.size_bytes, Some(size_bytes));
        if is_of_one(&conflict) {
            return Ok(());
        }
        let parts: Vec<DmaLimits> = conflict.needs.iter().map(as_party).collect();
        let without = |left_out: usize| {
            let kept = parts.iter().enumerate().filter(move |(number, _)| *number != left_out);
            dma::collate(kept.map(|(_, limits)| ("part", limits)), size_bytes)
        };
        prop_assert!(without(usize::MAX).is_err(), "{} can be had", conflict);
        for left_out in 0..parts.len() {
            prop_assert!(without(left_out).is_ok(), "{} without {}", conflict, left_out);
        }
    }
}

fn is_of_one(conflict: &Conflict) -> bool {
    conflict.needs.windows(2).all(|pair| pair[0].who == pair[1].who)
}
