//! The producer of a stream.

mod changes;
mod members;

use crate::buffers::BufferSet;
use crate::connection::{Connection, SHORT_PATIENCE};
use crate::error::{AcquireError, PublishError, SessionError};
use crate::frame::{FrameMut, Returned};
use crate::page;
use changes::News;
pub use members::ConsumerInfo;
use members::Roster;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wharf_core::DmaBuf;
use wharf_memory::{Deadline, OwnedWords, ReadOnlyWords, WaitOutcome, bytes_moved};
use wharf_protocol::{CreateStream, EndStream, IssueToken, ObjectKind, StreamId, Token};
use wharf_stream::{FrameInfo, RING_PAGE_BYTES, RING_PAGE_CELLS, STATUS_PAGE_BYTES, STATUS_PAGE_CELLS};

/// How long a producer or consumer sleeps before it looks whether those it waits for are still alive, in case the broker cannot
/// say so any more.
const LIVENESS_SLICE: Duration = Duration::from_millis(100);

/// When to look next: at the deadline, or before it for signs of life.
pub(crate) fn next_look(deadline: Option<Deadline>) -> Deadline {
    let slice = Deadline::after(LIVENESS_SLICE);
    deadline.map_or(slice, |deadline| deadline.min(slice))
}

/// What a producer has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProducerStats {
    /// Frames published.
    pub published: u64,
    /// Calls of `acquire` that had to sleep.
    pub waits: u64,
    /// Bytes of frames that Wharf itself copied while handing buffers over, counted where all copies are made.
    pub bytes_copied: u64,
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
    generation: u64,
    ring: wharf_stream::Producer<OwnedWords, ReadOnlyWords>,
    buffers: Vec<DmaBuf>,
    returned: Arc<Returned>,
    roster: Roster,
    news: News,
    stats: ProducerStats,
    ended: bool,
}

impl Producer {
    pub(crate) fn create(
        connection: &Arc<Connection>,
        name: &str,
        buffers: BufferSet,
        max_consumers: u32,
    ) -> Result<Self, SessionError> {
        if !buffers.is_writable() {
            return Err(SessionError::NotWritable {
                name: buffers.name().to_owned(),
            });
        }
        let ring = page::create("ring", RING_PAGE_BYTES, RING_PAGE_CELLS)?;
        let request = CreateStream {
            set: buffers.set(),
            name: name.to_owned(),
            max_consumers,
        };
        let (reply, fds) = connection.call(request, &[ring.memfd.as_fd()], |_| 1)?;
        let status = page::open("status", fds.first(), STATUS_PAGE_BYTES, STATUS_PAGE_CELLS)?;
        let generation = buffers.generation();
        let buffers = buffers.into_buffers();
        Ok(Self {
            connection: Arc::clone(connection),
            stream: reply.stream,
            name: name.to_owned(),
            generation,
            ring: wharf_stream::Producer::new(ring.words, status, buffers.len()),
            buffers,
            returned: Arc::default(),
            roster: Roster::default(),
            news: News::default(),
            stats: ProducerStats::default(),
            ended: false,
        })
    }

    /// What people call the stream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its buffers.
    pub fn buffers(&self) -> &[DmaBuf] {
        &self.buffers
    }

    /// What it has done so far.
    pub fn stats(&self) -> ProducerStats {
        self.stats
    }

    /// The consumers it knows of, as of its last call of `acquire` or `publish`.
    pub fn consumers(&self) -> impl Iterator<Item = &ConsumerInfo> {
        self.roster.present()
    }

    /// The consumers that left or died since this was last asked.
    pub fn take_departed(&mut self) -> Vec<ConsumerInfo> {
        self.roster.take_departed()
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
        Ok(self.connection.call(request, &[], |_| 0)?.0.token)
    }

    /// Waits until at least `count` consumers are in the stream, so that none of them misses the first frame. Returns whether they are.
    ///
    /// # Blocking
    ///
    /// Asleep, for `timeout`; for ever without one.
    ///
    /// # Errors
    ///
    /// [`SessionError`] when a consumer could not be admitted.
    pub fn wait_for_consumers(
        &mut self,
        count: usize,
        timeout: Option<Duration>,
    ) -> Result<bool, SessionError> {
        let deadline = timeout.map(Deadline::after);
        loop {
            self.refresh()?;
            if self.consumers().count() >= count {
                return Ok(true);
            }
            if deadline.is_some_and(Deadline::has_passed) {
                return Ok(false);
            }
            self.ring.wait(Some(next_look(deadline)), |_| None::<()>);
        }
    }

