//! The producer of a stream.

mod acquiring;
mod changes;
mod creating;
mod fenced;
mod members;
mod moving;
mod polled;
mod spent;

use crate::connection::Connection;
use crate::error::{AcquireError, PublishError, SessionError};
use crate::frame::{FrameMut, Returned};
use crate::generation::Generation;
use crate::liveness::Liveness;
use crate::moving::{MoveStats, Mover};
use crate::watch::Watch;
use changes::News;
pub use creating::StreamTerms;
use fenced::Fences;
pub use members::ConsumerInfo;
use members::Roster;
pub use polled::PolledProducer;
use spent::Spent;
use std::sync::Arc;
use std::time::Duration;
use wharf_core::DmaBuf;
use wharf_memory::{Deadline, OwnedWords, ReadOnlyWords, bytes_moved};
use wharf_protocol::{EndReason, EndStream, Incarnation, IssueToken, ObjectKind, StreamId, Token};
use wharf_stream::{FrameInfo, Waiting};

/// What a producer has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProducerStats {
    /// Frames published.
    pub published: u64,
    /// Calls of `acquire` that had to sleep.
    pub waits: u64,
    /// Bytes of frames that Wharf itself copied while handing buffers over, counted where all copies are made.
    pub bytes_copied: u64,
    /// The moves to other buffers.
    pub moves: MoveStats,
}

/// The producer of a stream: fills buffers and hands them to every consumer.
///
/// When it is dropped without [`Producer::finish`], consumers are told that it ended in order all the same; when its process dies,
/// they see [`ReceiveError::ProducerDied`](crate::ReceiveError::ProducerDied).
#[derive(Debug)]
pub struct Producer {
    connection: Arc<Connection>,
    stream: StreamId,
    name: String,
    ring: wharf_stream::Producer<Arc<OwnedWords>, Arc<ReadOnlyWords>>,
    fences: Fences,
    memory: Generation,
    spent: Spent,
    /// Buffers in use before, in which frames still lie.
    older: Vec<Generation>,
    mover: Mover,
    returned: Arc<Returned>,
    roster: Roster,
    news: News,
    /// The newest consumer admitted.
    admitted: Incarnation,
    trouble: Option<SessionError>,
    liveness: Liveness,
    /// What wakes it in an event loop, if it polls.
    watch: Option<Watch>,
    stats: ProducerStats,
    ended: bool,
}

impl Producer {
    /// What people call the stream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its buffers, those of the generation in use. Writing through their mappings changes frames that consumers hold: write through [`FrameMut`] instead.
    pub fn buffers(&self) -> &[DmaBuf] {
        &self.memory.buffers
    }

    /// What it has done so far.
    pub fn stats(&self) -> ProducerStats {
        ProducerStats {
            moves: self.mover.stats(),
            ..self.stats
        }
    }

    /// The consumers it knows of, as of its last call of `acquire` or `publish`.
    pub fn consumers(&self) -> impl Iterator<Item = &ConsumerInfo> {
        self.roster.present()
    }

    /// The consumers that left or died since this was last asked.
    pub fn take_departed(&mut self) -> Vec<ConsumerInfo> {
        self.roster.take_departed()
    }

    /// Why a consumer that joined is not in the stream yet, if that went wrong since this was last asked: the broker did not answer, or
    /// this process had no room for its page. It is tried again every second; frames go on meanwhile.
    pub fn take_trouble(&mut self) -> Option<SessionError> {
        self.trouble.take()
    }

