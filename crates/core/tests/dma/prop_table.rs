//! Tables and memory against the long way of checking.

use proptest::prelude::*;
use wharf_core::DataDirection;
use wharf_core::dma::{DirectDma, DmaOps, SgTable};

use crate::brute;
use crate::random::{direct_limits, limits, segments, storage};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn tables_are_checked_as_by_brute_force(limits in limits(), segments in segments(), off in 0..20_u64) {
        let table = SgTable::new(segments.clone());
        // Once in twenty, the size is not that of the table.
        let size_bytes = table.total_bytes() + if off == 0 { 4096 } else { 0 };
        prop_assert_eq!(
            limits.check_table(&table, size_bytes).is_ok(),
            brute::table_is_right(&limits, &segments, size_bytes),
            "{:?}", limits.check_table(&table, size_bytes)
        );
    }

    #[test]
    fn single_segments_are_checked_as_by_brute_force(limits in limits(), segments in segments()) {
        let table = SgTable::new(segments[..1].iter().copied());
        prop_assert_eq!(
            limits.check_table(&table, table.total_bytes()).is_ok(),
            brute::table_is_right(&limits, &segments[..1], table.total_bytes())
        );
    }

    #[test]
    fn memory_is_checked_as_by_trying_all_cuts(limits in direct_limits(), storage in storage()) {
        prop_assert_eq!(
            limits.check_storage(&storage).is_ok(),
            brute::storage_is_right(&limits, &storage),
            "{:?}", limits.check_storage(&storage)
        );
    }

    #[test]
    fn split_tables_keep_the_limits_with_the_fewest_segments(limits in direct_limits(), storage in storage()) {
        let table = DirectDma.map(&storage, &limits, DataDirection::Bidirectional);
        prop_assert_eq!(table.is_ok(), limits.check_storage(&storage).is_ok());
        if let Ok(table) = table {
            prop_assert_eq!(limits.check_table(&table, storage.size_bytes()), Ok(()));
            prop_assert_eq!(Some(table.segments().len()), brute::fewest_segments(&limits, &storage));
        }
    }
}
