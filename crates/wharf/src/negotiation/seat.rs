//! A place in a set.

use super::{NegotiationError, SeatSpec, SetExplanation};
use crate::buffers::{BufferSet, Hold};
use crate::connection::{Connection, PATIENCE};
use crate::error::SessionError;
use rustix::io::Errno;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wharf_core::negotiation::{Participant, Plan};
use wharf_protocol::transport::CallError;
use wharf_protocol::{
    AwaitBuffers, AwaitBuffersReply, BrokerError, ExplainSet, LeaveSeat, Method, Object, SealSet, SetId,
    TakeSeat, Token,
};

/// How long one call waits for buffers, so that other threads can use the session in between.
const WAIT_SLICE: Duration = Duration::from_millis(50);
/// How long to pause when the broker says try again at once.
const PAUSE: Duration = Duration::from_millis(1);

/// A place in a negotiated set: what one participant of this session has.
///
/// When this and the buffers it gave are dropped, the seat is given up in good order: what was declared stays in force as long as
/// the memory allocated for it. When the process dies first, whom that harms the seat's
/// [`FailureDomain`](wharf_core::set::FailureDomain) says.
#[derive(Debug)]
pub struct Seat {
    hold: Arc<SeatHold>,
    plan: Option<Box<Plan>>,
}

/// What a seat, its buffers and its place in a stream share.
#[derive(Debug)]
pub(crate) struct SeatHold {
    pub(crate) connection: Arc<Connection>,
    pub(crate) set: SetId,
    pub(crate) participant: u64,
    token: Token,
}

impl SeatHold {
    pub(super) fn new(connection: &Arc<Connection>, set: SetId, participant: u64, token: Token) -> Arc<Self> {
        Arc::new(Self {
            connection: Arc::clone(connection),
            set,
            participant,
            token,
        })
    }

    pub(super) fn issue(&self, spec: &SeatSpec<'_>) -> Result<Token, NegotiationError> {
        Ok(self.connection.ask(spec.request(&self.token))?.token)
    }
}

impl Hold for SeatHold {}

impl Drop for SeatHold {
    fn drop(&mut self) {
        let token = self.token.clone();
        self.connection.give_back(LeaveSeat { token });
    }
}

pub(super) fn explain(connection: &Connection, set: SetId) -> Result<SetExplanation, NegotiationError> {
    Ok(connection.ask(ExplainSet { set })?.into())
}

impl Seat {
    /// Takes the seat of `token`.
    pub(crate) fn take_with(
        connection: &Arc<Connection>,
        token: &Token,
        participant: Participant,
    ) -> Result<Self, NegotiationError> {
        let reply = ask_patiently(connection, || TakeSeat {
            token: token.clone(),
            participant: Object(participant.clone()),
        })?;
        let hold = SeatHold::new(connection, reply.set, reply.participant, token.clone());
        Ok(Self { hold, plan: None })
    }

    /// Takes a seat this session has already.
    pub(super) fn take(hold: Arc<SeatHold>, participant: Participant) -> Result<Self, NegotiationError> {
        ask_patiently(&hold.connection, || TakeSeat {
            token: hold.token.clone(),
            participant: Object(participant.clone()),
        })?;
        Ok(Self { hold, plan: None })
    }

    /// The set's number.
    pub fn set(&self) -> SetId {
        self.hold.set
    }

    /// The number this participant has in the set.
    pub fn participant(&self) -> u64 {
        self.hold.participant
    }

