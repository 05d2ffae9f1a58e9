//! The producer's side of the hand-over.

mod acquire;
mod lent;
mod moving;
mod polling;
mod waiting;

pub use acquire::{Blocked, Blocker};
pub use lent::Lent;

use crate::buffers::{Buffers, Frames};
use crate::descriptor::{Contents, FrameInfo, Places, store};
use crate::layout::{MAGIC, MAGIC_CELL, MAX_BUFFERS, MAX_CONSUMERS, ring as at};
use crate::member::{Departure, Member};
use crate::status::StatusPage;
use crate::waiting::{Spinner, Waiting};
use wharf_memory::{Ordering, ReadWords, WriteWords, fence, fence_light, lighten_fences, now_ns, wake};

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
    /// Somebody here can sleep, so that it must be looked for whether he does.
    has_sleepers: bool,
    /// Somebody here wants a full fence before it is looked for whether he sleeps.
    has_fenced: bool,
    /// Consumers are asked to make a full fence before they look whether the producer waits.
    asks_for_fences: bool,
    /// They do, for certain.
    consumers_fence: bool,
    /// The buffers that carry frames, those that nobody uses, and those that the producer is filling.
    frames: Frames,
    /// Those of the buffers that carry frames whose contents were not there when it was last looked.
    unfinished: Buffers,
    free: Buffers,
    in_hand: Buffers,
    /// How many indices were ever in use.
    known: usize,
    /// Indices from this one on are not acquired any more.
    usable: usize,
    /// The generation of the buffers in which each was acquired last.
    lies_in: [u64; MAX_BUFFERS],
    /// The generation of the buffers that are acquired.
    generation: u64,
    /// The oldest generation that consumers were told frames can still come in.
    oldest: u64,
    /// Most buffers that consumers have and that are being filled, together.
    in_flight_limit: usize,
    /// How often buffers may be acquired without looking what consumers have released since, while there are some they are known not to
    /// have.
    looks_every: u32,
    /// Acquired since it was looked.
    acquired_unseen: u32,
    head: u64,
    seen_version: u32,
    spinner: Spinner,
}

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// Starts a stream over `buffer_count` buffers (1..=[`MAX_BUFFERS`], clamped) with a zeroed ring page of
    /// [`RING_PAGE_CELLS`](crate::RING_PAGE_CELLS) cells and the broker's status page.
    pub fn new(ring: O, status: R, buffer_count: usize) -> Self {
        lighten_fences();
        ring.store_u64(MAGIC_CELL, MAGIC, Ordering::Release);
        let count = buffer_count.clamp(1, MAX_BUFFERS);
        Self {
            ring,
            status: StatusPage::new(status),
            members: Vec::new(),
            cut_off: Vec::new(),
            has_sleepers: false,
            has_fenced: false,
            asks_for_fences: false,
            consumers_fence: false,
            frames: Frames::default(),
            unfinished: Buffers::NONE,
            free: Buffers::first(count),
            in_hand: Buffers::NONE,
            known: count,
            usable: count,
            lies_in: [0; MAX_BUFFERS],
            generation: 0,
            oldest: 0,
            in_flight_limit: MAX_BUFFERS,
            looks_every: 1,
            acquired_unseen: 0,
            head: 0,
            seen_version: 0,
            spinner: Spinner::new(Waiting::Sleep),
        }
    }

    /// Chooses how [`Producer::wait`] waits; at first it sleeps at once. One that is told to do so asks its consumers for full fences, at the
    /// cost of a system call.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.spinner = Spinner::new(waiting);
        self.ask_for_fences(waiting.sleeps_at_once());
    }

    /// Limits the buffers that consumers have and that are being filled to `limit` together, at least 1. At first there is no limit but
    /// their number. A few buffers that stay in the processors' caches are faster than many that do not.
    pub fn set_in_flight_limit(&mut self, limit: usize) {
        self.in_flight_limit = limit.max(1);
    }

    /// Lets the producer acquire up to `times` buffers (at least 1, as at first) before it looks what consumers have released since, as long
    /// as it knows of some that they do not have. Each look moves a cache line per consumer; without it the buffer released last, whose
    /// own cache lines are warm, is found later.
    pub fn look_every(&mut self, times: u32) {
        self.looks_every = times.max(1);
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
        self.in_hand.count()
    }

    /// Whether the broker changed the status page since this was last asked: consumers may have come. One load; no system
    /// call. The change counts as seen.
    pub fn take_status_change(&mut self) -> bool {
        let version = self.status.version();
        std::mem::replace(&mut self.seen_version, version) != version
    }

    /// Admits a consumer, and wakes it if it sleeps: the next frame published is its first. One in a slot outside `0..MAX_CONSUMERS` is ignored.
    pub fn admit(&mut self, member: Member<R>) {
        if member.slot >= MAX_CONSUMERS {
            return;
        }
        let cell = at::ADMISSIONS + 2 * member.slot;
        self.ring.store_u64(cell, self.head + 1, Ordering::Relaxed);
        // ORDERING: Release publishes the first frame's number before the incarnation that makes it valid.
        self.ring
            .store_u64(cell + 1, member.incarnation, Ordering::Release);
        // ORDERING: SeqCst fence between letting it in and looking whether it sleeps; its counterpart is in `Consumer::wait`.
        fence(Ordering::SeqCst);
        if member.is_asleep() {
            wake(self.ring.futex(cell + 1));
        }
        self.members.push(member);
        self.count_sleepers();
    }

    fn count_sleepers(&mut self) {
        self.has_sleepers = self.members.iter().any(|member| !member.is_sleepless);
        self.has_fenced = self.members.iter().any(|member| member.is_fenced);
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
        self.count_sleepers();
        departed
    }

    /// Whether somebody left in order or was cut off whom [`Producer::drop_departed`] has not told of yet. One look at a line a member
    /// that seldom changes.
    pub fn has_departures(&self) -> bool {
        !self.cut_off.is_empty() || self.members.iter().any(Member::has_left)
    }

    /// Forgets one consumer that the caller knows to be dead, for when the broker cannot say so any more.
    pub fn drop_member(&mut self, slot: usize, incarnation: u64) -> Option<Member<R>> {
        let is_it = |member: &Member<R>| member.slot == slot && member.incarnation == incarnation;
        let index = self.members.iter().position(is_it)?;
        let member = self.members.swap_remove(index);
        self.count_sleepers();
        Some(member)
    }

    /// Gives an acquired buffer back without publishing it. A buffer not in hand is ignored.
    pub fn abandon(&mut self, buffer: usize) {
        if self.in_hand.contains(buffer) {
            self.in_hand.remove(buffer);
            self.free.insert(buffer);
            self.retire_generations();
        }
    }

    /// Publishes the frame in an acquired buffer to every member and wakes those that sleep. Returns its sequence number.
    /// `None` when the buffer was not acquired. The generation in `info` is the buffer's at acquisition, whatever it says.
    pub fn publish(&mut self, buffer: usize, info: &FrameInfo) -> Option<u64> {
        self.publish_as(buffer, info, Contents::There)
    }

    /// As [`Producer::publish`], before the contents are there: consumers must not read them before the point of this buffer with the
    /// frame's number is reached, which [`PointsWriter::finish`](crate::PointsWriter::finish) is to say. Until then the buffer is acquired only
    /// by [`Producer::try_acquire_lent`].
    pub fn publish_unfinished(&mut self, buffer: usize, info: &FrameInfo) -> Option<u64> {
        let seq = self.publish_as(buffer, info, Contents::AtPoint)?;
        self.unfinished.insert(buffer);
        Some(seq)
    }

    fn publish_as(&mut self, buffer: usize, info: &FrameInfo, contents: Contents) -> Option<u64> {
        let generation = self.generation_in_hand(buffer)?;
        // Before the slot is written: those who wait for it would fetch its line in the middle of that.
        let published_ns = now_ns();
        self.publish_with(buffer, |ring, places| {
            store(ring, places, (generation, published_ns), info, contents)
        })
    }

    /// As [`Producer::publish`], with the description filled in by `describe`.
    pub fn publish_with(&mut self, buffer: usize, describe: impl FnOnce(&O, Places)) -> Option<u64> {
        self.generation_in_hand(buffer)?;
        let seq = self.head + 1;
        let slot = at::slot(seq);
        self.open_slot(seq);
        let more = at::more(buffer);
        describe(&self.ring, Places { slot, more });
        self.in_hand.remove(buffer);
        self.frames.put(buffer, seq);
        self.head = seq;
        self.members
            .iter_mut()
            .for_each(|member| member.has.insert(buffer));
        // CAST: a buffer number is below MAX_BUFFERS.
        let word = at::word(seq, buffer as u64);
        // ORDERING: Release: who sees the frame in its slot sees its contents and its description.
        self.ring.store_u64(slot, word, Ordering::Release);
        // ORDERING: Release: who sees the head sees the slot of every frame up to it. Whether to sleep is decided by the slot alone.
        self.ring.store_u64(at::HEAD, seq, Ordering::Release);
        if self.has_sleepers {
            self.wake_sleepers(slot);
        }
        self.retire_generations();
        Some(seq)
    }

    /// Marks the slot of the coming frame as being written. The low half of its word stays, and nobody takes it for the coming frame.
    fn open_slot(&self, seq: u64) {
        // CAST: SLOT_COUNT fits any integer.
        let before = seq.saturating_sub(at::SLOT_COUNT as u64);
        let open = at::word(before, at::TAKEN_BACK);
        self.ring.store_u64(at::slot(seq), open, Ordering::Relaxed);
        // ORDERING: Release: who sees one of the stores to the slot's other words sees this one.
        fence(Ordering::Release);
    }

    /// Wakes the consumers that sleep on the slot of the frame just published; a system call only if one says that it does.
    fn wake_sleepers(&self, slot: usize) {
        // ORDERING: fence between making the frame visible and looking for sleepers; its counterparts are in `Consumer::wait` and
        // `Consumer::arm`: heavy ones, or full ones where this is one. Either the sleeper sees the frame or we see the sleeper.
        if self.has_fenced {
            fence(Ordering::SeqCst);
        } else {
            fence_light();
        }
        // Everybody is looked at: some may have to be rung for.
        let asleep = self.members.iter().filter(|member| member.is_asleep());
        if asleep.count() > 0 {
            // All who sleep wait for the frame after the last: this one.
            wake(self.ring.futex(slot));
            self.counters().woke();
        }
    }
}
