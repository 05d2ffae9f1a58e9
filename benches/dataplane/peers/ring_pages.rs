//! The pages of the raw ring, and how its two sides wait for each other.

use super::limits::sleep_while;
use super::{SPIN, Wait, relax};
use crate::Outcome;
use crate::memory::Shared;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::thread::futex;
use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

pub(super) const PAGE_BYTES: usize = 4096;
/// Looks between two looks at the clock.
const LOOKS: u32 = 64;

/// Cache line of the count of what this side has done: frames published, or frames given back.
const COUNT: usize = 0;
/// Cache line that says that this side sleeps.
const SLEEPS: usize = 1;
/// Cache lines from which on the producer's page names the buffer of each slot.
const SLOTS: usize = 2;
/// Slots of a page.
pub(super) const MAX_SLOTS: usize = 32;

/// How the other side is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bell {
    /// A futex on the count, rung only for who sleeps; how to wait for it.
    Futex(Wait),
    /// An eventfd, rung each time.
    Eventfd,
}

/// A page, and the eventfd by which its owner is told of news.
pub(super) struct Page {
    words: Shared,
    pub(super) rung: Option<OwnedFd>,
}

/// An eventfd if this kind of ring has them.
pub(super) fn new_bell(bell: Bell) -> Outcome<Option<OwnedFd>> {
    match bell {
        Bell::Eventfd => Ok(Some(eventfd(0, EventfdFlags::CLOEXEC)?)),
        Bell::Futex(_) => Ok(None),
    }
}

impl Page {
    pub(super) fn new(words: Shared, rung: Option<OwnedFd>) -> Self {
        Self { words, rung }
    }

    pub(super) fn count(&self) -> u32 {
        self.words.half(COUNT).load(Ordering::Acquire)
    }

    pub(super) fn set_slot(&self, slot: u32, buffer: usize) {
        // ORDERING: Relaxed: the count published after it makes it visible.
        self.words
            .word(slot_line(slot))
            .store(buffer as u64, Ordering::Relaxed);
    }

    pub(super) fn slot(&self, slot: u32) -> usize {
        self.words.word(slot_line(slot)).load(Ordering::Relaxed) as usize
    }

    /// Sets the count on this own page and wakes those of `others` that sleep.
    pub(super) fn announce<'a>(
        &self,
        count: u32,
        others: impl Iterator<Item = &'a Page>,
        bell: Bell,
    ) -> Outcome<()> {
        let word = self.words.half(COUNT);
        // ORDERING: Release: the frame, or the end of reading it, comes before.
        word.store(count, Ordering::Release);
        match bell {
            Bell::Futex(Wait::Poll) => {}
            Bell::Futex(_) => {
                // ORDERING: SeqCst, against the one in `wait_for`: this side sees that the other sleeps, or that one sees the count.
                fence(Ordering::SeqCst);
                let mut others = others;
                if others.any(|other| other.words.half(SLEEPS).load(Ordering::Relaxed) != 0) {
                    futex::wake(word, futex::Flags::empty(), i32::MAX.cast_unsigned())?;
                }
            }
            Bell::Eventfd => {
                for other in others {
                    let rung = other.rung.as_ref().ok_or("a ring without eventfd")?;
                    rustix::io::write(rung, &1u64.to_ne_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// Waits, on this own page, until the count of `other` is not `seen` any more.
    pub(super) fn wait_for(&self, other: &Page, seen: u32, bell: Bell, crowded: bool) -> Outcome<()> {
        let changed = || other.count() != seen;
        match bell {
            Bell::Futex(Wait::Poll) => {
                while !changed() {
                    relax(crowded);
                }
                Ok(())
            }
            Bell::Futex(Wait::Adaptive) if spin(changed) => Ok(()),
            Bell::Futex(_) => self.sleep_until_changed(other, seen),
            Bell::Eventfd => {
                let rung = self.rung.as_ref().ok_or("a ring without eventfd")?;
                while !changed() {
                    match rustix::io::read(rung, &mut [0; 8]) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                }
                Ok(())
            }
        }
    }

    fn sleep_until_changed(&self, other: &Page, seen: u32) -> Outcome<()> {
        let sleeps = self.words.half(SLEEPS);
        sleeps.store(1, Ordering::Relaxed);
        // ORDERING: SeqCst, against the one in `announce`.
        fence(Ordering::SeqCst);
        while other.count() == seen {
            sleep_while(other.words.half(COUNT), seen)?;
        }
        sleeps.store(0, Ordering::Relaxed);
        Ok(())
    }
}

fn slot_line(slot: u32) -> usize {
    SLOTS + slot as usize % MAX_SLOTS
}

/// Looks for a short while; whether it happened.
fn spin(happened: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < SPIN {
        for _ in 0..LOOKS {
            if happened() {
                return true;
            }
            std::hint::spin_loop();
        }
    }
    false
}
