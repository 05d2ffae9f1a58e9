//! What a supervisor is about, written down where the guardian can read it after its death.
//!
//! A call that was received is nobody else's: if its supervisor dies it would wait for ever. So the numbers of the calls that were received
//! and not answered are in a file in memory that both have open. A number that is in it but was answered does no harm: the kernel knows it no
//! more. Numbers are given in order, so that those right after the last one are tried, too: it may have been received and not written down.

use std::os::fd::OwnedFd;

use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{Errno, pread, pwrite};

/// How many waiting calls are written down.
const MAX_WAITING: usize = 510;
/// How many calls can come between what is written down. Those count that a signal interrupts before they are received, of which there can be
/// thousands while the supervisor is kept from running; trying a number takes a fraction of a microsecond.
const MAX_UNWRITTEN: u64 = 1 << 14;
/// The size of a number, in bytes.
const NUMBER: usize = 8;

/// The file. First the call that was received last, or 0; then how many wait for fences; then those.
#[derive(Debug)]
pub(crate) struct InFlight {
    file: OwnedFd,
    waiting: Mutex<Vec<u64>>,
}

impl InFlight {
    pub(crate) fn create() -> Result<Self, Errno> {
        memfd_create("wharf-in-flight", MemfdFlags::CLOEXEC).map(Self::from)
    }

    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// A call was received.
    pub(crate) fn begin(&self, id: u64) {
        self.write(0, &[id]);
    }

    /// These calls wait.
    pub(crate) fn note_waiting(&self, ids: impl Iterator<Item = u64>) {
        let mut waiting = self.waiting.lock();
        let now: Vec<u64> = ids.take(MAX_WAITING).collect();
        if *waiting != now {
            let count = now.len() as u64;
            self.write(1, &[&[count], &now[..]].concat());
            *waiting = now;
        }
    }

    fn write(&self, place: usize, numbers: &[u64]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        // Without it a later supervisor leaves one call waiting; nothing else depends on it.
        let _ = pwrite(&self.file, &bytes, (place * NUMBER) as u64);
    }

    /// All that can have been received and not answered.
    pub(crate) fn read(&self) -> Vec<u64> {
        let mut bytes = vec![0; (MAX_WAITING + 2) * NUMBER];
        let length = pread(&self.file, &mut bytes, 0).unwrap_or(0);
        let mut numbers = bytes[..length]
            .as_chunks::<NUMBER>()
            .0
            .iter()
            .map(|bytes| u64::from_ne_bytes(*bytes));
        let last = numbers.next().filter(|id| *id != 0);
        let unwritten = last
            .into_iter()
            .flat_map(|id| (0..MAX_UNWRITTEN).map(move |after| id.wrapping_add(after)));
        let count = numbers.next().unwrap_or(0);
        let waiting = numbers.take(usize::try_from(count).unwrap_or(0));
        unwritten.chain(waiting).collect()
    }
}

impl From<OwnedFd> for InFlight {
    fn from(file: OwnedFd) -> Self {
        Self {
            file,
            waiting: Mutex::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_reads_what_is_not_answered() {
        let mine = InFlight::create().unwrap();
        let theirs = InFlight::from(mine.file().try_clone().unwrap());
        assert!(theirs.read().is_empty());
        mine.begin(7);
        mine.note_waiting([3, 4].into_iter());
        let read = theirs.read();
        assert!([7, 8, 3, 4].iter().all(|id| read.contains(id)), "{read:?}");
        mine.note_waiting([4].into_iter());
        assert!(!theirs.read().contains(&3));
    }
}
