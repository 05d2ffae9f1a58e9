//! The laws of merging limits of one address space.

use proptest::prelude::*;
use wharf_core::dma::{self, Conflict, DmaLimits, Field, Need, SgTable, Value};

use crate::random::{limits, segments};

fn merge(parties: &[&DmaLimits]) -> Result<DmaLimits, Conflict> {
    let names = ["a", "b", "c", "d"];
    dma::merge(names.into_iter().zip(parties.iter().copied()))
}

/// Limits with one field: what one need asks for.
pub(crate) fn single(need: &Need) -> DmaLimits {
    let builder = DmaLimits::builder();
    let small = |number: u64| u32::try_from(number).unwrap();
    let builder = match (&need.field, &need.value) {
        (Field::Windows, Value::Windows(windows)) => {
            builder.windows(windows.as_slice().iter().map(|window| window.first..=window.last))
        }
        (Field::Translation, Value::Translation(translation)) => builder.translation(*translation),
        (Field::MaxSegments, Value::Segments(segments)) => builder.max_segments(small(*segments)),
        (Field::MaxSegmentBytes, Value::Bytes(bytes)) => builder.max_segment_bytes(*bytes),
        (Field::BoundaryMask, Value::Mask(mask)) => builder.boundary_mask(*mask),
        (Field::BaseAlign, Value::Bytes(bytes)) => builder.base_align_bytes(*bytes),
        (Field::SegmentAlign, Value::Bytes(bytes)) => builder.segment_align_bytes(*bytes),
        (Field::LengthGranule, Value::Bytes(bytes)) => builder.length_granule_bytes(*bytes),
        (Field::Contiguous, Value::Needed) => builder.contiguous(),
        (Field::Coherency, Value::Coherency(coherency)) => builder.coherency(*coherency),
        other => panic!("no field of limits: {other:?}"),
    };
    builder.build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn order_and_grouping_do_not_matter(a in limits(), b in limits(), c in limits()) {
        let all = merge(&[&a, &b, &c]).ok();
        prop_assert_eq!(&merge(&[&c, &a, &b]).ok(), &all);
        prop_assert_eq!(&merge(&[&b, &a, &c]).ok(), &all);
        let left = merge(&[&a, &b]).ok().and_then(|both| merge(&[&both, &c]).ok());
        let right = merge(&[&b, &c]).ok().and_then(|both| merge(&[&a, &both]).ok());
        prop_assert_eq!(&left, &all);
        prop_assert_eq!(&right, &all);
    }

    #[test]
    fn merging_twice_or_with_nothing_changes_nothing(a in limits()) {
        prop_assert_eq!(merge(&[&a]), Ok(a.clone()));
        prop_assert_eq!(merge(&[&a, &a]), Ok(a.clone()));
        prop_assert_eq!(merge(&[&a, &DmaLimits::unconstrained()]), Ok(a));
    }

    #[test]
    fn table_keeps_merged_limits_when_it_keeps_all(a in limits(), b in limits(), segments in segments()) {
        let table = SgTable::new(segments);
        let size_bytes = table.total_bytes();
        let each = a.check_table(&table, size_bytes).is_ok() && b.check_table(&table, size_bytes).is_ok();
        match merge(&[&a, &b]) {
            Ok(both) => prop_assert_eq!(both.check_table(&table, size_bytes).is_ok(), each),
            // Two ways of addressing cannot both be the device's, whatever the table.
            Err(conflict) => prop_assert!(!each || conflict.field == Field::Translation, "{}", conflict),
        }
    }

    #[test]
    fn conflict_is_minimal_and_the_same_in_any_order(a in limits(), b in limits(), c in limits()) {
        let named = [("a", &a), ("b", &b), ("c", &c)];
        let Err(conflict) = dma::merge(named) else { return Ok(()) };
        for order in [[1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 2, 1], [1, 0, 2]] {
            prop_assert_eq!(dma::merge(order.map(|number| named[number])).unwrap_err(), conflict.clone());
        }
        let parts: Vec<DmaLimits> = conflict.needs.iter().map(single).collect();
        let without = |left_out: usize| {
            let kept = parts.iter().enumerate().filter(move |(number, _)| *number != left_out);
            dma::merge(kept.map(|(_, limits)| ("part", limits)))
        };
        prop_assert!(without(usize::MAX).is_err(), "{} can be had", conflict);
        for left_out in 0..parts.len() {
            prop_assert!(without(left_out).is_ok(), "{} without {}", conflict, left_out);
        }
    }
}
