//! The cells of a mapping.

use crate::CELL_BYTES;
use crate::futex::FutexWord;
use crate::mapping::{Access, Mapping};
use crate::prefetch::{prefetch, prefetch_to_store};
use crate::sync::{AtomicU64, Ordering, load};
use crate::words::{ReadWords, WriteWords, low_half};

const _: () = assert!(
    usize::BITS == 64,
    "loads of a cell from read-only pages are promised on 64-bit machines only"
);

/// A mapping that cannot serve as a page of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// The mapping has fewer cells than the page's layout.
    #[error("a page of {needed} cells does not fit a mapping of {available}")]
    TooFewCells {
        /// Cells of the layout.
        needed: usize,
        /// Whole cells in the mapping.
        available: usize,
    },
    /// The page is to be written but the mapping is read-only.
    #[error("a page to be written needs a writable mapping")]
    NotWritable,
}

/// A page that another process writes and this one only reads.
#[derive(Debug)]
pub struct ReadOnlyWords {
    mapping: Mapping,
}

/// A page that this process writes.
///
/// # Invariants
///
/// The mapping is writable.
#[derive(Debug)]
pub struct OwnedWords {
    page: ReadOnlyWords,
}

impl ReadOnlyWords {
    /// Takes a mapping as a page of at least `cells` cells.
    ///
    /// # Errors
    ///
    /// [`WordsError::TooFewCells`] when the mapping is too short.
    pub fn new(mapping: Mapping, cells: usize) -> Result<Self, WordsError> {
        let available = mapping.len_bytes() / CELL_BYTES;
        if available < cells {
            return Err(WordsError::TooFewCells {
                needed: cells,
                available,
            });
        }
        Ok(Self { mapping })
    }

    #[inline]
    fn address(&self, cell: usize) -> *mut u8 {
        let available = self.mapping.len_bytes() / CELL_BYTES;
        assert!(cell < available, "cell {cell} of a page of {available} cells");
        self.mapping.base().as_ptr().wrapping_add(cell * CELL_BYTES)
    }

    #[inline]
    fn word(&self, cell: usize) -> &AtomicU64 {
        // SAFETY:
        // * `address` proved that the eight bytes lie inside the live mapping that `self` owns.
        // * Mappings start at a page boundary and cells are eight bytes, so the address is aligned; any bits are a u64.
        // * The mapping is reached as atomics of this width only, because this type owns it and hands out no view. Other
        //   processes are outside this program; what they store is some u64.
        // * Where the mapping is read-only, the reference serves only relaxed loads of a machine word (`sync::load`), which
        //   are promised to work there: stores go through `OwnedWords`, whose mapping is writable.
        unsafe { &*self.address(cell).cast::<AtomicU64>() }
    }
}

impl ReadWords for ReadOnlyWords {
    #[inline]
    fn load_u64(&self, cell: usize, ordering: Ordering) -> u64 {
        load(self.word(cell), ordering)
    }
    #[inline]
    fn load_u32(&self, cell: usize, ordering: Ordering) -> u32 {
        low_half(load(self.word(cell), ordering))
    }
    #[inline]
    fn futex(&self, cell: usize) -> FutexWord<'_> {
        FutexWord::new(self.word(cell))
    }
    #[inline]
    fn prefetch(&self, cell: usize) {
        prefetch(self.address(cell));
    }
}

impl OwnedWords {
    /// Takes a writable mapping as a page of at least `cells` cells.
    ///
    /// # Errors
    ///
    /// [`WordsError`] when the mapping is too short or read-only.
    pub fn new(mapping: Mapping, cells: usize) -> Result<Self, WordsError> {
        if mapping.access() != Access::ReadWrite {
            return Err(WordsError::NotWritable);
        }
        Ok(Self {
            page: ReadOnlyWords::new(mapping, cells)?,
        })
    }
}

impl ReadWords for OwnedWords {
    #[inline]
    fn load_u64(&self, cell: usize, ordering: Ordering) -> u64 {
        self.page.load_u64(cell, ordering)
    }
    #[inline]
    fn load_u32(&self, cell: usize, ordering: Ordering) -> u32 {
        self.page.load_u32(cell, ordering)
    }
    #[inline]
    fn futex(&self, cell: usize) -> FutexWord<'_> {
        self.page.futex(cell)
    }
    #[inline]
    fn prefetch(&self, cell: usize) {
        self.page.prefetch(cell);
    }
}

impl WriteWords for OwnedWords {
    #[inline]
    fn prefetch_to_store(&self, cell: usize) {
        prefetch_to_store(self.page.address(cell));
    }
    #[inline]
    fn store_u64(&self, cell: usize, value: u64, ordering: Ordering) {
        self.page.word(cell).store(value, ordering);
    }
    #[inline]
    fn store_u32(&self, cell: usize, value: u32, ordering: Ordering) {
        self.page.word(cell).store(u64::from(value), ordering);
    }
    #[inline]
    fn exchange_u64(&self, cell: usize, value: u64, ordering: Ordering) {
        self.page.word(cell).swap(value, ordering);
    }
    #[inline]
    fn increment_u32(&self, cell: usize, ordering: Ordering) {
        self.page.word(cell).fetch_add(1, ordering);
    }
}
