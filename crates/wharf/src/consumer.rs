//! A consumer of a stream.

mod joining;
mod moving;
mod polled;
mod thread;

use crate::connection::Connection;
use crate::error::ReceiveError;
use crate::fences::note;
use crate::frame::{Frame, Reading};
use crate::liveness::Liveness;
use crate::moving::MoveStats;
use moving::Memory;
pub use polled::PolledConsumer;
use std::sync::Arc;
use std::time::{Duration, Instant};
pub use thread::FrameThread;
use wharf_core::{DmaBuf, Fence, FenceStatus, Usage};
use wharf_linux::PidFd;
use wharf_memory::{Deadline, OwnedWords, ReadOnlyWords, bytes_moved, now_ns};
use wharf_stream::status::StreamState;
use wharf_stream::{Claim, ClaimError};

/// What a consumer has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerStats {
    /// Frames received.
    pub received: u64,
    /// Frames passed over because newer ones were there (never under `Policy::Block`).
    pub skipped: u64,
    /// Bytes of frames that Wharf itself copied while handing them over, counted where all copies are made.
    pub bytes_copied: u64,
    /// The moves to other buffers.
    pub moves: MoveStats,
}

/// What a consumer has seen of others by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// No death.
    Nothing,
    /// The producer's process is dead.
    ProducerDead,
    /// The broker died before the producer heard of this consumer.
    Stranded,
}

/// A claim, and what its frame is going to share with others in its buffer, if that was known before.
type Claimed = (Claim, Option<Arc<Reading>>);

/// A consumer of a stream: receives frames and holds each until it is dropped.
#[derive(Debug)]
pub struct Consumer {
    port: wharf_stream::Consumer<Arc<OwnedWords>, Arc<ReadOnlyWords>>,
    memory: Memory,
    producer: Arc<PidFd>,
    connection: Arc<Connection>,
    liveness: Liveness,
    /// What was seen of others' deaths without the broker's help; final.
    seen: Seen,
    name: String,
    producer_label: String,
    producer_pid: u32,
    stats: ConsumerStats,
}

impl Consumer {
    /// What people call the stream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the producer calls itself; a hint.
    pub fn producer_label(&self) -> &str {
        &self.producer_label
    }

    /// The producer's process.
    pub fn producer_pid(&self) -> u32 {
        self.producer_pid
    }

    /// The stream's buffers, those of the newest generation in use, read-only.
    pub fn buffers(&self) -> &[DmaBuf] {
        &self.memory.newest().memory.buffers
    }

