//! Pages that a test and its victim share.

use super::Failure;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create, open};
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, pipe_with};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;
use wharf_linux::BellEnd;
use wharf_memory::{Access, CELL_BYTES, Mapping, OwnedWords, ReadOnlyWords};
use wharf_stream::{CONSUMER_PAGE_CELLS, Doorbell, Policy, RING_PAGE_CELLS, STATUS_PAGE_CELLS};

/// How many buffers the stream has, in each of two generations.
pub const BUFFERS: usize = 5;
pub(super) const FRAME_BYTES: usize = 2048;
pub(super) const GENERATIONS: usize = 2;

/// Memory that others can open by name while the process that made it lives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SharedPage {
    path: String,
    cells: usize,
}

impl SharedPage {
    /// Zeroed cells. They stay as long as `keep` does.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub fn new(cells: usize, keep: &mut Vec<OwnedFd>) -> Result<Self, Failure> {
        let fd = memfd_create("page", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, (cells * CELL_BYTES) as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW)?;
        let path = name(&fd);
        keep.push(fd);
        Ok(Self { path, cells })
    }

    /// The page for the one who writes it.
    ///
    /// # Errors
    ///
    /// When it cannot be opened or mapped.
    pub fn own(&self) -> Result<OwnedWords, Failure> {
        Ok(OwnedWords::new(self.map(Access::ReadWrite)?, self.cells)?)
    }

    /// The page for everybody else.
    ///
    /// # Errors
    ///
    /// As [`SharedPage::own`].
    pub fn other(&self) -> Result<ReadOnlyWords, Failure> {
        Ok(ReadOnlyWords::new(self.map(Access::ReadOnly)?, self.cells)?)
    }

    pub(super) fn map(&self, access: Access) -> Result<Mapping, Failure> {
        let flags = match access {
            Access::ReadWrite => OFlags::RDWR,
            Access::ReadOnly => OFlags::RDONLY,
        };
        let fd = open(&self.path, flags | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Mapping::map(fd, self.cells * CELL_BYTES, access)?)
    }
}

fn name(fd: &OwnedFd) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())
}

/// A consumer's place in the stream. Its slot is its position among the seats, its incarnation one more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seat {
    pub(super) page: SharedPage,
    bell: String,
    takes_all: bool,
    /// It waits for its doorbell, not asleep.
    pub(super) polls: bool,
}

/// Most frames each consumer has.
pub(super) const DEPTH: usize = 2;

impl Seat {
    pub(super) fn policy(&self) -> Policy {
        match self.takes_all {
            true => Policy::Block,
            false => Policy::Latest,
        }
    }
    pub(super) fn bell(&self) -> Result<Bell, Failure> {
        Bell::open(&self.bell)
    }
}

/// All pages of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stage {
    /// The producer's.
    pub ring: SharedPage,
    /// The broker's.
    pub status: SharedPage,
    /// The consumers' places.
    pub seats: Vec<Seat>,
    producers_bell: String,
    pub(super) memory: SharedPage,
}

impl Stage {
    /// A stream with a consumer for each of `seats`: its policy, and whether it polls. The pages stay as long as `keep` does.
    ///
    /// # Errors
    ///
    /// When the system has no memory or descriptors.
    pub fn new(seats: &[(Policy, bool)], keep: &mut Vec<OwnedFd>) -> Result<Self, Failure> {
        let memory_cells = GENERATIONS * BUFFERS * FRAME_BYTES / CELL_BYTES;
        let mut seat = |(policy, polls): &(Policy, bool)| {
            Ok(Seat {
                page: SharedPage::new(CONSUMER_PAGE_CELLS, keep)?,
                bell: new_bell(keep)?,
                takes_all: *policy == Policy::Block,
                polls: *polls,
            })
        };
        let seats = seats.iter().map(&mut seat).collect::<Result<_, Failure>>()?;
        Ok(Self {
            seats,
            ring: SharedPage::new(RING_PAGE_CELLS, keep)?,
            status: SharedPage::new(STATUS_PAGE_CELLS, keep)?,
            memory: SharedPage::new(memory_cells, keep)?,
            producers_bell: new_bell(keep)?,
        })
    }

    /// Rings everybody, as the broker does when the status page has changed.
    ///
    /// # Errors
    ///
    /// When a bell cannot be opened.
    pub fn ring_all(&self) -> Result<(), Failure> {
        self.producers_bell()?.ring();
        self.seats.iter().try_for_each(|seat| {
            seat.bell()?.ring();
            Ok(())
        })
    }

    pub(super) fn producers_bell(&self) -> Result<Bell, Failure> {
        Bell::open(&self.producers_bell)
    }
}

fn new_bell(keep: &mut Vec<OwnedFd>) -> Result<String, Failure> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    let path = name(&write);
    keep.extend([read, write]);
    Ok(path)
}

/// A doorbell, for who rings it and for whom it is rung.
#[derive(Debug)]
pub(super) struct Bell {
    end: BellEnd,
}

impl Bell {
    fn open(path: &str) -> Result<Self, Failure> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let end = BellEnd::from_fd(open(path, flags, Mode::empty())?);
        Ok(Self { end })
    }

    pub(super) fn silence(&self) {
        self.end.silence();
    }

    /// Waits until it is rung; whether it was.
    pub(super) fn wait(&self, patience: Duration) -> Result<bool, Failure> {
        let mut fds = [PollFd::new(&self.end, PollFlags::IN)];
        let timeout = Timespec::try_from(patience)?;
        Ok(retry_on_intr(|| poll(&mut fds, Some(&timeout)))? > 0)
    }
}

impl Doorbell for Bell {
    fn ring(&self) {
        self.end.ring();
    }
}
