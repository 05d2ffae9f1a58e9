//! How a producer finds a buffer, waiting for one if need be.

use super::Producer;
use super::fenced::Ring;
use crate::error::AcquireError;
use std::time::{Duration, Instant};
use wharf_memory::Deadline;
use wharf_stream::Blocked;

impl Producer {
    pub(super) fn acquire_index(&mut self, timeout: Option<Duration>) -> Result<usize, AcquireError> {
        self.acquire_by(timeout, wharf_stream::Producer::acquire_now)
    }

    /// Finds something with `acquire`, waiting as long as there is nothing.
    pub(super) fn acquire_by<T>(
        &mut self,
        timeout: Option<Duration>,
        acquire: impl Fn(&mut Ring) -> Option<T>,
    ) -> Result<T, AcquireError> {
        self.refresh();
        match acquire(&mut self.ring) {
            Some(acquired) => Ok(acquired),
            None => self.wait_for(timeout, acquire),
        }
    }

    /// Goes on after nothing was found at once. The clock is not looked at before.
    fn wait_for<T>(
        &mut self,
        timeout: Option<Duration>,
        acquire: impl Fn(&mut Ring) -> Option<T>,
    ) -> Result<T, AcquireError> {
        let started = Instant::now();
        let deadline = timeout.map(Deadline::after);
        let mut slept = false;
        loop {
            if !self.ring.is_blocked_by_others() && !self.ring.has_unfinished() {
                self.ring.give_up();
                return Err(self.all_in_hand());
            }
            let has_buried = self.liveness.is_due() && self.bury_dead();
            if !has_buried {
                if deadline.is_some_and(Deadline::has_passed) {
                    self.ring.give_up();
                    return Err(self.timed_out(&self.ring.blocked(), started.elapsed()));
                }
                self.stats.waits += u64::from(!std::mem::replace(&mut slept, true));
                let until = self.liveness.until(deadline);
                if let (Some(acquired), _) = self.ring.wait(Some(until), &acquire) {
                    return Ok(acquired);
                }
            }
            self.refresh();
            if let Some(acquired) = acquire(&mut self.ring) {
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
