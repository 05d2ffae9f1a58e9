//! The producer's side of the hand-over.

use crate::descriptor::{FrameInfo, store};
use crate::layout::{MAGIC, MAGIC_CELL, MAX_BUFFERS, ring as at};
use crate::member::{Departure, Member, Policy};
use crate::status::StatusPage;
use wharf_memory::{Deadline, Ordering, ReadWords, WaitOutcome, WriteWords, fence, wait_any, wake};

/// Why no buffer could be acquired: each consumer in the way, and how many buffers it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The consumers that have frames the producer waits for; empty when the caller itself has all buffers.
    pub by: Vec<Blocker>,
}

/// One consumer in the producer's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocker {
    /// Its slot.
    pub slot: usize,
    /// Its incarnation.
    pub incarnation: u64,
    /// Frames it has: queued for it or held by it.
    pub frames: usize,
}

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
    buffers: Vec<BufferState>,
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
            buffers,
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

    /// Admits a consumer: the next frame published is its first.
    pub fn admit(&mut self, mut member: Member<R>) {
        member.first_seq = self.head + 1;
        let cell = at::ADMISSIONS + 2 * member.slot;
        self.ring.store_u64(cell, member.first_seq, Ordering::Relaxed);
        // ORDERING: Release publishes the first frame's number before the incarnation that makes it valid.
        self.ring
            .store_u64(cell + 1, member.incarnation, Ordering::Release);
        self.members.push(member);
    }

    /// Forgets the consumers that left or that the broker calls gone; what they had is free again (contract S4).
    pub fn drop_departed(&mut self) -> Vec<(Member<R>, Departure)> {
        let status = &self.status;
        let mut departed = Vec::new();
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

    /// Takes a buffer to fill: one that no live consumer has. Prefers the buffer released last (its cache lines are warm); takes
    /// unclaimed frames back from [`Policy::Latest`] consumers, oldest first, only when there is no other.
    ///
    /// # Errors
    ///
    /// [`Blocked`] when consumers have all buffers, or one with [`Policy::Block`] has as many frames as its depth.
    ///
    /// # Blocking
    ///
    /// Never; see [`Producer::wait`].
    pub fn try_acquire(&mut self) -> Result<usize, Blocked> {
        if self.window_is_full() {
            return Err(self.blocked());
        }
        for buffer in self.candidates() {
            if self.take_back(buffer) {
                self.buffers[buffer] = BufferState::InHand;
                return Ok(buffer);
            }
        }
        Err(self.blocked())
    }

    /// Whether some blocking consumer has as many frames as it may, counting those the producer is still filling.
    fn window_is_full(&self) -> bool {
        let in_hand = self.in_hand();
        let is_full = |member: &Member<R>| self.frames_of(member) + in_hand >= member.depth;
        self.members
            .iter()
            .any(|member| member.policy == Policy::Block && is_full(member))
    }

    /// How many published frames a consumer has.
    fn frames_of(&self, member: &Member<R>) -> usize {
        let has = |(buffer, state): (usize, &BufferState)| match state {
            BufferState::Published(seq) => member.still_has(*seq, buffer),
            BufferState::Free | BufferState::InHand => false,
        };
        self.buffers
            .iter()
            .enumerate()
            .filter(|(buffer, state)| has((*buffer, state)))
            .count()
    }

    /// Buffers worth trying, best first.
    fn candidates(&self) -> Vec<usize> {
        let mut spent = Vec::new();
        let mut unclaimed = Vec::new();
        let mut untouched = Vec::new();
        for (buffer, state) in self.buffers.iter().enumerate() {
            match *state {
                BufferState::InHand => {}
                BufferState::Free => untouched.push(buffer),
                BufferState::Published(seq) if self.is_spent(seq) => spent.push((seq, buffer)),
                BufferState::Published(seq) => unclaimed.push((seq, buffer)),
            }
        }
        spent.sort_unstable_by(|a, b| b.cmp(a));
        unclaimed.sort_unstable();
        let by_frame = |(_, buffer)| buffer;
        spent
            .into_iter()
            .map(by_frame)
            .chain(untouched)
            .chain(unclaimed.into_iter().map(by_frame))
            .collect()
    }

    /// Whether every consumer the frame was meant for has claimed it or passed it over.
    fn is_spent(&self, seq: u64) -> bool {
        self.members
            .iter()
            .all(|member| seq < member.first_seq || member.has_passed(seq))
    }

    /// Takes a buffer back from everybody, or leaves it as it was.
    fn take_back(&self, buffer: usize) -> bool {
        let BufferState::Published(seq) = self.buffers[buffer] else {
            return self.buffers[buffer] == BufferState::Free;
        };
        let is_owed = |member: &Member<R>| {
            member.policy == Policy::Block && seq >= member.first_seq && !member.has_passed(seq)
        };
        let is_held = || self.members.iter().any(|member| member.holds(buffer));
        // Looking at the holds before revoking keeps a frame that is in use valid for those who have not claimed it yet.
        if self.members.iter().any(is_owed) || is_held() {
            return false;
        }
        self.ring.store_u64(at::FRAME_SEQ + buffer, 0, Ordering::Relaxed);
        // ORDERING: SeqCst fence between revoking and looking at the holds; its counterpart is in `Consumer::try_hold`. At
        // least one side sees the other's store.
        fence(Ordering::SeqCst);
        if is_held() {
            // ORDERING: Release, as at publication: the frame is the same as before.
            self.ring
                .store_u64(at::FRAME_SEQ + buffer, seq, Ordering::Release);
            return false;
        }
        true
    }

    fn blocked(&self) -> Blocked {
        let blocker = |member: &Member<R>| Blocker {
            slot: member.slot,
            incarnation: member.incarnation,
            frames: self.frames_of(member),
        };
        Blocked {
            by: self
                .members
                .iter()
                .map(blocker)
                .filter(|blocker| blocker.frames > 0)
                .collect(),
        }
    }

    /// Gives an acquired buffer back without publishing it. A buffer not in hand is ignored.
    pub fn abandon(&mut self, buffer: usize) {
        if let Some(state @ BufferState::InHand) = self.buffers.get_mut(buffer) {
            *state = BufferState::Free;
        }
    }

    /// Publishes the frame in an acquired buffer to every member and wakes those that sleep. Returns its sequence number.
    /// `None` when the buffer was not acquired.
    pub fn publish(&mut self, buffer: usize, info: &FrameInfo) -> Option<u64> {
        self.publish_with(buffer, |ring, first_cell| store(ring, first_cell, info))
    }

    /// As [`Producer::publish`], with the descriptor's cells (from the number given on) filled by `describe`.
    pub fn publish_with(&mut self, buffer: usize, describe: impl FnOnce(&O, usize)) -> Option<u64> {
        if self.buffers.get(buffer) != Some(&BufferState::InHand) {
            return None;
        }
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
        if self.members.iter().any(Member::is_waiting) {
            wake(self.ring.futex(at::BELL));
        }
    }

    /// Sleeps until a consumer releases a frame or the status page changes.
    ///
    /// `try_again` is called once after the producer has announced that it sleeps; when it returns `Some` the producer does
    /// not sleep. Returns that value, or `None` when the caller is to look again itself.
    ///
    /// # Blocking
    ///
    /// Until a release, a change by the broker, a signal or `deadline`.
    pub fn wait<T>(
        &mut self,
        deadline: Option<Deadline>,
        try_again: impl FnOnce(&mut Self) -> Option<T>,
    ) -> (Option<T>, WaitOutcome) {
        let seen: Vec<(usize, u64, u32)> = self.members.iter().map(seen_releases).collect();
        let version = self.seen_version;
        self.ring.store_u32(at::WAITING, 1, Ordering::Relaxed);
        // ORDERING: SeqCst fence between announcing the sleep and looking once more; its counterpart is in
        // `Consumer::notify_release`.
        fence(Ordering::SeqCst);
        let found = try_again(self);
        let outcome = if found.is_some() {
            WaitOutcome::Retry
        } else {
            self.sleep(&seen, version, deadline)
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
