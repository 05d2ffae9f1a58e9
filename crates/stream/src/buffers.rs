//! Sets of buffers, small enough to be passed in a register.

use crate::layout::MAX_BUFFERS;

/// A set of buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Buffers(u64);

const _: () = assert!(MAX_BUFFERS == u64::BITS as usize);

impl Buffers {
    pub(crate) const NONE: Self = Self(0);

    /// Buffers `0..count`, of at most [`MAX_BUFFERS`].
    #[inline]
    pub(crate) fn first(count: usize) -> Self {
        match u64::BITS as usize - count.min(MAX_BUFFERS) {
            MAX_BUFFERS => Self::NONE,
            unused => Self(u64::MAX >> unused),
        }
    }

    #[inline]
    fn bit(buffer: usize) -> u64 {
        // CAST: a buffer's number is below MAX_BUFFERS; one that is not is in no set.
        1_u64.checked_shl(buffer.min(MAX_BUFFERS) as u32).unwrap_or(0)
    }

    #[inline]
    pub(crate) fn insert(&mut self, buffer: usize) {
        self.0 |= Self::bit(buffer);
    }

    #[inline]
    pub(crate) fn remove(&mut self, buffer: usize) {
        self.0 &= !Self::bit(buffer);
    }

    #[inline]
    pub(crate) fn contains(self, buffer: usize) -> bool {
        self.0 & Self::bit(buffer) != 0
    }

    #[inline]
    pub(crate) fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    #[inline]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[inline]
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Its buffers, lowest first.
    #[inline]
    pub(crate) fn each(self) -> impl Iterator<Item = usize> + use<> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let buffer = (rest != 0).then(|| rest.trailing_zeros() as usize);
            rest &= rest.wrapping_sub(1);
            buffer
        })
    }
}

impl FromIterator<usize> for Buffers {
    #[inline]
    fn from_iter<I: IntoIterator<Item = usize>>(buffers: I) -> Self {
        let mut set = Self::NONE;
        buffers.into_iter().for_each(|buffer| set.insert(buffer));
        set
    }
}

/// Which frame each buffer carries.
#[derive(Debug)]
pub(crate) struct Frames {
    seqs: [u64; MAX_BUFFERS],
    present: Buffers,
}

impl Frames {
    /// The frame in `buffer`; 0 when there is none.
    #[inline]
    pub(crate) fn seq(&self, buffer: usize) -> u64 {
        self.seqs.get(buffer).copied().unwrap_or(0)
    }

    /// The buffers that carry one.
    #[inline]
    pub(crate) fn buffers(&self) -> Buffers {
        self.present
    }

    #[inline]
    pub(crate) fn put(&mut self, buffer: usize, seq: u64) {
        if let Some(place) = self.seqs.get_mut(buffer) {
            *place = seq;
            self.present.insert(buffer);
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, buffer: usize) {
        self.present.remove(buffer);
    }

    /// The one of `buffers` whose frame is the newest.
    #[inline]
    pub(crate) fn newest_of(&self, buffers: Buffers) -> Option<usize> {
        buffers.each().max_by_key(|buffer| self.seq(*buffer))
    }

    /// The one of `buffers` whose frame is the oldest.
    #[inline]
    pub(crate) fn oldest_of(&self, buffers: Buffers) -> Option<usize> {
        buffers.each().min_by_key(|buffer| self.seq(*buffer))
    }
}

impl Default for Frames {
    #[inline]
    fn default() -> Self {
        Self {
            seqs: [0; MAX_BUFFERS],
            present: Buffers::NONE,
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn first_buffers_are_as_many_as_asked_for() {
        for count in [0, 1, 63, 64, 65, usize::MAX] {
            let each: Vec<_> = Buffers::first(count).each().collect();
            assert_eq!(each, (0..count.min(MAX_BUFFERS)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn buffer_beyond_the_limit_is_in_no_set() {
        let mut all = Buffers::first(MAX_BUFFERS);
        for buffer in [64, 65, usize::MAX] {
            all.insert(buffer);
            assert!(!all.contains(buffer));
            all.remove(buffer);
        }
        assert_eq!(all.count(), MAX_BUFFERS);
    }
}
