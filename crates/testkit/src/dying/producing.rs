//! A producer that fills every frame with its number.

use super::consuming::PATTERN;
use super::pages::{BUFFERS, DEPTH, FRAME_BYTES, Stage};
use super::turns::{Turns, drop_departed};
use super::{Failure, Fuse, FusedWords};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use wharf_memory::{Access, Mapping, OwnedWords, ReadOnlyWords};
use wharf_stream::{FrameInfo, Member, Producer};

/// From this frame on frames lie in the second generation of the buffers.
pub const GENERATION_CHANGE: u64 = 8;

/// How long a producer goes on, and how far it has come.
#[derive(Debug, Clone, Default)]
pub struct Course {
    frames: Option<u64>,
    is_enough: Arc<AtomicBool>,
    published: Arc<AtomicU64>,
}

impl Course {
    /// For so many frames.
    pub fn new(frames: u64) -> Self {
        Self {
            frames: Some(frames),
            ..Self::default()
        }
    }

    /// Ends it.
    pub fn end(&self) {
        self.is_enough.store(true, SeqCst);
    }

    /// How many frames were published.
    pub fn published(&self) -> u64 {
        self.published.load(SeqCst)
    }

    pub(super) fn note(&self, published: u64) {
        self.published.store(published, SeqCst);
    }

    pub(super) fn goes_on(&self) -> bool {
        let published = self.published();
        !self.is_enough.load(SeqCst) && self.frames.is_none_or(|frames| published < frames)
    }
}

/// What a producer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The number of the last frame.
    pub last: u64,
    /// How many consumers were dropped.
    pub departed: usize,
}

type OwnProducer = Producer<FusedWords<OwnedWords>, ReadOnlyWords>;

struct Maker {
    producer: OwnProducer,
    memory: Mapping,
    turns: Turns,
    departed: usize,
}

/// Lets all consumers in and publishes frames as long as `course` goes on; then waits until nobody who takes
/// every frame has any.
///
/// # Blocking
///
/// Until then.
///
/// # Errors
///
/// No buffer within [`STUCK`](super::STUCK).
pub fn produce(stage: &Stage, fuse: &Fuse, course: Course) -> Result<Published, Failure> {
    let mut maker = Maker::new(stage, fuse)?;
    for (slot, seat) in stage.seats.iter().enumerate() {
        let member = Member::new(slot, slot as u64 + 1, DEPTH, seat.policy(), seat.page.other()?);
        maker.producer.admit(member.with_bell(Box::new(seat.bell()?)));
    }
    while course.goes_on() {
        maker.publish()?;
        course.note(maker.producer.head());
    }
    maker.acquire_window()?;
    Ok(Published {
        last: maker.producer.head(),
        departed: maker.departed,
    })
}

impl Maker {
    fn new(stage: &Stage, fuse: &Fuse) -> Result<Self, Failure> {
        let ring = fuse.guard(stage.ring.own()?);
        Ok(Self {
            producer: Producer::new(ring, stage.status.other()?, BUFFERS),
            memory: stage.memory.map(Access::ReadWrite)?,
            turns: Turns::new(stage.producers_bell()?),
            departed: 0,
        })
    }

    fn publish(&mut self) -> Result<(), Failure> {
        let seq = self.producer.head() + 1;
        if seq == GENERATION_CHANGE {
            self.producer.switch(1, BUFFERS);
        }
        let buffer = self.acquire()?;
        let generation = self.producer.generation_in_hand(buffer).ok_or("not in hand")?;
        let place = usize::try_from(generation)? * BUFFERS + buffer;
        let view = self.memory.view_mut()?;
        PATTERN.fill(&view.subview(place * FRAME_BYTES, FRAME_BYTES)?, seq)?;
        let info = FrameInfo {
            timestamp_ns: seq,
            used_bytes: FRAME_BYTES as u64,
            ..FrameInfo::default()
        };
        self.producer.publish(buffer, &info).ok_or("not published")?;
        Ok(())
    }

    fn acquire(&mut self) -> Result<usize, Failure> {
        let departed = &mut self.departed;
        let mut look = |producer: &mut OwnProducer| {
            *departed += drop_departed(producer);
            producer.try_acquire().ok()
        };
        loop {
            if let Some(buffer) = look(&mut self.producer) {
                return Ok(buffer);
            }
            if let Some(buffer) = self.turns.wait(&mut self.producer, &mut look)? {
                return Ok(buffer);
            }
        }
    }

    /// As many as may be in flight when nobody has any frame any more.
    fn acquire_window(&mut self) -> Result<(), Failure> {
        let all = (0..DEPTH)
            .map(|_| self.acquire())
            .collect::<Result<Vec<_>, _>>()?;
        all.into_iter().for_each(|buffer| self.producer.abandon(buffer));
        Ok(())
    }
}
