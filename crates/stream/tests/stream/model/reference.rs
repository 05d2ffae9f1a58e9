//! The hand-over as one plain data structure, without shared memory, fences or pages.

use std::collections::BTreeMap;

use wharf_stream::{Blocked, Blocker, Policy};

/// What a consumer asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) depth: usize,
    pub(super) policy: Policy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Present,
    Left,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buffer {
    Free,
    InHand,
    Frame(u64),
}

#[derive(Debug)]
struct Consumer {
    slot: usize,
    terms: Terms,
    first: u64,
    cursor: u64,
    skipped: u64,
    /// Frames held, by buffer.
    held: BTreeMap<usize, u64>,
    presence: Presence,
}

impl Consumer {
    fn is_waiting_for(&self, seq: u64) -> bool {
        seq >= self.first && seq > self.cursor
    }

    fn holds(&self, buffer: usize) -> bool {
        self.held.contains_key(&buffer)
    }

    /// Whether it keeps the frame in a buffer from being replaced.
    fn keeps(&self, buffer: usize, seq: u64) -> bool {
        self.holds(buffer) || (self.terms.policy == Policy::Block && self.is_waiting_for(seq))
    }
}

/// Everything there is to know about a stream. Consumers are known by their incarnation.
#[derive(Debug)]
pub(super) struct Model {
    buffers: Vec<Buffer>,
    head: u64,
    consumers: BTreeMap<u64, Consumer>,
}

impl Model {
    pub(super) fn new(buffers: usize) -> Self {
        Self {
            buffers: vec![Buffer::Free; buffers],
            head: 0,
            consumers: BTreeMap::new(),
        }
    }

    fn frames(&self) -> impl Iterator<Item = (usize, u64)> {
        let frame = |(buffer, state): (usize, &Buffer)| match state {
            Buffer::Frame(seq) => Some((buffer, *seq)),
            Buffer::Free | Buffer::InHand => None,
        };
        self.buffers.iter().enumerate().filter_map(frame)
    }

    fn blockers(&self, frames: impl Fn(&Consumer) -> usize) -> Vec<Blocker> {
        let blocker = |(incarnation, consumer): (&u64, &Consumer)| Blocker {
            slot: consumer.slot,
            incarnation: *incarnation,
            frames: frames(consumer),
        };
        let blockers = self.consumers.iter().map(blocker);
        blockers.filter(|blocker| blocker.frames > 0).collect()
    }

    /// Why no buffer can be acquired, if none can.
    pub(super) fn blocked(&self) -> Option<Blocked> {
        let in_hand = self
            .buffers
            .iter()
            .filter(|state| **state == Buffer::InHand)
            .count();
        let has = |consumer: &Consumer| {
            let has = |(buffer, seq): &(usize, u64)| consumer.holds(*buffer) || consumer.is_waiting_for(*seq);
            self.frames().filter(has).count()
        };
        let is_full = |consumer: &Consumer| {
            consumer.terms.policy == Policy::Block && has(consumer) + in_hand >= consumer.terms.depth
        };
        if self.consumers.values().any(is_full) {
            let by = self.blockers(|consumer| if is_full(consumer) { has(consumer) } else { 0 });
            return Some(Blocked { by });
        }
        let candidates = (0..self.buffers.len()).filter(|buffer| self.can_be_acquired(*buffer));
        let keeps = |consumer: &Consumer| {
            self.frames()
                .filter(|(buffer, seq)| consumer.keeps(*buffer, *seq))
                .count()
        };
        (candidates.count() == 0).then(|| Blocked {
            by: self.blockers(keeps),
        })
    }

    fn can_be_acquired(&self, buffer: usize) -> bool {
        match self.buffers[buffer] {
            Buffer::Free => true,
            Buffer::InHand => false,
            Buffer::Frame(seq) => !self
                .consumers
                .values()
                .any(|consumer| consumer.keeps(buffer, seq)),
        }
    }

