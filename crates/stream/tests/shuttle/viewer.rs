//! A consumer that checks every frame.

use crate::stage::{Exit, Manner, Seat, Stage, Words, incarnation, until};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;
use wharf_memory::ReadWords as _;
use wharf_stream::layout::{ASLEEP, ring};
use wharf_stream::status::{SlotState, StreamState};
use wharf_stream::{Claim, ClaimError, Consumer, Policy, leave};

pub(crate) struct Viewer {
    stage: Arc<Stage>,
    slot: usize,
    consumer: Consumer<Words, Words>,
    held: VecDeque<Claim>,
    last: u64,
    received: u64,
}

impl Viewer {
    pub(crate) fn new(stage: &Arc<Stage>, slot: usize) -> Self {
        let Seat {
            policy, depth, first, ..
        } = stage.seats[slot];
        let pages = (stage.ring.clone(), stage.status.clone());
        let page = stage.consumers[slot].clone();
        let who = (slot, incarnation(slot));
        Self {
            consumer: Consumer::new(page, pages, who, stage.buffers.len(), (depth, policy)),
            stage: stage.clone(),
            slot,
            held: VecDeque::new(),
            last: first - 1,
            received: 0,
        }
    }

    /// Receives until it goes, asleep while there is nothing.
    pub(crate) fn receive(mut self) {
        while !self.has_enough() {
            if self.seat().manner == Manner::Lags {
                self.lag();
            }
            let state = self.consumer.stream_state();
            match self.consumer.try_claim() {
                Ok(Some(claim)) => self.take(claim),
                Ok(None) if state != StreamState::Running => break,
                Ok(None) => {
                    self.release_down_to(0);
                    self.consumer.wait(None);
                }
                Err(ClaimError::HoldsTooMany { depth }) => self.release_down_to(depth - 1),
                Err(error) => panic!("{error}"),
            }
        }
        self.go();
    }

    /// Lets frames that it could have be taken back.
    fn lag(&mut self) {
        self.release_down_to(0);
        let head = (self.last + self.stage.buffers.len() as u64).min(self.stage.frames);
        until(|| self.stage.ring.load_u64(ring::HEAD, Ordering::SeqCst) >= head);
    }

    fn has_enough(&self) -> bool {
        match self.seat().exit {
            Exit::Last => self.last == self.stage.frames,
            Exit::Leaves(frames) | Exit::Dies(frames) => {
                self.received == frames || self.last == self.stage.frames
            }
            Exit::End => false,
        }
    }

    /// Goes; out of order with what it holds.
    fn go(mut self) {
        let (stage, slot) = (self.stage.clone(), self.slot);
        match self.seat().exit {
            Exit::Leaves(_) => leave(&stage.consumers[slot], &stage.ring, None),
            Exit::Dies(_) => stage.broker.set_slot(slot, incarnation(slot), SlotState::Gone),
            Exit::Last | Exit::End => {
                assert_eq!(self.last, stage.frames, "not the last frame");
                self.release_down_to(0);
            }
        }
    }

    fn seat(&self) -> Seat {
        self.stage.seats[self.slot]
    }

    fn take(&mut self, claim: Claim) {
        assert_eq!(self.consumer.generation(&claim), claim.seq, "torn description");
        assert_eq!(claim.seq, self.last + 1 + claim.skipped, "lost or out of order");
        let Seat {
            policy,
            depth,
            manner,
            ..
        } = self.seat();
        assert!(policy == Policy::Latest || claim.skipped == 0, "lost: {claim:?}");
        self.stage.assert_whole(&claim);
        self.last = claim.seq;
        self.received += 1;
        self.held.push_back(claim);
        let is_in_the_way = policy == Policy::Block && claim.seq + depth as u64 <= self.stage.frames;
        if manner == Manner::KeepsWaiting && is_in_the_way {
            until(|| self.stage.ring.load_u32(ring::WAITING, Ordering::SeqCst) == ASLEEP);
        }
        let kept = thread_rng().gen_range(0..=self.held.len());
        self.release_down_to(kept);
    }

    fn release_down_to(&mut self, count: usize) {
        while self.held.len() > count {
            let claim = self.held.pop_front().unwrap();
            self.stage.assert_whole(&claim);
            self.consumer.release(claim.buffer);
        }
    }
}
