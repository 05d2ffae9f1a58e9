//! How a producer finds a buffer, waiting for one if need be.

use super::Producer;
use super::fenced::Ring;
use crate::error::AcquireError;
use std::time::{Duration, Instant};
use wharf_memory::Deadline;
use wharf_stream::Blocked;

impl Producer {
    pub(super) fn acquire_index(&mut self, timeout: Option<Duration>) -> Result<usize, AcquireError> {
        self.acquire_by(timeout, |ring| ring.acquire_now())
    }

    /// Finds something with `acquire`, waiting as long as there is nothing.
    pub(super) fn acquire_by<T>(
        &mut self,
        timeout: Option<Duration>,
        acquire: impl Fn(&mut Ring) -> Option<T>,
    ) -> Result<T, AcquireError> {
        let started = Instant::now();
        let deadline = timeout.map(Deadline::after);
        let mut slept = false;
        loop {
            self.refresh();
            if let Some(acquired) = acquire(&mut self.ring) {
                return Ok(acquired);
            }
            let blocked = self.ring.blocked();
            if blocked.by.is_empty() && !self.ring.has_unfinished() {
                return Err(self.all_in_hand());
            }
            if self.liveness.is_due() && self.bury_dead() {
                continue;
            }
            if deadline.is_some_and(Deadline::has_passed) {
                return Err(self.timed_out(&blocked, started.elapsed()));
            }
            self.stats.waits += u64::from(!std::mem::replace(&mut slept, true));
            let until = self.liveness.until(deadline);
            if let (Some(acquired), _) = self.ring.wait(Some(until), &acquire) {
                return Ok(acquired);
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