    /// How good a choice a buffer is: newest spent frame, then free, then oldest frame that somebody waits for.
    fn rank(&self, buffer: usize) -> (u8, u64) {
        match self.buffers[buffer] {
            Buffer::Free | Buffer::InHand => (1, 0),
            Buffer::Frame(seq)
                if self
                    .consumers
                    .values()
                    .any(|consumer| consumer.is_waiting_for(seq)) =>
            {
                (0, u64::MAX - seq)
            }
            Buffer::Frame(seq) => (2, seq),
        }
    }

    pub(super) fn acquire(&mut self, buffer: usize) {
        assert_eq!(self.blocked(), None);
        assert!(self.can_be_acquired(buffer), "buffer {buffer}");
        let free = (0..self.buffers.len()).filter(|buffer| self.can_be_acquired(*buffer));
        let best = free.map(|buffer| self.rank(buffer)).max();
        assert_eq!(Some(self.rank(buffer)), best, "a better buffer is free");
        self.buffers[buffer] = Buffer::InHand;
    }

    pub(super) fn publish(&mut self, buffer: usize) -> u64 {
        self.head += 1;
        self.buffers[buffer] = Buffer::Frame(self.head);
        self.head
    }

    pub(super) fn abandon(&mut self, buffer: usize) {
        self.buffers[buffer] = Buffer::Free;
    }

    pub(super) fn join(&mut self, (slot, incarnation): (usize, u64), terms: Terms) {
        let consumer = Consumer {
            slot,
            terms,
            first: self.head + 1,
            cursor: self.head,
            skipped: 0,
            held: BTreeMap::new(),
            presence: Presence::Present,
        };
        self.consumers.insert(incarnation, consumer);
    }

    /// The frame, its buffer and how many were missed; or the depth that is used up.
    pub(super) fn claim(&mut self, incarnation: u64) -> Result<Option<(u64, usize, u64)>, usize> {
        let frames: BTreeMap<u64, usize> = self.frames().map(|(buffer, seq)| (seq, buffer)).collect();
        let head = self.head;
        let consumer = self.consumers.get_mut(&incarnation).unwrap();
        let depth = consumer.terms.depth;
        if consumer.held.len() >= depth {
            return Err(depth);
        }
        let oldest = match consumer.terms.policy {
            Policy::Block => consumer.cursor + 1,
            Policy::Latest => (consumer.cursor + 1).max((head + 1).saturating_sub(depth as u64)),
        };
        let found = frames.range(oldest..).next();
        let cursor = found.map_or(head, |(seq, _)| *seq);
        consumer.skipped += cursor - consumer.cursor;
        consumer.cursor = cursor;
        let Some((seq, buffer)) = found else {
            return Ok(None);
        };
        if consumer.terms.policy == Policy::Block {
            assert_eq!(*seq, oldest, "a frame for a blocking consumer is gone");
        }
        consumer.held.insert(*buffer, *seq);
        Ok(Some((*seq, *buffer, std::mem::take(&mut consumer.skipped) - 1)))
    }

    pub(super) fn release(&mut self, incarnation: u64, buffer: usize) {
        let consumer = self.consumers.get_mut(&incarnation).unwrap();
        consumer.held.remove(&buffer).unwrap();
    }

    /// A consumer leaves or dies; what it had stays until the producer takes notice.
    pub(super) fn depart(&mut self, incarnation: u64, presence: Presence) {
        self.consumers.get_mut(&incarnation).unwrap().presence = presence;
    }

    pub(super) fn drop_departed(&mut self) -> Vec<(u64, Presence)> {
        let is_present = |_: &u64, consumer: &mut Consumer| consumer.presence == Presence::Present;
        let mut departed: Vec<_> = self
            .consumers
            .iter()
            .map(|(incarnation, consumer)| (*incarnation, consumer.presence))
            .collect();
        departed.retain(|(_, presence)| *presence != Presence::Present);
        self.consumers.retain(is_present);
        departed
    }
}
