//! A producer whose device fills frames that are out already.

use super::{FENCED_GENERATION_CHANGE, Other, Own, PATTERN, UNFINISHED, errno_of};
use crate::dying::pages::{BUFFERS, DEPTH, FRAME_BYTES, Stage};
use crate::dying::turns::{Turns, drop_departed};
use crate::dying::{Course, Failure, Fuse, STUCK};
use std::collections::VecDeque;
use std::sync::Arc;
use wharf_core::{Errno, FenceStatus};
use wharf_memory::{Access, Deadline, Mapping};
use wharf_stream::{FrameInfo, Lent, Member, Points, PointsWriter, Producer, Sleepers};

/// What a producer and its device did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    /// The number of the last frame.
    pub last: u64,
    /// How many consumers were dropped.
    pub departed: usize,
    /// How many buffers were acquired while devices of consumers still read them.
    pub lent: u64,
    /// How many of these consumers died before they were done.
    pub orphaned: u64,
}

/// What the device has yet to do.
struct Work {
    buffer: usize,
    /// Where the buffer lies in the memory.
    place: usize,
    seq: u64,
    /// To be waited for.
    after: Option<Lent>,
}

struct Maker {
    producer: Producer<Own, Other>,
    turns: Turns,
    memory: Mapping,
    device: PointsWriter<Own>,
    work: VecDeque<Work>,
    consumers: Vec<Other>,
    /// When each consumer is done with what it has lent.
    points: Vec<Points<Other, Own>>,
    filled: Filled,
}

/// Lets all consumers in and publishes frames as long as `course` goes on, most of them before they are filled, and moves on the way to the second
/// generation of the buffers; then fills them, and waits
/// until nobody who takes every frame has any.
///
/// # Blocking
///
/// Until then.
///
/// # Errors
///
/// No buffer, or a consumer that is never done with one, within [`STUCK`].
pub fn fill(stage: &Stage, fuse: &Fuse, course: &Course) -> Result<Filled, Failure> {
    let mut maker = Maker::new(stage, fuse)?;
    for (slot, seat) in stage.seats.iter().enumerate() {
        let page = maker.consumers[slot].clone();
        let member = Member::new(slot, slot as u64 + 1, DEPTH, seat.policy(), page);
        maker.producer.admit(member.with_bell(Box::new(seat.bell()?)));
    }
    while course.goes_on() {
        maker.publish()?;
        course.note(maker.producer.head());
    }
    while maker.work_once()? {}
    maker.acquire_window()?;
    maker.filled.last = maker.producer.head();
    Ok(maker.filled)
}

impl Maker {
    fn new(stage: &Stage, fuse: &Fuse) -> Result<Self, Failure> {
        let ring: Own = Arc::new(fuse.guard(stage.ring.own()?));
        let status: Other = Arc::new(stage.status.other()?);
        let sleepers = Arc::new(Sleepers::of_producer(ring.clone()));
        let pages = stage.seats.iter().map(|seat| seat.page.other().map(Arc::new));
        let consumers = pages.collect::<Result<Vec<Other>, _>>()?;
        let points = consumers.iter().enumerate().map(|(slot, page)| {
            let pages = (page.clone(), status.clone());
            Points::of_consumer(pages, (slot, slot as u64 + 1), sleepers.clone())
        });
        Ok(Self {
            points: points.collect(),
            producer: Producer::new(ring.clone(), status, BUFFERS),
            turns: Turns::new(stage.producers_bell()?),
            memory: stage.memory.map(Access::ReadWrite)?,
            device: PointsWriter::of_producer(ring),
            work: VecDeque::new(),
            consumers,
            filled: Filled::default(),
        })
    }

