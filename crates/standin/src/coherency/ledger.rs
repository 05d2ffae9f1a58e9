//! All buffers of the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::checked::{Checked, Record};
use super::report::{MAX_TOLD, Report};
use crate::memory::Piece;

/// All buffers of the run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// How many buffers there were.
    count: u64,
    live: BTreeMap<u64, Weak<Checked>>,
    /// Those that are gone and about which there is something to tell.
    closed: BTreeMap<u64, Record>,
    /// How many findings these have.
    kept: usize,
    /// Errors that are not kept.
    more: u64,
    is_over: bool,
}

impl Ledger {
    /// A new buffer of two pieces of one size.
    pub(crate) fn open(self: &Arc<Self>, cache: Arc<Piece>, ram: Piece, heap: Arc<str>) -> Arc<Checked> {
        let mut books = self.books.lock();
        books.count += 1;
        let number = books.count;
        let checked = Arc::new(Checked::new((number, Arc::clone(self)), (cache, ram), heap));
        books.live.insert(number, Arc::downgrade(&checked));
        checked
    }

    /// A buffer is gone.
    pub(super) fn close(&self, number: u64, record: Record) {
        let mut books = self.books.lock();
        books.live.remove(&number);
        if !books.is_over {
            books.keep(record);
        }
    }

    /// Looks at everything for the last time.
    pub(crate) fn conclude(&self) -> Report {
        let live: Vec<Arc<Checked>> = {
            let books = self.books.lock();
            books.live.values().filter_map(Weak::upgrade).collect()
        };
        let records: Vec<Record> = live.iter().map(|checked| checked.conclude()).collect();
        let mut books = self.books.lock();
        let books = &mut *books;
        if !books.is_over {
            books.is_over = true;
            records.into_iter().for_each(|record| books.keep(record));
        }
        Report::new(books.count, books.closed.values(), books.more)
    }
}

impl Books {
    fn keep(&mut self, mut record: Record) {
        // A buffer that is closed while all are looked at for the last time is told of once.
        if self.closed.contains_key(&record.number) {
            return;
        }
        self.more += std::mem::take(&mut record.more);
        let room = MAX_TOLD.saturating_sub(self.kept);
        let beyond = record.findings.split_off(room.min(record.findings.len()));
        self.more += beyond.iter().filter(|finding| finding.is_error()).count() as u64;
        self.kept += record.findings.len();
        if !record.findings.is_empty() {
            self.closed.insert(record.number, record);
        }
    }
}
