//! Pages as arrays of atomic cells.
//!
//! A shared page is an array of [`CELL_BYTES`](crate::CELL_BYTES)-byte cells; each holds one 64-bit word, or one 32-bit word in its
//! low half. Memory is always accessed a whole cell at a time, because atomic accesses of different widths to the same bytes must
//! not race; only the kernel looks at a low half alone. Pages have one writing process (contract S3), so there is no
//! compare-and-swap: a page that needed one would have two writers.

use crate::futex::FutexWord;
use crate::sync::{AtomicU64, Ordering};
use std::collections::BTreeMap;

/// Loads from the cells of a page, with `Relaxed` or `Acquire` ordering: more is not to be had on a page mapped read-only.
///
/// # Panics
///
/// All methods panic when `cell` is not inside the page. Cell numbers are constants of the caller, never a peer's word.
pub trait ReadWords {
    /// Loads the 64-bit word of `cell`.
    fn load_u64(&self, cell: usize, ordering: Ordering) -> u64;
    /// Loads the 32-bit word of `cell`.
    fn load_u32(&self, cell: usize, ordering: Ordering) -> u32;
    /// The 32-bit word of `cell`, or the low half of its 64-bit word, as something to sleep on or wake. Waking needs no right to
    /// write.
    fn futex(&self, cell: usize) -> FutexWord<'_>;
    /// Has the cache line of `cell` fetched, which is going to be loaded from soon. A hint.
    fn prefetch(&self, _cell: usize) {}
}

/// Stores to the cells of a page that this process alone writes (contract S3).
///
/// # Panics
///
/// As [`ReadWords`].
pub trait WriteWords: ReadWords {
    /// Has the cache line of `cell` fetched, which is going to be stored to soon. A hint.
    fn prefetch_to_store(&self, _cell: usize) {}
    /// Stores the 64-bit word of `cell`.
    fn store_u64(&self, cell: usize, value: u64, ordering: Ordering);
    /// Stores the 32-bit word of `cell`.
    fn store_u32(&self, cell: usize, value: u32, ordering: Ordering);
    /// Stores the 64-bit word of `cell` as a read-modify-write, so that a [`fence_after_update`](crate::fence_after_update) orders it
    /// before later loads at no further cost.
    fn exchange_u64(&self, cell: usize, value: u64, ordering: Ordering);
    /// Adds 1 to the 32-bit word of `cell`, wrapping, in one step: for words that several threads of the writing process count up.
    /// What overflows goes to the unused half of the cell.
    fn increment_u32(&self, cell: usize, ordering: Ordering);
}

impl<W: ReadWords + ?Sized> ReadWords for std::sync::Arc<W> {
    #[inline]
    fn load_u64(&self, cell: usize, ordering: Ordering) -> u64 {
        (**self).load_u64(cell, ordering)
    }
    #[inline]
    fn load_u32(&self, cell: usize, ordering: Ordering) -> u32 {
        (**self).load_u32(cell, ordering)
    }
    #[inline]
    fn futex(&self, cell: usize) -> FutexWord<'_> {
        (**self).futex(cell)
    }
    #[inline]
    fn prefetch(&self, cell: usize) {
        (**self).prefetch(cell);
    }
}

impl<W: WriteWords + ?Sized> WriteWords for std::sync::Arc<W> {
    #[inline]
    fn prefetch_to_store(&self, cell: usize) {
        (**self).prefetch_to_store(cell);
    }
    #[inline]
    fn store_u64(&self, cell: usize, value: u64, ordering: Ordering) {
        (**self).store_u64(cell, value, ordering);
    }
    #[inline]
    fn store_u32(&self, cell: usize, value: u32, ordering: Ordering) {
        (**self).store_u32(cell, value, ordering);
    }
    #[inline]
    fn exchange_u64(&self, cell: usize, value: u64, ordering: Ordering) {
        (**self).exchange_u64(cell, value, ordering);
    }
    #[inline]
    fn increment_u32(&self, cell: usize, ordering: Ordering) {
        (**self).increment_u32(cell, ordering);
    }
}

/// The 32-bit word of a cell.
#[inline]
pub(crate) fn low_half(cell: u64) -> u32 {
    // CAST: the low half is meant.
    cell as u32
}

/// Cells on this process's heap: a page for tests and models, where threads stand in for processes.
///
/// Tests panic on a cell that was not named. A model leaves such cells out: they are not stored to and read as zero, which keeps its
/// interleavings to the words that it is about.
#[derive(Debug)]
pub struct HeapWords {
    wide: BTreeMap<usize, AtomicU64>,
    narrow: BTreeMap<usize, AtomicU64>,
}

impl HeapWords {
    /// A page with exactly the cells named, all zero: 64-bit ones in `wide`, 32-bit ones in `narrow`.
    pub fn new(wide: impl IntoIterator<Item = usize>, narrow: impl IntoIterator<Item = usize>) -> Self {
        Self {
            wide: wide.into_iter().map(|cell| (cell, AtomicU64::new(0))).collect(),
            narrow: narrow.into_iter().map(|cell| (cell, AtomicU64::new(0))).collect(),
        }
    }

    fn modelled(cells: &BTreeMap<usize, AtomicU64>, cell: usize) -> Option<&AtomicU64> {
        let word = cells.get(&cell);
        assert!(
            word.is_some() || cfg!(any(loom, shuttle)),
            "cell {cell} is not a word of this width on this page"
        );
        word
    }
}

impl ReadWords for HeapWords {
    fn load_u64(&self, cell: usize, ordering: Ordering) -> u64 {
        Self::modelled(&self.wide, cell).map_or(0, |word| word.load(ordering))
    }
    fn load_u32(&self, cell: usize, ordering: Ordering) -> u32 {
        Self::modelled(&self.narrow, cell).map_or(0, |word| low_half(word.load(ordering)))
    }
    fn futex(&self, cell: usize) -> FutexWord<'_> {
        FutexWord::new(self.narrow.get(&cell).unwrap_or_else(|| &self.wide[&cell]))
    }
}

impl WriteWords for HeapWords {
    fn store_u64(&self, cell: usize, value: u64, ordering: Ordering) {
        if let Some(word) = Self::modelled(&self.wide, cell) {
            word.store(value, ordering);
        }
    }
    fn store_u32(&self, cell: usize, value: u32, ordering: Ordering) {
        if let Some(word) = Self::modelled(&self.narrow, cell) {
            word.store(u64::from(value), ordering);
        }
    }
    fn exchange_u64(&self, cell: usize, value: u64, ordering: Ordering) {
        if let Some(word) = Self::modelled(&self.wide, cell) {
            word.swap(value, ordering);
        }
    }
    fn increment_u32(&self, cell: usize, ordering: Ordering) {
        if let Some(word) = Self::modelled(&self.narrow, cell) {
            word.fetch_add(1, ordering);
        }
    }
}