    /// Gets the buffers, as dma-bufs of this process: writable if this participant is the one who writes (its access is
    /// `ReadWrite`), else read-only. Waits until everybody who is expected has said what it needs, and memory is there.
    ///
    /// Who only reads frames of a stream need not call this: [`JoinOptions::seat`](crate::JoinOptions::seat). The read-only buffers
    /// it gives must be [refreshed](BufferSet::refresh) when the set moves.
    ///
    /// # Blocking
    ///
    /// Asleep, for `timeout`; for ever without one.
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Refused`]: there is no memory that suits everybody. [`NegotiationError::TimedOut`] names who is missing.
    /// [`NegotiationError::Over`] when somebody the set cannot do without has died. [`NegotiationError::Session`]: `EINVAL` when the set does
    /// without this participant; when this process cannot map the buffers.
    pub fn buffers(&mut self, timeout: Option<Duration>) -> Result<BufferSet, NegotiationError> {
        let started = Instant::now();
        loop {
            let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
            let wait = left.map_or(WAIT_SLICE, |left| left.min(WAIT_SLICE));
            let missing = match self.ask_for_buffers(wait) {
                Err(SessionError::Call(CallError::Broker(BrokerError::SetWaiting { missing, .. }))) => {
                    missing
                }
                Err(SessionError::Call(CallError::Broker(BrokerError::SetSettling { .. }))) => Vec::new(),
                buffers => return Ok(buffers?),
            };
            if left.is_some_and(|left| left.is_zero()) {
                let waited = started.elapsed();
                return Err(NegotiationError::TimedOut { waited, missing });
            }
        }
    }

    fn ask_for_buffers(&mut self, wait: Duration) -> Result<BufferSet, SessionError> {
        let request = AwaitBuffers {
            set: self.hold.set,
            participant: self.hold.participant,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        };
        // CAST: u32 fits usize on Linux.
        let count = |reply: &AwaitBuffersReply| reply.count as usize;
        let connection = &self.hold.connection;
        // What did not arrive can be asked for again: there is nothing to give back.
        let (reply, fds) = connection.obtain(request, &[], count, |_, _| ())?;
        let (name, summary) = (reply.name.as_str(), reply.summary);
        let described = (name, reply.generation, summary);
        let hold = Arc::clone(&self.hold);
        let buffers = BufferSet::adopt_negotiated(hold, reply.writable, described, (fds, reply.size_bytes))?;
        self.plan = Some(reply.plan.into_inner());
        Ok(buffers)
    }

    /// What was decided for the buffers, as of the last call of [`Seat::buffers`] that gave any.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// How the set stands, and why.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`].
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Session`] when the broker does not answer.
    pub fn explain(&self) -> Result<SetExplanation, NegotiationError> {
        explain(&self.hold.connection, self.hold.set)
    }

    /// Makes a token with which one other session can take part.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`].
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Denied`] (`EACCES`) when this seat does not grant issuing others, or not what the new one is to grant; as
    /// [`NegotiatedSet::issue`](super::NegotiatedSet::issue).
    pub fn issue(&self, spec: &SeatSpec<'_>) -> Result<Token, NegotiationError> {
        self.hold.issue(spec)
    }

    /// Says that nobody else is waited for.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`].
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Denied`] (`EACCES`); as [`NegotiatedSet::seal`](super::NegotiatedSet::seal).
    pub fn seal(&self) -> Result<(), NegotiationError> {
        let set = self.hold.set;
        self.hold.connection.ask(SealSet { set })?;
        Ok(())
    }

    pub(crate) fn hold(&self) -> &Arc<SeatHold> {
        &self.hold
    }
}

/// Makes a call again as long as the set's memory is being allocated or moved for others.
pub(crate) fn ask_patiently<M: Method>(
    connection: &Connection,
    request: impl Fn() -> M,
) -> Result<M::Reply, SessionError> {
    let until = Instant::now() + MOVES_TAKE;
    loop {
        match connection.ask(request()) {
            Err(error) if error.errno() == Errno::AGAIN && Instant::now() < until => {
                std::thread::sleep(PAUSE)
            }
            answer => return answer,
        }
    }
}

/// How long the memory of a set may be on the move for others, and for one self, before that counts as failed.
pub(crate) const MOVES_TAKE: Duration = Duration::from_secs(60).saturating_add(PATIENCE);
