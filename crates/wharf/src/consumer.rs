//! A consumer of a stream.

use crate::buffers::export_all;
use crate::connection::Connection;
use crate::error::{PageError, ReceiveError, SessionError};
use crate::frame::Frame;
use crate::liveness::Liveness;
use crate::membership::{Membership, Place};
use crate::options::JoinOptions;
use crate::page;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wharf_core::{AccessMode, DmaBuf};
use wharf_linux::PidFd;
use wharf_memory::{Deadline, OwnedWords, ReadOnlyWords, bytes_moved, now_ns};
use wharf_protocol::{JoinStream, JoinStreamReply, LeaveStream, Policy as WirePolicy, Token};
use wharf_stream::status::StreamState;
use wharf_stream::{
    CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS, Claim, ClaimError, MAX_BUFFERS, MAX_CONSUMERS, Policy,
    RING_PAGE_BYTES, RING_PAGE_CELLS, STATUS_PAGE_BYTES, STATUS_PAGE_CELLS,
};

/// Descriptors that come before the buffers when a stream is joined: ring page, status page, producer's process.
const FDS_BEFORE_BUFFERS: usize = 3;

/// What a consumer has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerStats {
    /// Frames received.
    pub received: u64,
    /// Frames passed over because newer ones were there (never under `Policy::Block`).
    pub skipped: u64,
    /// Bytes of frames that Wharf itself copied while handing them over, counted where all copies are made.
    pub bytes_copied: u64,
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

/// A consumer of a stream: receives frames and holds each until it is dropped.
#[derive(Debug)]
pub struct Consumer {
    port: wharf_stream::Consumer<Arc<OwnedWords>, Arc<ReadOnlyWords>>,
    membership: Arc<Membership>,
    buffers: Vec<DmaBuf>,
    producer: PidFd,
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
    pub(crate) fn join(
        connection: &Arc<Connection>,
        token: &Token,
        options: JoinOptions,
    ) -> Result<Self, SessionError> {
        let own = page::create("consumer", CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS)?;
        let policy = match options.policy {
            Policy::Block => WirePolicy::Block,
            Policy::Latest => WirePolicy::Latest,
        };
        let request = JoinStream {
            token: token.clone(),
            depth: options.depth,
            policy,
            stream: None,
        };
        // CAST: u32 fits usize on Linux.
        let expected = |reply: &JoinStreamReply| FDS_BEFORE_BUFFERS.saturating_add(reply.count as usize);
        let undo = |connection: &Connection, reply: &JoinStreamReply| {
            connection.give_back(LeaveStream {
                stream: reply.stream,
                slot: reply.slot,
                incarnation: reply.incarnation,
            });
        };
        let joined = connection.obtain(request, &[own.memfd.as_fd()], expected, undo);
        // Should the broker let this consumer in all the same, the producer finds that it has left.
        let (reply, fds) = joined.inspect_err(|_| wharf_stream::decline(&own.words))?;
        let place = Arc::new(Place {
            connection: Arc::clone(connection),
            stream: reply.stream,
            slot: reply.slot,
            incarnation: reply.incarnation,
        });
        Self::assemble(own.words, place, reply, fds, options)
    }

