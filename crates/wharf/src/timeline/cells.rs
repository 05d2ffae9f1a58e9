//! Where this session says what it waits for: a cell for each imported timeline.

use crate::error::SessionError;
use crate::lock::lock;
use crate::page;
use std::sync::{Arc, Mutex};
use wharf_linux::Memfd;
use wharf_memory::{Ordering, OwnedWords, WriteWords};
use wharf_stream::timeline::layout::{PAGE_BYTES, mark, waiter};

/// The waiter pages of a session: one, unless it has more than 504 timelines.
#[derive(Debug, Default)]
pub(crate) struct WaiterPages {
    pages: Mutex<Vec<Arc<WaiterPage>>>,
}

/// A waiter page, and which of its cells are free.
#[derive(Debug)]
struct WaiterPage {
    words: Arc<OwnedWords>,
    memfd: Memfd,
    free: Mutex<Vec<usize>>,
}

/// A cell of this session's own, which says 0. It can be used again when this is dropped.
#[derive(Debug)]
pub(super) struct Cell {
    page: Arc<WaiterPage>,
    number: usize,
}

impl WaiterPages {
    /// Takes a free cell, of a new page if need be.
    pub(super) fn take(&self) -> Result<Cell, SessionError> {
        let mut pages = lock(&self.pages);
        if let Some(cell) = pages.iter().find_map(WaiterPage::take) {
            return Ok(cell);
        }
        let made = page::create("waiter", PAGE_BYTES, waiter::END)?;
        mark(&made.words);
        let page = Arc::new(WaiterPage {
            words: Arc::new(made.words),
            memfd: made.memfd,
            free: Mutex::new((waiter::FIRST + 1..waiter::END).rev().collect()),
        });
        pages.push(Arc::clone(&page));
        Ok(Cell {
            page,
            number: waiter::FIRST,
        })
    }
}

impl WaiterPage {
    fn take(self: &Arc<Self>) -> Option<Cell> {
        let number = lock(&self.free).pop()?;
        Some(Cell {
            page: Arc::clone(self),
            number,
        })
    }
}

impl Cell {
    pub(super) fn words(&self) -> &Arc<OwnedWords> {
        &self.page.words
    }

    pub(super) fn memfd(&self) -> &Memfd {
        &self.page.memfd
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // ORDERING: Relaxed; an owner that sees it late makes a spare wake-up.
        self.page.words.store_u64(self.number, 0, Ordering::Relaxed);
        lock(&self.page.free).push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_never_shared_and_used_again() {
        let pages = WaiterPages::default();
        let cells: Vec<Cell> = (0..=waiter::COUNT).map(|_| pages.take().unwrap()).collect();
        let names: std::collections::BTreeSet<_> = cells
            .iter()
            .map(|cell| (Arc::as_ptr(&cell.page), cell.number))
            .collect();
        assert_eq!(names.len(), cells.len());
        assert_eq!(pages.pages.lock().unwrap().len(), 2, "one page is not enough");
        assert!(
            cells
                .iter()
                .all(|cell| (waiter::FIRST..waiter::END).contains(&cell.number))
        );
        drop(cells);
        let again: Vec<Cell> = (0..=waiter::COUNT).map(|_| pages.take().unwrap()).collect();
        assert_eq!(
            (again.len(), pages.pages.lock().unwrap().len()),
            (waiter::COUNT + 1, 2)
        );
    }
}