    /// Chooses how [`Producer::acquire`] waits for a buffer; at first that is [`Waiting::default`].
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.ring.set_waiting(waiting);
    }

    /// Limits the buffers that consumers have and that are being filled to `limit` together, at least 1; at first only their number does.
    /// [`Producer::acquire`] waits as if there were no more buffers, so that frames are written to the few that the processors' caches still
    /// have: with two or three, frames of some megabytes pass up to twice as fast as with many. Consumers get fewer frames queued than
    /// the depth they asked for.
    pub fn set_in_flight_limit(&mut self, limit: usize) {
        self.ring.set_in_flight_limit(limit);
    }

    /// Makes a token with which `uses` (1..=1000) consumers can join.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `EINVAL` for `uses` out of range; `EPIPE` when the broker is gone.
    pub fn token(&self, uses: u32) -> Result<Token, SessionError> {
        let request = IssueToken {
            kind: ObjectKind::Stream,
            id: self.stream.0,
            uses,
        };
        Ok(self.connection.ask(request)?.token)
    }

    /// Waits until at least `count` consumers are in the stream, so that none of them misses the first frame. Returns whether they are.
    ///
    /// # Blocking
    ///
    /// Asleep, for `timeout`; for ever without one.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`] (`EPIPE`) when the broker is gone, so that nobody can join any more.
    pub fn wait_for_consumers(
        &mut self,
        count: usize,
        timeout: Option<Duration>,
    ) -> Result<bool, SessionError> {
        let deadline = timeout.map(Deadline::after);
        loop {
            self.refresh();
            if self.consumers().count() >= count {
                return Ok(true);
            }
            if self.liveness.is_due() {
                self.bury_dead();
                self.check_broker()?;
            }
            if deadline.is_some_and(Deadline::has_passed) {
                return Ok(false);
            }
            let until = self.liveness.until(deadline);
            self.ring.wait(Some(until), |_| None::<()>);
        }
    }

    /// Takes a buffer to fill: one that no consumer has any more, and in which no work goes on.
    ///
    /// # Blocking
    ///
    /// While consumers have all buffers, or one that takes every frame has as many as its depth, those included on which their devices or that
    /// of this process still work: asleep, for `timeout`; for
    /// ever without one; not at all with a zero one. Consumers that die meanwhile are dropped.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`] (`EAGAIN`) names who has frames; [`AcquireError::AllInHand`] (`EBUSY`) at once when only the caller
    /// can end the wait.
    pub fn acquire(&mut self, timeout: Option<Duration>) -> Result<FrameMut, AcquireError> {
        let copied_before = bytes_moved();
        let acquired = self.acquire_index(timeout);
        self.stats.bytes_copied += bytes_moved().wrapping_sub(copied_before);
        Ok(self.frame(acquired?))
    }

    fn frame(&mut self, index: usize) -> FrameMut {
        self.mover.saw_frame(self.memory.number);
        self.spent.take(index).unwrap_or_else(|| FrameMut {
            buffer: self.memory.buffers[index].clone(),
            generation: self.memory.number,
            index,
            returned: Arc::clone(&self.returned),
            fences: Vec::new(),
            is_published: false,
        })
    }

    /// Keeps a frame that was published for the next one in its buffer, unless the stream has moved to other buffers since.
    #[inline]
    fn keep(&mut self, frame: FrameMut) {
        match frame.generation == self.memory.number {
            true => self.spent.put(frame),
            false => frame.forget(),
        }
    }

    /// Publishes a frame to every consumer and returns its number. `info.generation` is filled in.
    ///
    /// # Blocking
    ///
    /// Not on consumers. A consumer that has just joined is fetched from the broker first, so that this frame is its first:
    /// some tens of microseconds, once a join. A broker that does not answer costs a tenth of a second, at most once a second; the
    /// consumer then gets a later frame as its first (see [`Producer::take_trouble`]).
    ///
    /// # Errors
    ///
    /// [`PublishError`] when the frame is of another stream or `info` does not fit the buffer (`EINVAL`), or fences of the frame are not signaled
    /// (`EBUSY`); the buffer goes back unseen.
    pub fn publish(&mut self, frame: FrameMut, info: &FrameInfo) -> Result<u64, PublishError> {
        let copied_before = bytes_moved();
        let published = self.publish_checked(&frame, info);
        self.stats.bytes_copied += bytes_moved().wrapping_sub(copied_before);
        let seq = published?;
        self.stats.published += 1;
        self.keep(frame);
        Ok(seq)
    }

    fn publish_checked(&mut self, frame: &FrameMut, info: &FrameInfo) -> Result<u64, PublishError> {
        self.check(frame, info)?;
        match frame.pending() {
            0 => {}
            pending => return Err(PublishError::NotIdle { pending }),
        }
        self.refresh();
        self.ring.publish(frame.index, info).ok_or_else(|| self.foreign())
    }

    fn foreign(&self) -> PublishError {
        PublishError::ForeignFrame {
            stream: self.name.clone(),
        }
    }

    /// Whether the frame is this stream's and is as `info` says.
    fn check(&self, frame: &FrameMut, info: &FrameInfo) -> Result<(), PublishError> {
        if !Arc::ptr_eq(&frame.returned, &self.returned) {
            return Err(self.foreign());
        }
        let size_bytes = frame.buffer.size_bytes();
        if info.used_bytes > size_bytes {
            return Err(PublishError::UsedBytes {
                used_bytes: info.used_bytes,
                size_bytes,
            });
        }
        if let Some(layout) = &info.layout {
            layout.validate(size_bytes)?;
        }
        Ok(())
    }

    /// Ends the stream: consumers receive the frames published so far, then
    /// [`ReceiveError::Ended`](crate::ReceiveError::Ended).
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`] when the broker is gone: consumers then see the death of this process instead.
    pub fn finish(mut self) -> Result<ProducerStats, SessionError> {
        self.ended = true;
        let reason = EndReason::Ended;
        self.connection.ask(EndStream {
            stream: self.stream,
            reason,
        })?;
        Ok(self.stats())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if !self.ended {
            // A thread that panics has not finished: to its consumers that is a death.
            let reason = match std::thread::panicking() {
                true => EndReason::ProducerDied,
                false => EndReason::Ended,
            };
            // Should the broker be gone, consumers watch this process.
            self.connection.give_back(EndStream {
                stream: self.stream,
                reason,
            });
        }
    }
}
