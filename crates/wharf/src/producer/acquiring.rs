//! How a producer finds a buffer, waiting for one if need be.

use super::Producer;
use crate::error::AcquireError;
use std::time::{Duration, Instant};
use wharf_memory::Deadline;
use wharf_stream::Blocked;

impl Producer {
    pub(super) fn acquire_index(&mut self, timeout: Option<Duration>) -> Result<usize, AcquireError> {
        let started = Instant::now();
        let deadline = timeout.map(Deadline::after);
        let mut slept = false;
        loop {
            self.refresh();
            let blocked = match self.ring.try_acquire() {
                Ok(index) => return Ok(index),
                Err(blocked) => blocked,
            };
            if blocked.by.is_empty() {
                self.ring.give_up();
                return Err(self.all_in_hand());
            }
            if self.liveness.is_due() && self.bury_dead() {
                continue;
            }
            if deadline.is_some_and(Deadline::has_passed) {
                self.ring.give_up();
                return Err(self.timed_out(&blocked, started.elapsed()));
            }
            self.stats.waits += u64::from(!std::mem::replace(&mut slept, true));
            let until = self.liveness.until(deadline);
            if let (Some(index), _) = self.ring.wait(Some(until), |ring| ring.try_acquire().ok()) {
                return Ok(index);
            }
        }
    }

    fn timed_out(&self, blocked: &Blocked, waited: Duration) -> AcquireError {
        let blame = |blocker| self.roster.blame(blocker);
        AcquireError::TimedOut {
            stream: self.name.clone(),
            waited,
            consumers: blocked.by.iter().filter_map(blame).collect(),
        }
    }

    fn all_in_hand(&self) -> AcquireError {
        let (in_hand, count) = (self.ring.in_hand(), self.memory.buffers.len());
        AcquireError::AllInHand {
            stream: self.name.clone(),
            in_hand,
            count,
        }
    }
}
