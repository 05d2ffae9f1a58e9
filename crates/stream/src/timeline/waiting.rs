//! How a process says what it waits for.

use super::sync::{Mutex, lock};
use std::collections::BTreeMap;
use wharf_memory::{Ordering, WriteWords, fence};

/// A cell of this process's waiter page: the lowest of the points of one timeline that its threads wait for.
///
/// # Invariants
///
/// Under the lock, the cell is the first of `points`, or 0 if there is none. So as long as somebody waits for a point, the cell is not
/// 0 and not above that point.
#[derive(Debug)]
pub struct Waiting<W> {
    words: W,
    cell: usize,
    /// How many wait for each point.
    points: Mutex<BTreeMap<u64, usize>>,
}

impl<W: WriteWords> Waiting<W> {
    /// Takes a cell that says 0 and that nothing else writes.
    pub fn new(words: W, cell: usize) -> Self {
        Self {
            words,
            cell,
            points: Mutex::new(BTreeMap::new()),
        }
    }

    /// The cell.
    pub fn cell(&self) -> usize {
        self.cell
    }

    /// The page.
    pub fn words(&self) -> &W {
        &self.words
    }

    /// Announces that somebody waits for `point`. The timeline is to be looked at after this, before sleeping.
    pub fn enter(&self, point: u64) {
        self.change(|points| *points.entry(point).or_insert(0) += 1);
        // ORDERING: between announcing and looking at the value, as the signaler's between the value and the look for this cell.
        fence(Ordering::SeqCst);
    }

    /// Takes one announcement of `point` back.
    pub fn leave(&self, point: u64) {
        self.change(|points| {
            if let Some(count) = points.get_mut(&point) {
                *count -= 1;
                if *count == 0 {
                    points.remove(&point);
                }
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, usize>)) {
        let mut points = lock(&self.points);
        let before = lowest(&points);
        change(&mut points);
        let now = lowest(&points);
        if now != before {
            // ORDERING: Relaxed; the fence of `enter` orders it, and the lock the stores of several threads.
            self.words.store_u64(self.cell, now, Ordering::Relaxed);
        }
    }
}

fn lowest(points: &BTreeMap<u64, usize>) -> u64 {
    points.first_key_value().map_or(0, |(point, _)| *point)
}
