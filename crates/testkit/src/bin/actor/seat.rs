//! A consumer in a stream: receives frames, holds them, and finds fault with them.

use crate::stage::{Failure, stop_at};
use std::collections::VecDeque;
use std::thread::sleep;
use std::time::Duration;
use wharf::{Consumer, Frame, ReceiveError};
use wharf_protocol::Policy;
use wharf_testkit::actor::{Behavior, ConsumerTerms, Ending, MoveStage, Tally};
use wharf_testkit::{Pattern, Rng};

/// How long it sleeps at once before it looks for orders.
const SLICE: Duration = Duration::from_millis(20);

pub(crate) struct Seat {
    consumer: Consumer,
    pattern: Pattern,
    policy: Policy,
    depth: usize,
    behavior: Behavior,
    rng: Rng,
    held: VecDeque<Frame>,
    tally: Tally,
    history: Vec<(u64, u64)>,
}

impl Seat {
    pub(crate) fn new(consumer: Consumer, terms: &ConsumerTerms, (asked_ns, joined_ns): (u64, u64)) -> Self {
        Self {
            consumer,
            pattern: terms.pattern,
            policy: terms.policy,
            // CAST: u32 fits usize on Linux.
            depth: terms.depth as usize,
            behavior: terms.behavior,
            rng: Rng::new(asked_ns),
            held: VecDeque::new(),
            tally: Tally {
                join_asked_ns: asked_ns,
                joined_ns,
                ..Tally::default()
            },
            history: Vec::new(),
        }
    }

    pub(crate) fn stop_at(&mut self, stage: MoveStage) {
        self.consumer.observe_moves(stop_at(stage));
    }

    /// Whether it still receives frames.
    pub(crate) fn wants_more(&self) -> bool {
        let is_full = self.behavior == Behavior::Hoarding && self.held.len() >= self.depth;
        self.tally.ending.is_none() && !is_full
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally {
            holding: self.held.len(),
            bytes_copied: self.consumer.stats().bytes_copied,
            ..self.tally
        }
    }

    pub(crate) fn history(&self) -> &[(u64, u64)] {
        &self.history
    }

    /// Receives a frame, if one comes soon, and does with it as it behaves.
    pub(crate) fn watch(&mut self) -> Result<(), Failure> {
        let patience = match self.behavior {
            Behavior::Spinning => Duration::ZERO,
            Behavior::Steady { .. } | Behavior::Hoarding => SLICE,
        };
        match self.consumer.receive(Some(patience)) {
            Ok(frame) => {
                self.take(frame)?;
                self.behave()
            }
            Err(ReceiveError::TimedOut { .. }) => Ok(()),
            Err(error) => self.end(error),
        }
    }

    fn behave(&mut self) -> Result<(), Failure> {
        match self.behavior {
            Behavior::Spinning => self.let_go(0),
            Behavior::Hoarding => Ok(()),
            Behavior::Steady { keep, hold_us } => {
                sleep(self.rng.duration_up_to(Duration::from_micros(hold_us)));
                self.let_go(keep.clamp(1, self.depth) - 1)
            }
        }
    }

    fn take(&mut self, frame: Frame) -> Result<(), Failure> {
        self.check_order(&frame)?;
        self.check_content(&frame)?;
        if self.tally.received == 0 {
            self.tally.first_seq = frame.seq() - frame.skipped();
        }
        self.tally.skipped += frame.skipped();
        self.tally.received += 1;
        self.tally.last_seq = frame.seq();
        self.tally.generation = frame.generation();
        self.history.push((frame.seq(), frame.published_ns()));
        self.held.push_back(frame);
        Ok(())
    }

    fn check_order(&self, frame: &Frame) -> Result<(), Failure> {
        let (last, seq, skipped) = (self.tally.last_seq, frame.seq(), frame.skipped());
        let follows = self.tally.received == 0 || seq == last + 1 + skipped;
        let may_skip = self.policy == Policy::Latest;
        if !follows || (skipped > 0 && !may_skip) {
            return Err(format!("frame {seq}, {skipped} skipped, came after frame {last}").into());
        }
        Ok(())
    }

    fn check_content(&self, frame: &Frame) -> Result<(), Failure> {
        let (seq, info) = (frame.seq(), frame.info());
        if info.user.as_bytes() != seq.to_le_bytes() || info.timestamp_ns != seq * 1000 {
            return Err(format!("frame {seq} is described as another: {info:?}").into());
        }
        Ok(self.pattern.verify(&frame.view()?, seq)?)
    }

    /// Drops the oldest frames but `keep`, after looking at each once more: nobody may have touched it.
    pub(crate) fn let_go(&mut self, keep: usize) -> Result<(), Failure> {
        while self.held.len() > keep {
            if let Some(frame) = self.held.pop_front() {
                self.check_content(&frame)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, error: ReceiveError) -> Result<(), Failure> {
        let ending = match error {
            ReceiveError::Ended { .. } => Ending::Ended,
            ReceiveError::ProducerDied { .. } => Ending::ProducerDied,
            ReceiveError::Stranded { .. } => Ending::Stranded,
            ReceiveError::CutOff { .. } => Ending::CutOff,
            error => return Err(format!("after frame {}: {error}", self.tally.last_seq).into()),
        };
        self.tally.ending = Some(ending);
        self.let_go(0)
    }
}