    fn assemble(
        page: OwnedWords,
        place: Arc<Place>,
        reply: JoinStreamReply,
        mut fds: Vec<OwnedFd>,
        options: JoinOptions,
    ) -> Result<Self, SessionError> {
        // CAST: u32 fits usize on Linux.
        let (slot, count, depth) = (
            reply.slot.0 as usize,
            reply.count as usize,
            options.depth as usize,
        );
        if slot >= MAX_CONSUMERS || !(1..=MAX_BUFFERS).contains(&count) {
            return Err(SessionError::Incompatible { stream: reply.name });
        }
        let buffers = fds.split_off(FDS_BEFORE_BUFFERS.min(fds.len()));
        let mut fds = fds.into_iter();
        let ring = page::open("ring", fds.next().as_ref(), RING_PAGE_BYTES, RING_PAGE_CELLS)?;
        let status = page::open(
            "status",
            fds.next().as_ref(),
            STATUS_PAGE_BYTES,
            STATUS_PAGE_CELLS,
        )?;
        let producer = fds
            .next()
            .ok_or(PageError::Missing)
            .and_then(|fd| Ok(PidFd::from_fd(fd)?));
        let producer = producer.map_err(|source| SessionError::Page {
            page: "producer",
            source,
        })?;
        let buffers = export_all(
            buffers,
            reply.size_bytes,
            &reply.name,
            AccessMode::ReadOnly,
            &place,
        )?;
        let connection = Arc::clone(&place.connection);
        let (page, ring) = (Arc::new(page), Arc::new(ring));
        let port = wharf_stream::Consumer::new(
            Arc::clone(&page),
            (Arc::clone(&ring), Arc::new(status)),
            (slot, reply.incarnation.0),
            count,
            (depth, options.policy),
        );
        let membership = Arc::new(Membership { page, ring });
        if !port.layout_matches() {
            return Err(SessionError::Incompatible { stream: reply.name });
        }
        Ok(Self {
            port,
            membership,
            buffers,
            producer,
            connection,
            liveness: Liveness::new(),
            seen: Seen::Nothing,
            name: reply.name,
            producer_label: reply.producer_label,
            producer_pid: reply.producer_pid,
            stats: ConsumerStats::default(),
        })
    }

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

    /// The stream's buffers, read-only.
    pub fn buffers(&self) -> &[DmaBuf] {
        &self.buffers
    }

    /// What this consumer has seen so far.
    pub fn stats(&self) -> ConsumerStats {
        self.stats
    }

    /// Receives the next frame: under [`Policy::Block`] the one after the last, under [`Policy::Latest`] one of the `depth` newest.
    ///
    /// # Blocking
    ///
    /// Until there is one: asleep, for `timeout`; for ever without one; not at all with a zero one. The end of the stream and
    /// the death of the producer end the wait, also when the broker is dead.
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
        let started = Instant::now();
        let deadline = timeout.map(Deadline::after);
        loop {
            // The state is read before looking for a frame: what was published before the end is still received.
            let state = self.port.stream_state();
            match self.port.try_claim() {
                Ok(Some(claim)) => return self.frame(claim),
                Ok(None) => {}
                Err(error) => return Err(self.claim_error(error)),
            }
            self.check_alive(state)?;
            if self.liveness.is_due() && self.look() {
                // A frame may have come before the death.
                continue;
            }
            if deadline.is_some_and(Deadline::has_passed) {
                let waited = started.elapsed();
                return Err(ReceiveError::TimedOut {
                    stream: self.name.clone(),
                    waited,
                });
            }
            self.port.wait(Some(self.liveness.until(deadline)));
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

    /// Describes a claimed frame; one whose description makes no sense is released at once.
    fn frame(&mut self, claim: Claim) -> Result<Frame, ReceiveError> {
        let received_ns = now_ns();
        let buffer = self.buffers[claim.buffer].clone();
        self.stats.skipped += claim.skipped;
        match self.port.describe(&claim, buffer.size_bytes()) {
            Ok((info, published_ns)) => {
                self.stats.received += 1;
                Ok(Frame {
                    seq: claim.seq,
                    skipped: claim.skipped,
                    info,
                    published_ns,
                    received_ns,
                    index: claim.buffer,
                    buffer,
                    membership: Arc::clone(&self.membership),
                })
            }
            Err(corrupt) => {
                self.port.release(claim.buffer);
                Err(corrupt.into())
            }
        }
    }
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
        // Who holds too many frames gets none however often it asks.
        let stops =
            |error: &ReceiveError| error.is_final() || matches!(error, ReceiveError::HoldsTooMany { .. });
        self.over = received.as_ref().is_err_and(stops);
        match received {
            Err(ReceiveError::Ended { .. }) => None,
            received => Some(received),
        }
    }
}
