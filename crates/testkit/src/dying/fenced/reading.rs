//! A consumer whose device still reads frames that were given back.

use super::{Other, Own, PATTERN, errno_of};
use crate::dying::pages::{BUFFERS, Bell, DEPTH, FRAME_BYTES, Stage};
use crate::dying::{Failure, Fuse, Received, STUCK};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use wharf::now_ns;
use wharf_core::{Errno, FenceStatus};
use wharf_memory::{Access, Deadline, Mapping, WaitOutcome};
use wharf_stream::status::StreamState;
use wharf_stream::{Claim, Consumer, Points, PointsWriter, Policy, Sleepers, leave, lend, settle};

/// What a consumer got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// How many, each whole if it has contents.
    pub received: Received,
    /// Those whose contents died with the producer: buffer and number.
    pub orphaned: Vec<(usize, u64)>,
}

/// A frame that was given back and is still read.
struct Lent {
    claim: Claim,
    /// Where the buffer lies in the memory.
    place: usize,
    point: u64,
    /// There is something to read.
    is_whole: bool,
}

struct Taker {
    page: Own,
    ring: Other,
    consumer: Consumer<Own, Other>,
    /// The producer's.
    bell: Arc<Bell>,
    policy: Policy,
    memory: Mapping,
    device: PointsWriter<Own>,
    /// When contents are there.
    points: Points<Other, Own>,
    lent: VecDeque<Lent>,
    read: Read,
}

/// Takes frames until the stream is over, or `frames` of them, and leaves. Lends each back and reads it a while longer.
///
/// # Blocking
///
/// Until then.
///
/// # Errors
///
/// A frame that is torn, also after it was lent, given twice, out of order or missing; contents with another error than their own; nothing to
/// wait for within [`STUCK`].
pub fn read(stage: &Stage, number: usize, fuse: &Fuse, frames: Option<u64>) -> Result<Read, Failure> {
    let mut taker = Taker::new(stage, number, fuse)?;
    while frames.is_none_or(|frames| taker.read.received.frames < frames) {
        let state = taker.consumer.stream_state();
        if let Some(claim) = taker.consumer.try_claim()? {
            taker.take(claim)?;
            continue;
        }
        taker.settle_down_to(0)?;
        if state != StreamState::Running {
            break;
        }
        taker.await_frame()?;
    }
    taker.settle_down_to(0)?;
    leave(&taker.page, &taker.ring, Some(&*taker.bell));
    Ok(taker.read)
}

impl Taker {
    fn new(stage: &Stage, number: usize, fuse: &Fuse) -> Result<Self, Failure> {
        let seat = stage.seats.get(number).ok_or("there is no such seat")?;
        let page: Own = Arc::new(fuse.guard(seat.page.own()?));
        let ring: Other = Arc::new(stage.ring.other()?);
        let pages = (ring.clone(), Arc::new(stage.status.other()?));
        let who = (number, number as u64 + 1);
        let terms = (DEPTH, seat.policy());
        let sleepers = Arc::new(Sleepers::of_consumer(page.clone()));
        let bell = Arc::new(stage.producers_bell()?);
        let mut consumer = Consumer::new(page.clone(), pages.clone(), who, BUFFERS, terms);
        consumer.set_producers_bell(bell.clone());
        Ok(Self {
            points: Points::of_producer(pages, sleepers),
            consumer,
            bell,
            policy: seat.policy(),
            memory: stage.memory.map(Access::ReadOnly)?,
            device: PointsWriter::of_consumer(page.clone()),
            page,
            ring,
            lent: VecDeque::new(),
            read: Read::default(),
        })
    }

    fn take(&mut self, claim: Claim) -> Result<(), Failure> {
        self.read.received.count(&claim, self.policy)?;
        self.consumer.count_received(&claim, now_ns());
        let place = usize::try_from(self.consumer.generation(&claim))? * BUFFERS + claim.buffer;
        let is_whole = self.await_contents(&claim)?;
        self.verify((place, claim.seq), is_whole)?;
        let point = lend(&self.page, &self.ring, Some(&*self.bell), claim.buffer).ok_or("not held")?;
        let lent = Lent {
            claim,
            place,
            point,
            is_whole,
        };
        self.lent.push_back(lent);
        self.settle_down_to(DEPTH - 1)
    }

    /// Waits until the contents are there, or are known never to come; whether they are good.
    fn await_contents(&mut self, claim: &Claim) -> Result<bool, Failure> {
        let (buffer, seq) = (claim.buffer, claim.seq);
        if !claim.has_point() {
            return Ok(true);
        }
        if !self.points.status(buffer, seq).is_signaled() {
            // The producer's device may wait for this one's.
            self.settle_down_to(0)?;
        }
        let deadline = Deadline::after(STUCK);
        // Who was not woken finds out by itself in the end: that is too late.
        if !self.points.wait((buffer, seq), Some(deadline), || None) || deadline.has_passed() {
            return Err(format!("the contents of frame {seq} never came").into());
        }
        match self.points.status(buffer, seq) {
            FenceStatus::Failed(Errno::EOWNERDEAD) => {
                self.read.orphaned.push((buffer, seq));
                Ok(false)
            }
            status if status == errno_of(seq).map_or(FenceStatus::Signaled, FenceStatus::Failed) => {
                Ok(status == FenceStatus::Signaled)
            }
            status => Err(format!("the contents of frame {seq} are {status:?}").into()),
        }
    }

    fn verify(&self, (place, seq): (usize, u64), is_whole: bool) -> Result<(), Failure> {
        if is_whole {
            let frame = self.memory.view();
            let frame = frame.subview(place * FRAME_BYTES, FRAME_BYTES)?;
            PATTERN.verify(&frame, seq)?;
        }
        Ok(())
    }

    /// The device goes on reading, and is done with all but the `count` newest. Nothing of a frame may have changed until then.
    fn settle_down_to(&mut self, count: usize) -> Result<(), Failure> {
        while self.lent.len() > count
            && let Some(lent) = self.lent.pop_front()
        {
            // So that the producer comes to wait, now and then.
            std::thread::sleep(Duration::from_micros(100));
            self.verify((lent.place, lent.claim.seq), lent.is_whole)?;
            let work = (lent.claim.buffer, lent.point);
            let error = lent.claim.seq.is_multiple_of(4).then_some(Errno::EIO);
            settle(&mut self.device, (&self.ring, Some(&*self.bell)), work, error);
        }
        Ok(())
    }

    fn await_frame(&mut self) -> Result<(), Failure> {
        match self.consumer.wait(Some(Deadline::after(STUCK))) {
            WaitOutcome::TimedOut => {
                Err(format!("nothing came after frame {}", self.read.received.last).into())
            }
            WaitOutcome::Retry => Ok(()),
        }
    }
}
