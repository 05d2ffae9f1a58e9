//! A word each way, and nothing else.

use crate::partner::Other;
use crate::{Link, Outcome};
use rustix::fs::{Mode, OFlags, open};
use std::os::fd::{AsFd, AsRawFd};
use wharf_linux::Memfd;
use wharf_memory::{
    Access, CELL_BYTES, Mapping, Ordering, OwnedWords, ReadWords, WriteWords, wait_any, wake,
};

const PAGE_BYTES: usize = 4096;

/// The cell this side counts up, and the other's; a cache line apart.
pub(crate) struct Words {
    page: OwnedWords,
    ours: usize,
    theirs: usize,
    _other: Option<Other>,
}

pub(crate) fn lead() -> Outcome<Words> {
    let memfd = Memfd::create("bench-words", PAGE_BYTES as u64)?;
    let mut other = Other::start("futex")?;
    other.tell(&format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        memfd.as_fd().as_raw_fd()
    ))?;
    other.hear()?;
    Ok(Words {
        page: map(memfd)?,
        ours: 0,
        theirs: 8,
        _other: Some(other),
    })
}

pub(crate) fn follow(path: &str) -> Outcome<Words> {
    let page = map(open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)?;
    println!("ready");
    Ok(Words {
        page,
        ours: 8,
        theirs: 0,
        _other: None,
    })
}

fn map(fd: impl AsFd) -> Outcome<OwnedWords> {
    Ok(OwnedWords::new(
        Mapping::map(fd, PAGE_BYTES, Access::ReadWrite)?,
        PAGE_BYTES / CELL_BYTES,
    )?)
}

impl Words {
    fn send(&mut self) {
        self.page.increment_u32(self.ours, Ordering::SeqCst);
        wake(self.page.futex(self.ours));
    }

    fn receive(&mut self, seen: u32) {
        let theirs = self.page.futex(self.theirs);
        while theirs.load(Ordering::SeqCst) == seen {
            wait_any(&[(theirs, seen)], None);
        }
    }

    fn ours(&self) -> u32 {
        self.page.load_u32(self.ours, Ordering::SeqCst)
    }
}

impl Link for Words {
    fn round_trip(&mut self) -> Outcome<()> {
        // Both words count the same rounds.
        let seen = self.ours();
        self.send();
        self.receive(seen);
        Ok(())
    }

    fn answer(&mut self) -> Outcome<bool> {
        self.receive(self.ours());
        self.send();
        Ok(true)
    }
}
