//! The producer's side of the hand-over.

mod acquire;
mod moving;
mod polling;

pub use acquire::{Blocked, Blocker};

use crate::descriptor::{FrameInfo, store};
use crate::layout::{ASLEEP, MAGIC, MAGIC_CELL, MAX_BUFFERS, MAX_CONSUMERS, ring as at};
use crate::member::{Departure, Member};
use crate::status::StatusPage;
use wharf_memory::{Deadline, Ordering, ReadWords, WaitOutcome, WriteWords, fence, wait_any, wake};

/// What the producer knows of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BufferState {
    /// Nobody uses it.
    Free,
    /// The producer is filling it.
    InHand,
    /// It carries this frame.
    Published(u64),
}

/// The producer of a stream: the only writer of its ring page.
///
/// `O` are the words of that page, `R` those of pages others write.
#[derive(Debug)]
pub struct Producer<O, R> {
    ring: O,
    status: StatusPage<R>,
    members: Vec<Member<R>>,
    /// Members forgotten for what they wrote, until the caller asks who departed.
    cut_off: Vec<Member<R>>,
    /// One for each index that was ever in use.
    buffers: Vec<BufferState>,
    /// The generation of the buffers in which each was acquired last.
    lies_in: Vec<u64>,
    /// Indices from this one on are not acquired any more.
    usable: usize,
    /// The generation of the buffers that are acquired.
    generation: u64,
    /// The oldest generation that consumers were told frames can still come in.
    oldest: u64,
    head: u64,
    seen_version: u32,
}

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// Starts a stream over `buffer_count` buffers (1..=[`MAX_BUFFERS`], clamped) with a zeroed ring page of
    /// [`RING_PAGE_CELLS`](crate::RING_PAGE_CELLS) cells and the broker's status page.
    pub fn new(ring: O, status: R, buffer_count: usize) -> Self {
        ring.store_u64(MAGIC_CELL, MAGIC, Ordering::Release);
        let status = StatusPage::new(status);
        let buffers = vec![BufferState::Free; buffer_count.clamp(1, MAX_BUFFERS)];
        Self {
            ring,
            status,
            members: Vec::new(),
            cut_off: Vec::new(),
            usable: buffers.len(),
            lies_in: vec![0; buffers.len()],
            buffers,
            generation: 0,
            oldest: 0,
            head: 0,
            seen_version: 0,
        }
    }

    /// Sequence number of the newest frame; 0 before the first.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The consumers admitted and not yet departed.
    pub fn members(&self) -> &[Member<R>] {
        &self.members
    }

    /// Buffers acquired and neither published nor abandoned.
    pub fn in_hand(&self) -> usize {
        self.buffers
            .iter()
            .filter(|state| **state == BufferState::InHand)
            .count()
    }

    /// Whether the broker changed the status page since this was last asked: consumers may have come. One load; no system
    /// call. The change counts as seen.
    pub fn take_status_change(&mut self) -> bool {
        let version = self.status.version();
        std::mem::replace(&mut self.seen_version, version) != version
    }

    /// Admits a consumer: the next frame published is its first. One in a slot outside `0..MAX_CONSUMERS` is ignored.
    pub fn admit(&mut self, mut member: Member<R>) {
        if member.slot >= MAX_CONSUMERS {
            return;
        }
        member.first_seq = self.head + 1;
        let cell = at::ADMISSIONS + 2 * member.slot;
        self.ring.store_u64(cell, member.first_seq, Ordering::Relaxed);
        // ORDERING: Release publishes the first frame's number before the incarnation that makes it valid.
        self.ring
            .store_u64(cell + 1, member.incarnation, Ordering::Release);
        self.members.push(member);
    }

    /// Forgets the consumers that left or that the broker calls gone; what they had is free again (contract S4). Tells of those cut off
    /// since the last call, too.
    pub fn drop_departed(&mut self) -> Vec<(Member<R>, Departure)> {
        let status = &self.status;
        let cut_off = self.cut_off.drain(..);
        let mut departed: Vec<_> = cut_off.map(|member| (member, Departure::Misbehaved)).collect();
        let mut index = 0;
        while let Some(member) = self.members.get(index) {
            let departure = if member.has_left() {
                Some(Departure::Left)
            } else {
                (!status.is_live(member.slot, member.incarnation)).then_some(Departure::Gone)
            };
            match departure {
                Some(departure) => departed.push((self.members.swap_remove(index), departure)),
                None => index += 1,
            }
        }
        departed
    }

    /// Forgets one consumer that the caller knows to be dead, for when the broker cannot say so any more.
    pub fn drop_member(&mut self, slot: usize, incarnation: u64) -> Option<Member<R>> {
        let is_it = |member: &Member<R>| member.slot == slot && member.incarnation == incarnation;
        let index = self.members.iter().position(is_it)?;
        Some(self.members.swap_remove(index))
    }

    /// Gives an acquired buffer back without publishing it. A buffer not in hand is ignored.
    pub fn abandon(&mut self, buffer: usize) {
        if let Some(state @ BufferState::InHand) = self.buffers.get_mut(buffer) {
            *state = BufferState::Free;
            self.retire_generations();
        }
    }

    /// Publishes the frame in an acquired buffer to every member and wakes those that sleep. Returns its sequence number.
    /// `None` when the buffer was not acquired. The generation in `info` is the buffer's at acquisition, whatever it says.
    pub fn publish(&mut self, buffer: usize, info: &FrameInfo) -> Option<u64> {
        let generation = self.generation_in_hand(buffer)?;
        let info = FrameInfo { generation, ..*info };
        self.publish_with(buffer, |ring, first_cell| store(ring, first_cell, &info))
    }

    /// As [`Producer::publish`], with the descriptor's cells (from the number given on) filled by `describe`.
    pub fn publish_with(&mut self, buffer: usize, describe: impl FnOnce(&O, usize)) -> Option<u64> {
        self.generation_in_hand(buffer)?;
        describe(&self.ring, at::DESCRIPTORS + buffer * at::DESCRIPTOR_CELLS);
        let seq = self.head + 1;
        self.buffers[buffer] = BufferState::Published(seq);
        // CAST: a buffer number is below MAX_BUFFERS.
        let slot = seq << 8 | buffer as u64;
        // ORDERING: Release: who sees the frame as valid sees its contents and its descriptor.
        self.ring
            .store_u64(at::FRAME_SEQ + buffer, seq, Ordering::Release);
        self.ring.store_u64(at::slot(seq), slot, Ordering::Release);
        // ORDERING: Release: who sees the head sees the slot of every frame up to it.
        self.ring.store_u64(at::HEAD, seq, Ordering::Release);
        self.head = seq;
        self.retire_generations();
        self.ring_bell(seq);
        Some(seq)
    }

    /// Wakes the consumers that sleep; a system call only if one says that it does.
    fn ring_bell(&self, seq: u64) {
        // CAST: the low half is meant; sleepers compare it for equality only.
        self.ring.store_u32(at::BELL, seq as u32, Ordering::Release);
        // ORDERING: SeqCst fence between storing the bell and looking for sleepers; its counterpart is in
        // `Consumer::wait`. Either the sleeper sees the bell or we see the sleeper.
        fence(Ordering::SeqCst);
        let mut sleeping = false;
        for member in &self.members {
            sleeping |= member.is_waiting();
        }
        if sleeping {
            wake(self.ring.futex(at::BELL));
        }
    }

    /// Sleeps until a consumer releases a frame or leaves, or the status page differs from what
    /// [`Producer::take_status_change`] last saw.
    ///
    /// `try_again` is called once after the producer has announced that it sleeps; when it returns `Some` the producer does
    /// not sleep. Returns that value, or `None` when the caller is to look again itself.
    ///
    /// # Blocking
    ///
    /// Until a release, a departure, a change by the broker, a signal or `deadline`. Consumers that wish harm can hinder the
    /// wake-up (see [`Consumer::wait`](crate::Consumer::wait)): sleep in slices.
    pub fn wait<T>(
        &mut self,
        deadline: Option<Deadline>,
        try_again: impl FnOnce(&mut Self) -> Option<T>,
    ) -> (Option<T>, WaitOutcome) {
        let seen: Vec<(usize, u64, u32)> = self.members.iter().map(seen_releases).collect();
        let version = self.seen_version;
        self.ring.store_u32(at::WAITING, ASLEEP, Ordering::Relaxed);
        // ORDERING: SeqCst fence between announcing the sleep and looking once more; its counterpart is in
        // `Consumer::notify_release`.
        fence(Ordering::SeqCst);
        let found = try_again(self);
        // One that left before its releases were looked at will not count another; it is for the caller to drop it.
        let may_sleep = found.is_none() && !self.members.iter().any(Member::has_left);
        let outcome = if may_sleep {
            self.sleep(&seen, version, deadline)
        } else {
            WaitOutcome::Retry
        };
        self.ring.store_u32(at::WAITING, 0, Ordering::Relaxed);
        (found, outcome)
    }

    fn sleep(&self, seen: &[(usize, u64, u32)], version: u32, deadline: Option<Deadline>) -> WaitOutcome {
        let mut words = vec![(self.status.version_word(), version)];
        for (slot, incarnation, releases) in seen {
            let is_it = |member: &&Member<R>| member.slot == *slot && member.incarnation == *incarnation;
            if let Some(member) = self.members.iter().find(is_it) {
                words.push((member.release_word(), *releases));
            }
        }
        wait_any(&words, deadline)
    }
}

/// A member's count of releases before the producer looks for a buffer once more.
fn seen_releases<R: ReadWords>(member: &Member<R>) -> (usize, u64, u32) {
    (
        member.slot,
        member.incarnation,
        member.release_word().load(Ordering::Acquire),
    )
}