    /// What this consumer has seen so far.
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            moves: self.memory.stats(),
            ..self.stats
        }
    }

    /// Receives the next frame: under [`Policy::Block`](crate::Policy::Block) the one after the last, under [`Policy::Latest`](crate::Policy::Latest) one of the `depth` newest.
    ///
    /// # Blocking
    ///
    /// Until there is one: asleep, for `timeout`; for ever without one; not at all with a zero one. The end of the stream and
    /// the death of the producer end the wait, also when the broker is dead. When the buffers are moved to other memory the call does this
    /// process's part, which takes some hundred microseconds, once a move. A frame in buffers that this consumer has not taken part in moving to
    /// waits for the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`ReceiveError`], each with its errno. After [`ReceiveError::TimedOut`], [`ReceiveError::HoldsTooMany`] and
    /// [`ReceiveError::Corrupt`] call again; the others are final.
    pub fn receive(&mut self, timeout: Option<Duration>) -> Result<Frame, ReceiveError> {
        let copied_before = bytes_moved();
        let received = self.receive_counted(timeout);
        self.stats.bytes_copied += bytes_moved().wrapping_sub(copied_before);
        received
    }

    /// The frames until the stream ends in order; other errors are items.
    pub fn frames(&mut self) -> Frames<'_> {
        Frames {
            consumer: self,
            over: false,
        }
    }

    fn receive_counted(&mut self, timeout: Option<Duration>) -> Result<Frame, ReceiveError> {
        let (claim, reading) = match self.try_find()? {
            Some(claimed) => claimed,
            None => self.wait_for_claim(timeout)?,
        };
        self.frame(&claim, reading)
    }

    /// Goes on after nothing was found at once. The clock is not looked at before.
    fn wait_for_claim(&mut self, timeout: Option<Duration>) -> Result<Claimed, ReceiveError> {
        let started = Instant::now();
        let deadline = timeout.map(Deadline::after);
        loop {
            // After the look, a frame may have come before the death.
            let is_newly_dead = self.liveness.is_due() && self.look();
            if !is_newly_dead {
                if deadline.is_some_and(Deadline::has_passed) {
                    let waited = started.elapsed();
                    self.port.give_up();
                    return Err(ReceiveError::TimedOut {
                        stream: self.name.clone(),
                        waited,
                    });
                }
                self.port.wait(Some(self.liveness.until(deadline)));
            }
            if let Some(claim) = self.try_find()? {
                return Ok(claim);
            }
        }
    }

    /// Finds the next frame, if there is one. Fails if none can come.
    fn try_find(&mut self) -> Result<Option<Claimed>, ReceiveError> {
        self.follow_moves();
        // The state is read before looking for a frame: what was published before the end is still received.
        let state = self.port.stream_state();
        // Counting waits for all stores before: those of the claim would have to fetch their line from the producer first.
        let reading = self
            .port
            .glimpse_next()
            .and_then(|buffer| self.memory.fetched(buffer))
            .map(Arc::clone);
        match self.port.find() {
            Ok(Some(claim)) => Ok(Some((claim, reading))),
            Ok(None) => self.check_alive(state).map(|()| None),
            Err(error) => Err(self.claim_error(error)),
        }
    }

    /// Looks at the producer's process and at the broker's end of the connection; tells whether somebody is newly found dead.
    fn look(&mut self) -> bool {
        let before = self.seen;
        if self.producer.is_dead().unwrap_or(false) {
            self.seen = Seen::ProducerDead;
        } else if !self.port.is_admitted() && self.connection.is_hung_up() {
            self.seen = Seen::Stranded;
        }
        self.seen != before
    }

    fn check_alive(&self, state: StreamState) -> Result<(), ReceiveError> {
        let stream = || self.name.clone();
        match (state, self.seen) {
            (StreamState::Ended, _) => Err(ReceiveError::Ended { stream: stream() }),
            (StreamState::ProducerDied, _) | (_, Seen::ProducerDead) => Err(ReceiveError::ProducerDied {
                stream: stream(),
                label: self.producer_label.clone(),
                pid: self.producer_pid,
            }),
            (_, Seen::Stranded) => Err(ReceiveError::Stranded { stream: stream() }),
            (StreamState::Running, Seen::Nothing) if !self.port.is_member() => {
                Err(ReceiveError::CutOff { stream: stream() })
            }
            (StreamState::Running, Seen::Nothing) => Ok(()),
        }
    }

    fn claim_error(&self, error: ClaimError) -> ReceiveError {
        match error {
            ClaimError::HoldsTooMany { depth } => ReceiveError::HoldsTooMany {
                stream: self.name.clone(),
                depth,
            },
            ClaimError::Corrupt(corrupt) => corrupt.into(),
        }
    }

    /// Describes a frame that was found, and keeps it; one whose description makes no sense is released at once.
    #[inline]
    fn frame(&mut self, claim: &Claim, expected: Option<Arc<Reading>>) -> Result<Frame, ReceiveError> {
        let received_ns = now_ns();
        self.stats.skipped += claim.skipped;
        let described = self.look_up(claim, expected);
        let frame = described.map(|(reading, info, published_ns)| Frame {
            seq: claim.seq,
            skipped: claim.skipped,
            info,
            published_ns,
            received_ns,
            index: claim.buffer,
            acquire_fence: match claim.has_point() {
                true => acquire_fence(claim, &reading),
                false => None,
            },
            is_lent: false,
            reading,
        });
        self.port.keep(claim);
        self.fetch_next();
        match &frame {
            Ok(frame) => {
                self.stats.received += 1;
                self.port.count_received(claim, received_ns);
                self.memory.saw_frame(frame.info.generation);
            }
            Err(_) => self.port.release(claim.buffer),
        }
        Ok(frame?)
    }
}

/// The fence of contents that are not there, or that are bad; noted on the buffer.
#[cold]
fn acquire_fence(claim: &Claim, reading: &Reading) -> Option<Fence> {
    let contents = &reading.membership.contents;
    if contents.status(claim.buffer, claim.seq) == FenceStatus::Signaled {
        return None;
    }
    let fence = contents.fence(claim.buffer, claim.seq);
    note(&reading.buffer, &fence, Usage::Write);
    Some(fence)
}

/// Iterator over the frames of a stream, made by [`Consumer::frames`].
#[derive(Debug)]
pub struct Frames<'a> {
    consumer: &'a mut Consumer,
    over: bool,
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, ReceiveError>;

    /// Blocks for the next frame; `None` once the stream has ended in order, or after a final error or one that only the
    /// caller can lift.
    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let received = self.consumer.receive(None);
        self.over = received.as_ref().is_err_and(ReceiveError::stops_iteration);
        match received {
            Err(ReceiveError::Ended { .. }) => None,
            received => Some(received),
        }
    }
}
