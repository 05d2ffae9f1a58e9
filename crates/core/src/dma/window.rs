//! Address ranges: which of them a device reaches.

use std::fmt;
use std::ops::RangeInclusive;

use crate::PAGE_BYTES;

/// Addresses from `first` to `last`, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The lowest address.
    pub first: u64,
    /// The highest address, at least `first`.
    pub last: u64,
}

/// A set of addresses: windows in ascending order, with gaps between them.
///
/// ```
/// use wharf_core::dma::Windows;
///
/// let low: Windows = [0..=0x3fff_ffff].into_iter().collect();
/// let outer: Windows = [0..=0xfff, 0x2000_0000..=0xffff_ffff].into_iter().collect();
/// let both = low.intersection(&outer);
/// assert_eq!(both.to_string(), "0x0..=0xfff and 0x20000000..=0x3fffffff");
/// assert!(both.contains(0x2000_0000, 4096));
/// assert!(!both.contains(0xf00, 4096));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Windows(Vec<Window>);

impl Window {
    pub(super) const ALL: Self = Self {
        first: 0,
        last: u64::MAX,
    };

    /// The part of the window that begins at a multiple of `align_bytes`, in whole multiples of `granule_bytes`; both are
    /// powers of two. In bytes, 0 if there is none.
    pub(super) fn room(self, align_bytes: u64, granule_bytes: u64) -> u128 {
        let align = u128::from(align_bytes);
        let begin = u128::from(self.first).div_ceil(align) * align;
        let end = u128::from(self.last) + 1;
        let room = end.saturating_sub(begin);
        room - room % u128::from(granule_bytes)
    }

    fn intersection(self, other: Self) -> Option<Self> {
        let both = Self {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        };
        (both.first <= both.last).then_some(both)
    }

    /// The window moved by `offset`, without what leaves the 64-bit addresses.
    fn moved(self, offset: i128) -> Option<Self> {
        let first = i128::from(self.first) + offset;
        let last = i128::from(self.last) + offset;
        if last < 0 {
            return None;
        }
        Some(Self {
            first: u64::try_from(first.max(0)).ok()?,
            last: u64::try_from(last).unwrap_or(u64::MAX),
        })
    }

    /// The whole units in the window, of a power of two of bytes.
    fn units(self, unit_bytes: u64) -> Option<Self> {
        let room = self.room(unit_bytes, unit_bytes);
        let first = self.first.checked_next_multiple_of(unit_bytes)?;
        let last = u64::try_from(u128::from(first) + room.checked_sub(1)?).ok()?;
        Some(Self { first, last })
    }
}

impl Windows {
    /// All addresses of 64 bits.
    pub(crate) fn all() -> Self {
        Self(vec![Window::ALL])
    }

    /// Returns the windows, in ascending order.
    pub fn as_slice(&self) -> &[Window] {
        &self.0
    }

    /// Says whether there is no address in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether one window holds all `length_bytes` from `address` on; `false` for no bytes, and past 64 bits.
    pub fn contains(&self, address: u64, length_bytes: u64) -> bool {
        let Some(last) = length_bytes
            .checked_sub(1)
            .and_then(|more| address.checked_add(more))
        else {
            return false;
        };
        let after = self.0.partition_point(|window| window.first <= address);
        after > 0 && last <= self.0[after - 1].last
    }

    /// Returns the addresses in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut mine, mut theirs) = (0, 0);
        let mut both = Vec::new();
        while let (Some(&one), Some(&another)) = (self.0.get(mine), other.0.get(theirs)) {
            both.extend(one.intersection(another));
            if one.last < another.last {
                mine += 1;
            } else {
                theirs += 1;
            }
        }
        Self(both)
    }

    /// The set moved by `offset`, without what leaves the 64-bit addresses.
    pub(super) fn moved(&self, offset: i128) -> Self {
        Self(self.0.iter().filter_map(|window| window.moved(offset)).collect())
    }

    /// The whole pages in the set.
    pub(super) fn pages(&self) -> Self {
        self.units(PAGE_BYTES)
    }

    /// The whole units in the set, of a power of two of bytes.
    pub(super) fn units(&self, unit_bytes: u64) -> Self {
        Self(
            self.0
                .iter()
                .filter_map(|window| window.units(unit_bytes))
                .collect(),
        )
    }

    /// The room in each window; see [`Window::room`].
    pub(super) fn rooms(&self, align_bytes: u64, granule_bytes: u64) -> impl Iterator<Item = u128> {
        self.0
            .iter()
            .map(move |window| window.room(align_bytes, granule_bytes))
    }
}

impl FromIterator<RangeInclusive<u64>> for Windows {
    /// Collects ranges in any order; overlapping and adjacent ones are joined, empty ones left out.
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u64>>>(ranges: I) -> Self {
        let mut windows: Vec<Window> = ranges
            .into_iter()
            .filter(|range| !range.is_empty())
            .map(|range| Window {
                first: *range.start(),
                last: *range.end(),
            })
            .collect();
        windows.sort_unstable();
        let mut joined: Vec<Window> = Vec::with_capacity(windows.len());
        for window in windows {
            match joined.last_mut() {
                Some(before) if window.first <= before.last.saturating_add(1) => {
                    before.last = before.last.max(window.last);
                }
                _ => joined.push(window),
            }
        }
        Self(joined)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..={:#x}", self.first, self.last)
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (number, window) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { " and " };
            write!(f, "{separator}{window}")?;
        }
        Ok(())
    }
}
