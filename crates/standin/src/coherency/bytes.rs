//! Which bytes of a buffer: a few ranges that can be told, and how many there are besides.

use std::fmt;
use std::ops::Range;

/// How many ranges are told.
const MAX_RANGES: usize = 4;
/// Ranges with less between them are told as one, in bytes.
const GAP: u64 = 64;

/// Some bytes of a buffer, in rising order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    ranges: Vec<Range<u64>>,
    /// Further ranges, and where the last of them ends.
    more: u64,
    end: u64,
}

impl Bytes {
    /// Adds a range that lies behind all of before.
    pub(super) fn add(&mut self, range: Range<u64>) {
        let told = self.ranges.len();
        let is_near = told > 0 && range.start < self.end + GAP;
        self.end = range.end;
        match self.ranges.last_mut() {
            Some(last) if is_near && self.more == 0 => last.end = range.end,
            _ if is_near => {}
            _ if told < MAX_RANGES => self.ranges.push(range),
            _ => self.more += 1,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes ")?;
        for (index, Range { start, end }) in self.ranges.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{start}..{end}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more ranges"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ranges: impl IntoIterator<Item = Range<u64>>) -> String {
        let mut bytes = Bytes::default();
        ranges.into_iter().for_each(|range| bytes.add(range));
        bytes.to_string()
    }

    #[test]
    fn what_is_near_is_one_range() {
        assert_eq!(told(std::iter::once(0..4)), "bytes 0..4");
        assert_eq!(told([0..4, 64..70]), "bytes 0..70");
        assert_eq!(told([0..4, 68..70]), "bytes 0..4, 68..70");
    }

    #[test]
    fn many_ranges_are_counted() {
        let far = (0..9).map(|index| index * 1000..index * 1000 + 8);
        assert_eq!(
            told(far),
            "bytes 0..8, 1000..1008, 2000..2008, 3000..3008 and 5 more ranges"
        );
        let near = (0..9).map(|index| index * 1000..index * 1000 + 8);
        let near = near.chain(std::iter::once(8010..8020));
        assert!(told(near).ends_with("and 5 more ranges"));
    }
}
