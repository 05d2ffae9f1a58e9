//! A word each way on a shared page, and nothing else: what no hand-over can beat.

use super::{Channel, Wait, only};
use crate::Outcome;
use crate::frame::{Content, Stamp};
use crate::link::Link;
use crate::memory::{self, Shared};
use crate::terms::Side;
use rustix::io::Errno;
use rustix::thread::futex;
use std::sync::atomic::{AtomicU32, Ordering};

const PAGE_BYTES: usize = 4096;

pub(crate) struct Words {
    page: Shared,
    /// Cache lines of this side's word and of the other's.
    ours: usize,
    theirs: usize,
    wait: Wait,
    seen: u32,
}

pub(crate) fn open(side: Side, links: &mut [Link], wait: Wait) -> Outcome<Words> {
    let link = only(links)?;
    let (memfd, ours, theirs) = match side {
        Side::Lead => {
            let memfd = memory::create(PAGE_BYTES)?;
            link.give(&memfd)?;
            (memfd, 0, 2)
        }
        Side::Follow => (link.take()?, 2, 0),
    };
    let page = Shared::map(memfd, PAGE_BYTES)?;
    let seen = 0;
    Ok(Words {
        page,
        ours,
        theirs,
        wait,
        seen,
    })
}

/// The part of a number that fits the word. The last frame's differs from all others'.
fn short(seq: u64) -> u32 {
    seq as u32
}

impl Channel for Words {
    fn send(&mut self, stamp: Stamp, _: Content) -> Outcome<()> {
        let ours = self.page.half(self.ours);
        // ORDERING: Release, as every hand-over needs it.
        ours.store(short(stamp.seq), Ordering::Release);
        if self.wait == Wait::Sleep {
            futex::wake(ours, futex::Flags::empty(), 1)?;
        }
        Ok(())
    }

    fn receive(&mut self, _: Content) -> Outcome<Stamp> {
        let theirs = self.page.half(self.theirs);
        loop {
            let now = theirs.load(Ordering::Acquire);
            if now != self.seen {
                self.seen = now;
                let last = now == short(Stamp::last().seq);
                return Ok(if last {
                    Stamp::last()
                } else {
                    Stamp::untimed(now.into())
                });
            }
            match self.wait {
                Wait::Sleep => sleep_while(theirs, now)?,
                Wait::Poll | Wait::Adaptive => std::hint::spin_loop(),
            }
        }
    }
}

/// Sleeps until woken while the word is still `seen`; may return for no reason.
pub(super) fn sleep_while(word: &AtomicU32, seen: u32) -> Outcome<()> {
    match futex::wait(word, futex::Flags::empty(), seen, None) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
