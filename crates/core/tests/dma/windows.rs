use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use proptest::prelude::*;
use wharf_core::dma::{Window, Windows};

fn windows(ranges: &[RangeInclusive<u64>]) -> Windows {
    ranges.iter().cloned().collect()
}

/// The addresses of ranges one by one.
fn addresses(ranges: &[RangeInclusive<u64>]) -> BTreeSet<u64> {
    ranges.iter().cloned().flatten().collect()
}

fn ranges() -> impl Strategy<Value = Vec<RangeInclusive<u64>>> {
    prop::collection::vec(
        (0..40_u64, 0..12_u64).prop_map(|(first, more)| first..=first + more),
        0..6,
    )
}

proptest! {
    #[test]
    fn windows_hold_the_addresses_of_their_ranges(ranges in ranges(), address in 0..60_u64, length in 0..6_u64) {
        let (windows, set) = (windows(&ranges), addresses(&ranges));
        let held = length > 0 && (address..address + length).all(|one| set.contains(&one));
        prop_assert_eq!(windows.contains(address, length), held);
        prop_assert_eq!(windows.is_empty(), set.is_empty());
        for pair in windows.as_slice().windows(2) {
            prop_assert!(pair[0].last + 1 < pair[1].first, "{windows}");
        }
    }

    #[test]
    fn intersection_is_that_of_the_addresses(one in ranges(), other in ranges()) {
        let both = windows(&one).intersection(&windows(&other));
        let shown: Vec<_> = both.as_slice().iter().map(|window| window.first..=window.last).collect();
        let expected: BTreeSet<u64> = addresses(&one).intersection(&addresses(&other)).copied().collect();
        prop_assert_eq!(addresses(&shown), expected);
        prop_assert_eq!(&windows(&shown), &both);
        prop_assert_eq!(windows(&other).intersection(&windows(&one)), both);
    }
}

#[test]
fn highest_address_belongs_to_a_window_like_any_other() {
    let all = windows(&[0..=u64::MAX]);
    assert!(all.contains(u64::MAX, 1));
    assert!(!all.contains(u64::MAX, 2));
    let halves = windows(&[0x8000_0000_0000_0000..=u64::MAX, 0..=0x7fff_ffff_ffff_ffff]);
    assert_eq!(halves, all);
    assert_eq!(windows(&[u64::MAX..=u64::MAX, 0..=u64::MAX]), all);
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "an empty range is what is tested")]
fn empty_ranges_leave_nothing() {
    let nothing = windows(&[7..=6]);
    assert!(nothing.is_empty());
    assert_eq!(nothing.to_string(), "nothing");
    assert_eq!(
        windows(&[7..=6, 3..=3]).as_slice(),
        [Window { first: 3, last: 3 }]
    );
}
