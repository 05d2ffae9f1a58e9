//! A consumer that checks every frame.

use super::pages::{BUFFERS, Bell, DEPTH, FRAME_BYTES, Seat, Stage};
use super::{Failure, Fuse, FusedWords, STUCK};
use crate::pattern::Pattern;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use wharf::now_ns;
use wharf_memory::{Access, Deadline, Mapping, OwnedWords, ReadOnlyWords, WaitOutcome};
use wharf_stream::status::StreamState;
use wharf_stream::{Claim, Consumer, Doorbell, Policy, leave};

pub(super) const PATTERN: Pattern = Pattern {
    seed: 77,
    len_bytes: FRAME_BYTES as u64,
};

/// What a consumer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// How many frames, each whole and later than the one before.
    pub frames: u64,
    /// The number of the last.
    pub last: u64,
    /// How many it was not given.
    pub skipped: u64,
}

impl Received {
    /// Counts a frame, which must be the next one that the policy gives.
    pub(super) fn count(&mut self, claim: &Claim, policy: Policy) -> Result<(), Failure> {
        let is_next = claim.seq == self.last + 1 + claim.skipped;
        // Who joins late is not told of the frames before it.
        if self.frames > 0 && !is_next || claim.seq <= self.last {
            return Err(format!("frame {} follows {}: {claim:?}", claim.seq, self.last).into());
        }
        if policy == Policy::Block && claim.skipped > 0 {
            return Err(format!("{} frames are lost before {}", claim.skipped, claim.seq).into());
        }
        self.frames += 1;
        self.last = claim.seq;
        self.skipped += claim.skipped;
        Ok(())
    }
}

struct Taker {
    consumer: Consumer<FusedWords<OwnedWords>, ReadOnlyWords>,
    policy: Policy,
    memory: Mapping,
    held: VecDeque<Claim>,
    received: Received,
    /// Its own, if it waits for that.
    bell: Option<Bell>,
}

/// Takes frames until the stream is over, or `frames` of them, and leaves.
///
/// # Blocking
///
/// Until then.
///
/// # Errors
///
/// A frame that is torn, given twice, out of order or missing; nothing to wait for within [`STUCK`].
pub fn consume(stage: &Stage, number: usize, fuse: &Fuse, frames: Option<u64>) -> Result<Received, Failure> {
    let seat = stage.seats.get(number).ok_or("there is no such seat")?;
    let mut taker = Taker::new(stage, number, seat, fuse)?;
    while taker.goes_on(frames)? {}
    taker.release_all()?;
    // The consumer's own page is written by it alone, and nothing else of it does any more.
    let page = fuse.guard(seat.page.own()?);
    let bell = stage.producers_bell()?;
    leave(&page, &stage.ring.other()?, Some(&bell));
    Ok(taker.received)
}

impl Taker {
    fn new(stage: &Stage, number: usize, seat: &Seat, fuse: &Fuse) -> Result<Self, Failure> {
        let mut consumer = Consumer::new(
            fuse.guard(seat.page.own()?),
            (stage.ring.other()?, stage.status.other()?),
            (number, number as u64 + 1),
            BUFFERS,
            (DEPTH, seat.policy()),
        );
        consumer.set_producers_bell(Arc::new(stage.producers_bell()?));
        Ok(Self {
            consumer,
            policy: seat.policy(),
            memory: stage.memory.map(Access::ReadOnly)?,
            held: VecDeque::new(),
            received: Received::default(),
            bell: seat.polls.then(|| seat.bell()).transpose()?,
        })
    }

    /// Takes a frame, or waits for one. Whether there may be more.
    fn goes_on(&mut self, frames: Option<u64>) -> Result<bool, Failure> {
        if frames.is_some_and(|frames| self.received.frames >= frames) {
            return Ok(false);
        }
        let state = self.consumer.stream_state();
        if self.held.len() == DEPTH {
            self.release_oldest()?;
        }
        if let Some(claim) = self.consumer.try_claim()? {
            self.take(claim)?;
            return Ok(true);
        }
        self.release_all()?;
        if state != StreamState::Running {
            return Ok(false);
        }
        self.wait()?;
        Ok(true)
    }

    fn take(&mut self, claim: Claim) -> Result<(), Failure> {
        self.received.count(&claim, self.policy)?;
        self.consumer.count_received(&claim, now_ns());
        self.consumer.disarm_after(claim.seq);
        self.verify(&claim)?;
        self.held.push_back(claim);
        // One that takes the newest is late now and then, so that frames are taken back from it.
        if self.policy == Policy::Latest && claim.seq.is_multiple_of(5) {
            std::thread::sleep(Duration::from_micros(600));
        }
        Ok(())
    }

    fn verify(&self, claim: &Claim) -> Result<(), Failure> {
        let (info, _) = self.consumer.describe(claim, FRAME_BYTES as u64)?;
        self.verify_contents(claim, info.generation)?;
        match info.timestamp_ns {
            said if said == claim.seq => Ok(()),
            said => Err(format!("frame {} is described as {said}", claim.seq).into()),
        }
    }

    /// Nothing of a frame may have changed as long as it is held.
    fn release_oldest(&mut self) -> Result<(), Failure> {
        if let Some(claim) = self.held.pop_front() {
            self.verify_contents(&claim, self.consumer.generation(&claim))?;
            self.consumer.release(claim.buffer);
        }
        Ok(())
    }

    fn verify_contents(&self, claim: &Claim, generation: u64) -> Result<(), Failure> {
        let place = usize::try_from(generation)? * BUFFERS + claim.buffer;
        let view = self.memory.view().subview(place * FRAME_BYTES, FRAME_BYTES)?;
        Ok(PATTERN.verify(&view, claim.seq)?)
    }

    fn release_all(&mut self) -> Result<(), Failure> {
        while !self.held.is_empty() {
            self.release_oldest()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Failure> {
        let is_stuck = match &self.bell {
            None => self.consumer.wait(Some(Deadline::after(STUCK))) == WaitOutcome::TimedOut,
            Some(bell) => self.consumer.arm() && !wait_for(bell, &mut self.consumer)?,
        };
        match is_stuck {
            true => Err(format!("nothing came after frame {}", self.received.last).into()),
            false => Ok(()),
        }
    }
}

fn wait_for(
    bell: &Bell,
    consumer: &mut Consumer<FusedWords<OwnedWords>, ReadOnlyWords>,
) -> Result<bool, Failure> {
    bell.silence();
    if !consumer.settle() {
        bell.ring();
    }
    bell.wait(STUCK)
}