    /// Takes a buffer to fill: one that no consumer has any more.
    ///
    /// # Blocking
    ///
    /// While consumers have all buffers, or one that takes every frame has as many as its depth: asleep, for `timeout`; for
    /// ever without one; not at all with a zero one. Consumers that die meanwhile are dropped.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`] (`EAGAIN`) names who has frames; [`AcquireError::AllInHand`] (`EBUSY`) at once when only the caller
    /// can end the wait; [`AcquireError::Session`] when a new consumer could not be admitted (it is left out, the next call goes
    /// on).
    pub fn acquire(&mut self, timeout: Option<Duration>) -> Result<FrameMut, AcquireError> {
        let copied_before = bytes_moved();
        let acquired = self.acquire_index(timeout);
        self.stats.bytes_copied += bytes_moved().wrapping_sub(copied_before);
        let index = acquired?;
        Ok(FrameMut {
            buffer: self.buffers[index].clone(),
            index,
            returned: Arc::clone(&self.returned),
            published: false,
        })
    }

    fn acquire_index(&mut self, timeout: Option<Duration>) -> Result<usize, AcquireError> {
        let started = Instant::now();
        let deadline = timeout.map(Deadline::after);
        let mut slept = false;
        loop {
            self.refresh()?;
            let blocked = match self.ring.try_acquire() {
                Ok(index) => return Ok(index),
                Err(blocked) => blocked,
            };
            if blocked.by.is_empty() {
                return Err(self.all_in_hand());
            }
            if deadline.is_some_and(Deadline::has_passed) {
                let consumers = blocked
                    .by
                    .iter()
                    .filter_map(|blocker| self.roster.blame(blocker))
                    .collect();
                let waited = started.elapsed();
                return Err(AcquireError::TimedOut {
                    stream: self.name.clone(),
                    waited,
                    consumers,
                });
            }
            self.stats.waits += u64::from(!std::mem::replace(&mut slept, true));
            if let Some(index) = self.sleep(deadline) {
                return Ok(index);
            }
        }
    }

    fn all_in_hand(&self) -> AcquireError {
        let (in_hand, count) = (self.ring.in_hand(), self.buffers.len());
        AcquireError::AllInHand {
            stream: self.name.clone(),
            in_hand,
            count,
        }
    }

    /// Sleeps a while; a buffer that came free just before is returned instead.
    fn sleep(&mut self, deadline: Option<Deadline>) -> Option<usize> {
        let until = next_look(deadline);
        let (found, outcome) = self.ring.wait(Some(until), |ring| ring.try_acquire().ok());
        if found.is_none() && outcome == WaitOutcome::TimedOut {
            self.bury_dead();
        }
        found
    }

    /// Publishes a frame to every consumer and returns its number. `info.generation` is filled in.
    ///
    /// # Blocking
    ///
    /// Not on consumers. A consumer that has just joined is fetched from the broker first, so that this frame is its first:
    /// some tens of microseconds, once a join, at most a quarter of a second.
    ///
    /// # Errors
    ///
    /// [`PublishError`] (`EINVAL`) when the frame is of another stream or `info` does not fit the buffer; the buffer goes back
    /// unseen. [`PublishError::Session`] when a new consumer could not be admitted; the frame is not published.
    pub fn publish(&mut self, mut frame: FrameMut, info: &FrameInfo) -> Result<u64, PublishError> {
        let copied_before = bytes_moved();
        let published = self.publish_checked(&mut frame, info);
        self.stats.bytes_copied += bytes_moved().wrapping_sub(copied_before);
        self.stats.published += u64::from(published.is_ok());
        published
    }

    fn publish_checked(&mut self, frame: &mut FrameMut, info: &FrameInfo) -> Result<u64, PublishError> {
        let foreign = || PublishError::ForeignFrame {
            stream: self.name.clone(),
        };
        if !Arc::ptr_eq(&frame.returned, &self.returned) {
            return Err(foreign());
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
        self.refresh()?;
        let info = FrameInfo {
            generation: self.generation,
            ..*info
        };
        let seq = self.ring.publish(frame.index, &info);
        frame.published = seq.is_some();
        seq.ok_or_else(|| PublishError::ForeignFrame {
            stream: self.name.clone(),
        })
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
        self.connection
            .call(EndStream { stream: self.stream }, &[], |_| 0)?;
        Ok(self.stats)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if !self.ended && !std::thread::panicking() {
            // Nobody is left to tell of a failure: without the broker, consumers watch this process.
            let _ = self
                .connection
                .call_within(SHORT_PATIENCE, EndStream { stream: self.stream }, &[]);
        }
    }
}