    /// Publishes a frame, and has the device work when it has enough to do. Every third frame is filled first, if it can be.
    fn publish(&mut self) -> Result<(), Failure> {
        let seq = self.producer.head() + 1;
        if seq == FENCED_GENERATION_CHANGE {
            self.producer.switch(1, BUFFERS);
        }
        let (buffer, after) = self.acquire()?;
        let generation = self.producer.generation_in_hand(buffer).ok_or("not in hand")?;
        let place = usize::try_from(generation)? * BUFFERS + buffer;
        let info = FrameInfo {
            timestamp_ns: seq,
            used_bytes: FRAME_BYTES as u64,
            ..FrameInfo::default()
        };
        if after.is_none() && errno_of(seq).is_none() && seq.is_multiple_of(3) {
            self.write(place, seq)?;
            self.producer.publish(buffer, &info).ok_or("not published")?;
            return Ok(());
        }
        let published = self.producer.publish_unfinished(buffer, &info);
        published.ok_or("not published")?;
        self.work.push_back(Work {
            buffer,
            place,
            seq,
            after,
        });
        while self.work.len() >= UNFINISHED {
            self.work_once()?;
        }
        Ok(())
    }

    fn write(&self, place: usize, seq: u64) -> Result<(), Failure> {
        let view = self.memory.view_mut()?;
        let frame = view.subview(place * FRAME_BYTES, FRAME_BYTES)?;
        Ok(PATTERN.fill(&frame, seq)?)
    }

    /// The device does the oldest of its work, if there is any.
    fn work_once(&mut self) -> Result<bool, Failure> {
        let Some(work) = self.work.pop_front() else {
            return Ok(false);
        };
        let Work {
            buffer,
            place,
            seq,
            after,
        } = work;
        if let Some(lent) = after {
            self.await_return(&lent)?;
        }
        let error = errno_of(seq);
        if error.is_none() {
            self.write(place, seq)?;
        }
        self.device.finish((buffer, seq), error, &self.consumers);
        Ok(true)
    }

    /// Waits until those are done who lent a buffer.
    fn await_return(&mut self, lent: &Lent) -> Result<(), Failure> {
        self.filled.lent += 1;
        for (slot, _) in &lent.by {
            let points = self.points.get(*slot).ok_or("no such consumer")?;
            let point = (lent.buffer, lent.seq);
            let deadline = Deadline::after(STUCK);
            // Who was not woken finds out by itself in the end: that is too late.
            if !points.wait(point, Some(deadline), || None) || deadline.has_passed() {
                return Err(format!("{slot} never gives {lent:?} back").into());
            }
            let is_orphaned = points.status(lent.buffer, lent.seq) == FenceStatus::Failed(Errno::EOWNERDEAD);
            self.filled.orphaned += u64::from(is_orphaned);
        }
        Ok(())
    }

    /// Gets a buffer, and what is to be waited for before it is written.
    fn acquire(&mut self) -> Result<(usize, Option<Lent>), Failure> {
        loop {
            self.filled.departed += drop_departed(&mut self.producer);
            if let Some(found) = take(&mut self.producer) {
                return Ok(found);
            }
            // Perhaps consumers wait for contents: a device does not keep them waiting until there is a buffer.
            if self.work_once()? {
                continue;
            }
            let departed = &mut self.filled.departed;
            let look = |producer: &mut _| {
                *departed += drop_departed(producer);
                take(producer)
            };
            if let Some(found) = self.turns.wait(&mut self.producer, look)? {
                return Ok(found);
            }
        }
    }

    /// As many as may be in flight when nobody has any frame any more.
    fn acquire_window(&mut self) -> Result<(), Failure> {
        for _ in 0..DEPTH {
            if let (_, Some(lent)) = self.acquire()? {
                self.await_return(&lent)?;
            }
        }
        Ok(())
    }
}

fn take(producer: &mut Producer<Own, Other>) -> Option<(usize, Option<Lent>)> {
    let idle = producer.acquire_now().map(|buffer| (buffer, None));
    idle.or_else(|| producer.try_acquire_lent().map(|lent| (lent.buffer, Some(lent))))
}
