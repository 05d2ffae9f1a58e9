//! How a consumer gets into a stream.

use super::moving::Memory;
use super::{Consumer, ConsumerStats, Seen};
use crate::connection::Connection;
use crate::error::{PageError, SessionError};
use crate::fences::{FarWork, Releases};
use crate::generation::{Generation, Share};
use crate::liveness::Liveness;
use crate::membership::{Membership, Place};
use crate::negotiation::MOVES_TAKE;
use crate::options::{JoinOptions, Part};
use crate::page;
use crate::watch::RingingEnd;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;
use wharf_linux::{BellEnd, PidFd};
use wharf_memory::{OwnedWords, ReadOnlyWords};
use wharf_protocol::transport::CallError;
use wharf_protocol::{
    BrokerError, JoinStream, JoinStreamReply, LeaveStream, Object, Policy as WirePolicy, Role, Seat, Token,
};
use wharf_stream::{
    CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS, Doorbell, MAX_BUFFERS, MAX_CONSUMERS, Points, Policy,
    RING_PAGE_BYTES, RING_PAGE_CELLS, STATUS_PAGE_BYTES, STATUS_PAGE_CELLS, Sleepers, Waiting,
};

/// Descriptors that come first: ring page, status page, producer's process. Doorbells follow, and then the buffers.
const FDS_FIRST: usize = 3;

/// How long one call waits while the buffers move for the new consumer, so that other threads can use the session in between.
const WAIT_SLICE_MS: u64 = 20;

/// Whether the buffers are on the move: for this consumer, or for somebody else.
fn is_settling(error: &SessionError) -> bool {
    matches!(
        error,
        SessionError::Call(CallError::Broker(BrokerError::SetSettling { .. }))
    )
}

/// What the broker sent of the stream, mapped.
struct Received {
    ring: ReadOnlyWords,
    status: ReadOnlyWords,
    producer: PidFd,
    memory: Generation,
    /// The consumer's own, if it polls.
    bell: Option<BellEnd>,
    /// The producer's, if that polls.
    producers_bell: Option<Arc<dyn Doorbell>>,
}

impl Consumer {
    pub(crate) fn join(
        connection: &Arc<Connection>,
        token: &Token,
        options: JoinOptions<'_>,
    ) -> Result<(Self, Option<BellEnd>), SessionError> {
        let until = Instant::now() + MOVES_TAKE;
        loop {
            match Self::join_once(connection, token, options) {
                Err(error) if is_settling(&error) && Instant::now() < until => {}
                joined => return joined,
            }
        }
    }

