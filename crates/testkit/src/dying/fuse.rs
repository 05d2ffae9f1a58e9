//! Words that end their process at a certain store.

use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wharf_memory::{FutexWord, Ordering, ReadWords, WriteWords};

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// By SIGKILL.
    Kill,
    /// By SIGSTOP, until somebody lets it go on. It says `stopping` first.
    Stop,
}

/// On which side of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    /// The store is not made.
    Before,
    /// The store is made, and nothing after it.
    After,
}

/// At which store a process ends; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FuseTerms {
    /// Its number, from 1.
    pub store: u64,
    /// Before it, or after it.
    pub moment: Moment,
    /// How.
    pub end: End,
}

impl FuseTerms {
    /// Never.
    pub const NEVER: Self = Self {
        store: 0,
        moment: Moment::Before,
        end: End::Kill,
    };
}

/// Counts the stores of a process into all its pages.
#[derive(Debug, Clone)]
pub struct Fuse {
    terms: FuseTerms,
    stores: Arc<AtomicU64>,
}

impl Fuse {
    /// Burns down to the store that `terms` name.
    pub fn new(terms: FuseTerms) -> Self {
        Self {
            terms,
            stores: Arc::default(),
        }
    }

    /// Puts it into a page.
    pub fn guard<W>(&self, words: W) -> FusedWords<W> {
        FusedWords {
            words,
            fuse: self.clone(),
        }
    }

    fn around(&self, store: impl FnOnce()) {
        let is_it = self.stores.fetch_add(1, Relaxed) + 1 == self.terms.store;
        if is_it && self.terms.moment == Moment::Before {
            self.blow();
        }
        store();
        if is_it && self.terms.moment == Moment::After {
            self.blow();
        }
    }

    fn blow(&self) {
        let signal = match self.terms.end {
            End::Kill => Signal::KILL,
            End::Stop => {
                println!("stopping");
                Signal::STOP
            }
        };
        // A process may always signal itself, and has one thread here: it ends before this returns.
        let _ = kill_process(getpid(), signal);
    }
}

/// A page of a process that ends at one of its stores.
#[derive(Debug)]
pub struct FusedWords<W> {
    words: W,
    fuse: Fuse,
}

impl<W: ReadWords> ReadWords for FusedWords<W> {
    fn load_u64(&self, cell: usize, ordering: Ordering) -> u64 {
        self.words.load_u64(cell, ordering)
    }
    fn load_u32(&self, cell: usize, ordering: Ordering) -> u32 {
        self.words.load_u32(cell, ordering)
    }
    fn futex(&self, cell: usize) -> FutexWord<'_> {
        self.words.futex(cell)
    }
}

impl<W: WriteWords> WriteWords for FusedWords<W> {
    fn store_u64(&self, cell: usize, value: u64, ordering: Ordering) {
        self.fuse.around(|| self.words.store_u64(cell, value, ordering));
    }
    fn store_u32(&self, cell: usize, value: u32, ordering: Ordering) {
        self.fuse.around(|| self.words.store_u32(cell, value, ordering));
    }
    fn exchange_u64(&self, cell: usize, value: u64, ordering: Ordering) {
        self.fuse
            .around(|| self.words.exchange_u64(cell, value, ordering));
    }
    fn increment_u32(&self, cell: usize, ordering: Ordering) {
        self.fuse.around(|| self.words.increment_u32(cell, ordering));
    }
}
