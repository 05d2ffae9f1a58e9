//! What a supervisor is about, written down where the guardian can read it after its death.
//!
//! A call that was received is nobody else's: if its supervisor dies it would wait for ever. So the kernel itself writes what is received into a
//! file in memory that both have open, and those that wait for fences are written down there before the next one is received. A number that is in
//! the file but was answered does no harm: the kernel knows it no more.

use std::os::fd::{AsFd, OwnedFd};

use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::{Errno, pread, pwrite};

use crate::listener::sys::Inbox;

/// How many waiting calls are written down.
const MAX_WAITING: usize = 510;
/// The size of a number, in bytes.
const NUMBER: usize = 8;
/// Where it says how many wait for fences, and which: after the inbox.
const WAITING: usize = Inbox::BYTES;
/// The size of the file, in bytes: whole pages.
const SIZE: usize = (WAITING + (1 + MAX_WAITING) * NUMBER).next_multiple_of(4096);

/// The file.
#[derive(Debug)]
pub(crate) struct InFlight {
    file: OwnedFd,
    waiting: Mutex<Vec<u64>>,
}

impl InFlight {
    pub(crate) fn create() -> Result<Self, Errno> {
        let file = memfd_create("wharf-in-flight", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        // CAST: two pages.
        ftruncate(&file, SIZE as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
        Ok(Self::from(file))
    }

    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Where calls are received.
    pub(crate) fn inbox(&self) -> Result<Inbox, Errno> {
        Inbox::map(self.file.as_fd())
    }

    /// These calls wait.
    pub(crate) fn note_waiting(&self, ids: impl Iterator<Item = u64>) {
        let mut waiting = self.waiting.lock();
        let now: Vec<u64> = ids.take(MAX_WAITING).collect();
        if *waiting != now {
            let numbers = [&[now.len() as u64], &now[..]].concat();
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
            // Without it a later supervisor leaves calls waiting; nothing else depends on it.
            let _ = pwrite(&self.file, &bytes, WAITING as u64);
            *waiting = now;
        }
    }

    /// All that can have been received and not answered.
    pub(crate) fn read(&self) -> Vec<u64> {
        let mut bytes = vec![0; SIZE];
        let length = pread(&self.file, &mut bytes, 0).unwrap_or(0);
        let numbers = |bytes: &[u8]| {
            let numbers = bytes.as_chunks::<NUMBER>().0.iter();
            numbers
                .map(|bytes| u64::from_ne_bytes(*bytes))
                .collect::<Vec<_>>()
        };
        let (inbox, waiting) = bytes[..length].split_at(WAITING.min(length));
        let received = numbers(inbox).into_iter().take(1).filter(|id| *id != 0);
        let mut waiting = numbers(waiting).into_iter();
        let count = waiting.next().unwrap_or(0);
        let waiting = waiting.take(usize::try_from(count).unwrap_or(0));
        received.chain(waiting).collect()
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
        pwrite(mine.file(), &7_u64.to_ne_bytes(), 0).unwrap();
        mine.note_waiting([3, 4].into_iter());
        assert_eq!(theirs.read(), [7, 3, 4]);
        mine.note_waiting([4].into_iter());
        assert_eq!(theirs.read(), [7, 4]);
    }

    #[test]
    fn all_that_fit_are_read() {
        let mine = InFlight::create().unwrap();
        mine.note_waiting(1..=2 * MAX_WAITING as u64);
        let first: Vec<u64> = (1..=MAX_WAITING as u64).collect();
        assert_eq!(mine.read(), first);
    }
}
