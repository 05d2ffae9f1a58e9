//! Buffers for the next allocations.
//!
//! A call on the broker costs more than all the rest of an allocation. So a program that allocates the same size again and again is
//! served from sets of several buffers. A set is given back when none of its buffers is in use or about to
//! be; until then it counts as a whole, but what was closed of it takes up no memory.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;
use wharf_linux::available_memory_bytes;
use wharf_protocol::SetId;

use super::broker::Source;
use crate::devices::FileId;
use crate::files::Shown;
use crate::listener::task::open_again;

/// What the name of all memory begins with, by which a supervisor knows what another one has allocated.
pub(crate) const NAME_PREFIX: &str = "dma_heap:";

/// The most buffers of one set.
const MAX_BATCH: u32 = 16;
/// How much a set of more than one buffer may have, in bytes.
const MAX_BATCH_BYTES: u64 = 16 << 20;
/// How long the same size must come again for more to be expected.
const SOON: Duration = Duration::from_millis(20);
/// How long a buffer is kept for the next allocation.
pub(crate) const STOCK_LIFE: Duration = Duration::from_millis(500);
/// Above this an allocation is compared with the memory that is free, in bytes.
const LARGE: u64 = 64 << 20;

/// A set of the broker, given back when none of its pieces is left.
#[derive(Debug)]
struct SetHold {
    set: SetId,
    done: Sender<SetId>,
}

impl Drop for SetHold {
    fn drop(&mut self) {
        // Without a receiver everything ends.
        let _ = self.done.send(self.set);
    }
}

/// One buffer's memory.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) file: OwnedFd,
    /// Which file the program's descriptors are.
    pub(crate) id: FileId,
    /// The file that the program sees, where that is not the memory.
    pub(crate) shown: Option<Shown>,
    set: Arc<SetHold>,
    pub(crate) size_bytes: u64,
}

impl Piece {
    /// From now on the program's descriptors are of this file.
    pub(crate) fn show_as(&mut self, shown: Shown) {
        self.id = shown.id();
        self.shown = Some(shown);
    }

    /// A descriptor for the program.
    pub(crate) fn open(&self, mode: OFlags) -> Result<OwnedFd, Errno> {
        match &self.shown {
            Some(shown) => shown.open(mode),
            None => open_again(&self.file, mode),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if Arc::strong_count(&self.set) > 1 {
            // The broker keeps the file as long as the set; nobody needs its pages.
            let all = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = fallocate(&self.file, all, 0, self.size_bytes);
        }
    }
}

/// What was asked for lately.
#[derive(Debug, Default)]
struct Habit {
    size_bytes: u64,
    last: Option<Instant>,
    batch: u32,
}

impl Habit {
    /// How many to get now.
    fn batch(&mut self, size_bytes: u64, now: Instant) -> u32 {
        let again = self.size_bytes == size_bytes && self.last.is_some_and(|last| now - last < SOON);
        self.batch = if again { (self.batch * 2).min(MAX_BATCH) } else { 1 };
        (self.size_bytes, self.last) = (size_bytes, Some(now));
        // CAST: at most 16.
        let affordable = (MAX_BATCH_BYTES / size_bytes.max(1)).min(MAX_BATCH.into()) as u32;
        self.batch.min(affordable).max(1)
    }
}

/// Pieces of one size and heap, each with the moment since when it waits.
type Shelf = Vec<(Piece, Instant)>;

#[derive(Debug, Default)]
struct Stock {
    by_size: HashMap<(u64, Arc<str>), Shelf>,
    habit: Habit,
}

/// The stock.
#[derive(Debug)]
pub(crate) struct Depot {
    source: Mutex<Source>,
    stock: Mutex<Stock>,
    done: Sender<SetId>,
    to_free: Mutex<Receiver<SetId>>,
}

impl Depot {
    pub(crate) fn new(source: Source) -> Self {
        let (done, to_free) = channel();
        Self {
            source: Mutex::new(source),
            stock: Mutex::default(),
            done,
            to_free: Mutex::new(to_free),
        }
    }

    /// Takes memory of `size_bytes` bytes, whole pages, zeroed.
    ///
    /// # Errors
    /// `ENOMEM`: more than the machine has free, or than this user may have.
    pub(crate) fn take(&self, heap: &Arc<str>, size_bytes: u64) -> Result<Piece, Errno> {
        let is_more_than = |free_bytes| size_bytes > free_bytes;
        if is_more_than(LARGE) && available_memory_bytes().is_some_and(is_more_than) {
            return Err(Errno::NOMEM);
        }
        let now = Instant::now();
        let key = (size_bytes, Arc::clone(heap));
        let batch = {
            let mut stock = self.stock.lock();
            if let Some((piece, _)) = stock.by_size.get_mut(&key).and_then(Vec::pop) {
                stock.habit.last = Some(now);
                return Ok(piece);
            }
            stock.habit.batch(size_bytes, now)
        };
        let got = self.allocate(heap, size_bytes, batch);
        let mut pieces = match got {
            // A quota that has room for one more, but not for a set.
            Err(_) if batch > 1 => self.allocate(heap, size_bytes, 1)?,
            other => other?,
        };
        let piece = pieces.pop().ok_or(Errno::NOMEM)?;
        let spare = pieces.into_iter().map(|piece| (piece, now));
        self.stock.lock().by_size.entry(key).or_default().extend(spare);
        Ok(piece)
    }

    fn allocate(&self, heap: &str, size_bytes: u64, count: u32) -> Result<Vec<Piece>, Errno> {
        let name: String = NAME_PREFIX.chars().chain(heap.chars()).take(31).collect();
        self.free_done();
        let (set, files) = self.source.lock().allocate(&name, size_bytes, count)?;
        let set = Arc::new(SetHold {
            set,
            done: self.done.clone(),
        });
        let piece = |file: OwnedFd| {
            Ok(Piece {
                id: FileId::of(&file)?,
                file,
                shown: None,
                set: Arc::clone(&set),
                size_bytes,
            })
        };
        files.into_iter().map(piece).collect()
    }

    /// Gives back the sets of which nothing is left.
    pub(crate) fn free_done(&self) {
        // The source first: whoever allocates next comes after what somebody else has begun to give back.
        let mut source = self.source.lock();
        self.to_free.lock().try_iter().for_each(|set| source.free(set));
    }

    /// Drops what nobody has asked for; tells whether there is more.
    pub(crate) fn drop_stale(&self, life: Duration) -> bool {
        let now = Instant::now();
        let mut stock = self.stock.lock();
        let mut dropped = Vec::new();
        stock.by_size.retain(|_, pieces| {
            let stale = |(_, since): &mut (Piece, Instant)| now - *since >= life;
            dropped.extend(pieces.extract_if(.., stale));
            !pieces.is_empty()
        });
        !stock.by_size.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_got_for_those_who_ask_often() {
        let mut habit = Habit::default();
        let now = Instant::now();
        let mut ask = |size, at| habit.batch(size, at);
        let batches: Vec<u32> = (0..7).map(|_| ask(4096, now)).collect();
        assert_eq!(batches, [1, 2, 4, 8, 16, 16, 16]);
        assert_eq!(ask(8192, now), 1, "another size");
        assert_eq!(ask(8192, now + SOON), 1, "much later");
    }

    #[test]
    fn large_ones_are_got_one_by_one() {
        let mut habit = Habit::default();
        let now = Instant::now();
        for _ in 0..9 {
            assert_eq!(habit.batch(32 << 20, now), 1);
        }
    }
}
