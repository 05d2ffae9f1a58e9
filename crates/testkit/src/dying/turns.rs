//! Waiting for a buffer asleep and for the doorbell, in turns.

use super::pages::Bell;
use super::{Failure, STUCK};
use wharf_memory::{Deadline, ReadWords, WaitOutcome, WriteWords};
use wharf_stream::Producer;

/// How a producer waits.
pub(super) struct Turns {
    bell: Bell,
    waits: u64,
}

impl Turns {
    pub(super) fn new(bell: Bell) -> Self {
        Self { bell, waits: 0 }
    }

    /// Waits once. What `look` then finds, if anything; that may take more than one wait.
    pub(super) fn wait<W: WriteWords, R: ReadWords, T>(
        &mut self,
        producer: &mut Producer<W, R>,
        look: impl FnMut(&mut Producer<W, R>) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        self.waits += 1;
        let (found, is_stuck) = if self.waits.is_multiple_of(2) {
            self.wait_for_bell(producer, look)?
        } else {
            let (found, outcome) = producer.wait(Some(Deadline::after(STUCK)), look);
            let is_stuck = found.is_none() && outcome == WaitOutcome::TimedOut;
            (found, is_stuck)
        };
        match is_stuck {
            true => Err(format!("no buffer after frame {}", producer.head()).into()),
            false => Ok(found),
        }
    }

    fn wait_for_bell<W: WriteWords, R: ReadWords, T>(
        &self,
        producer: &mut Producer<W, R>,
        mut look: impl FnMut(&mut Producer<W, R>) -> Option<T>,
    ) -> Result<(Option<T>, bool), Failure> {
        self.bell.silence();
        producer.arm();
        let found = look(producer);
        let is_rung = found.is_some() || self.bell.wait(STUCK)?;
        producer.disarm();
        Ok((found, !is_rung))
    }
}

/// Drops the consumers that are gone, if some may be; how many.
pub(super) fn drop_departed<W: WriteWords, R: ReadWords>(producer: &mut Producer<W, R>) -> usize {
    if producer.take_status_change() || producer.has_departures() {
        return producer.drop_departed().len();
    }
    0
}