    fn join_once(
        connection: &Arc<Connection>,
        token: &Token,
        options: JoinOptions<'_>,
    ) -> Result<(Self, Option<BellEnd>), SessionError> {
        let own = page::create("consumer", CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS)?;
        if options.waiting == Waiting::Spin {
            wharf_stream::promise_not_to_sleep(&own.words);
        } else if options.waiting.sleeps_at_once() {
            wharf_stream::ask_for_fences(&own.words);
        }
        let policy = match options.policy {
            Policy::Block => WirePolicy::Block,
            Policy::Latest => WirePolicy::Latest,
        };
        let request = JoinStream {
            token: token.clone(),
            depth: options.depth,
            policy,
            stream: None,
            contract: Some(options.contract),
            needs: match options.part {
                Part::Needs(participant) => Some(Object(participant.clone())),
                Part::Anybody | Part::Seated(_) => None,
            },
            participant: match options.part {
                Part::Seated(seat) => Some(seat.participant()),
                Part::Anybody | Part::Needs(_) => None,
            },
            wait_ms: Some(WAIT_SLICE_MS),
            polled: options.polled.then_some(true),
        };
        // CAST: u32 fits usize on Linux.
        let expected = |reply: &JoinStreamReply| {
            let bells = usize::from(options.polled) + usize::from(reply.producer_polls);
            (FDS_FIRST + bells).saturating_add(reply.count as usize)
        };
        let undo = |connection: &Connection, reply: &JoinStreamReply| {
            let (stream, slot, incarnation) = (reply.stream, reply.slot, reply.incarnation);
            connection.give_back(LeaveStream {
                stream,
                slot,
                incarnation,
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
            _seat: match options.part {
                Part::Seated(seat) => Some(Arc::clone(seat.hold())),
                Part::Anybody | Part::Needs(_) => None,
            },
        });
        let share = Share {
            connection: Arc::clone(connection),
            set: reply.set,
            role: Role::Consumer,
            seat: Some(Seat {
                slot: reply.slot,
                incarnation: reply.incarnation,
            }),
            name: reply.name.clone(),
            _hold: place,
        };
        let mut received = receive(&reply, fds, &share, options.polled)?;
        let bell = received.bell.take();
        Ok((Self::assemble(own.words, received, reply, options, share)?, bell))
    }

    fn assemble(
        page: OwnedWords,
        received: Received,
        reply: JoinStreamReply,
        options: JoinOptions<'_>,
        share: Share,
    ) -> Result<Self, SessionError> {
        // CAST: u32 fits usize on Linux.
        let (slot, depth) = (reply.slot.0 as usize, options.depth as usize);
        let (page, ring) = (Arc::new(page), Arc::new(received.ring));
        let status = Arc::new(received.status);
        let producer = Arc::new(received.producer);
        let points = Points::of_producer(
            (Arc::clone(&ring), Arc::clone(&status)),
            Arc::new(Sleepers::of_consumer(Arc::clone(&page))),
        );
        let contents = FarWork::new(points, Arc::clone(&producer), &reply.name);
        let mut port = wharf_stream::Consumer::new(
            Arc::clone(&page),
            (Arc::clone(&ring), status),
            (slot, reply.incarnation.0),
            // How many there are is checked for each frame's generation.
            MAX_BUFFERS,
            (depth, options.policy),
        );
        port.set_waiting(options.waiting);
        if !port.layout_matches() {
            return Err(SessionError::Incompatible { stream: reply.name });
        }
        let bell = received.producers_bell;
        if let Some(bell) = &bell {
            port.set_producers_bell(Arc::clone(bell));
        }
        let membership = Arc::new(Membership {
            releases: Releases::new(Arc::clone(&page)),
            page,
            ring,
            bell,
            contents: Arc::new(contents),
        });
        Ok(Self {
            port,
            producer,
            connection: Arc::clone(&share.connection),
            memory: Memory::new(received.memory, membership, share),
            liveness: Liveness::new(),
            seen: Seen::Nothing,
            name: reply.name,
            producer_label: reply.producer_label,
            producer_pid: reply.producer_pid,
            stats: ConsumerStats::default(),
        })
    }
}

/// Maps what came with the reply. The buffers keep the place in the stream (`share`).
fn receive(
    reply: &JoinStreamReply,
    fds: Vec<OwnedFd>,
    share: &Share,
    polled: bool,
) -> Result<Received, SessionError> {
    // CAST: u32 fits usize on Linux.
    let (slot, count) = (reply.slot.0 as usize, reply.count as usize);
    if slot >= MAX_CONSUMERS || !(1..=MAX_BUFFERS).contains(&count) {
        return Err(SessionError::Incompatible {
            stream: reply.name.clone(),
        });
    }
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
    let mut bell = |is_there: bool| is_there.then(|| fds.next()).flatten().map(BellEnd::from_fd);
    let (own, producers) = (bell(polled), bell(reply.producer_polls));
    let buffers = fds.collect();
    let memory = share.adopt(reply.generation, (buffers, reply.size_bytes), reply.plan.clone())?;
    Ok(Received {
        ring,
        status,
        producer,
        memory,
        bell: own,
        producers_bell: producers.map(|end| Arc::new(RingingEnd(end)) as Arc<dyn Doorbell>),
    })
}
