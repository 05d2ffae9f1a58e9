//! Reading a window in place, a block at a time.

use crate::view::View;
use std::iter::FusedIterator;

/// Bytes of a block: a cache line.
pub(crate) const BLOCK_BYTES: usize = 64;

/// The whole blocks of a window, in order, made by [`View::blocks`].
#[derive(Debug, Clone)]
pub struct Blocks<'a>(View<'a>);

impl<'a> Blocks<'a> {
    pub(crate) fn new(view: View<'a>) -> Self {
        Self(view)
    }

    /// What was not read yet: at the end, the bytes that do not fill a block.
    #[inline]
    pub fn rest(&self) -> View<'a> {
        self.0
    }
}

impl Iterator for Blocks<'_> {
    type Item = [u8; BLOCK_BYTES];

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.take_block()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.0.len_bytes() / BLOCK_BYTES;
        (count, Some(count))
    }
}

impl ExactSizeIterator for Blocks<'_> {}
impl FusedIterator for Blocks<'_> {}
