//! A process's session with the broker.

use crate::buffers::{BufferSet, BufferSpec, Origin, SetHold};
use crate::connection::Connection;
use crate::consumer::{Consumer, PolledConsumer};
use crate::error::SessionError;
use crate::negotiation::{Fit, NegotiatedSet, NegotiationError, Seat, SetExplanation, SetOptions};
use crate::options::JoinOptions;
use crate::producer::{PolledProducer, Producer, StreamTerms};
use crate::socket_path::socket_path;
use crate::timeline::{ImportedTimeline, Timeline};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wharf_core::negotiation::Participant;
use wharf_protocol::{
    AllocateBuffers, AllocateBuffersReply, CheckSet, ExplainSet, FreeBuffers, GetState, GetStateReply,
    ImportBuffers, ImportBuffersReply, MoveContract, Object, Register, ReleaseImport, SetId, Token,
};

/// A session with the broker: the root of everything a process shares.
///
/// Clones are the same session. It ends when the last clone and everything made from it are dropped, or when the process dies;
/// the broker then takes back what it held (contract P5). All calls may come from any thread; they take turns.
#[derive(Debug, Clone)]
pub struct Session {
    connection: Arc<Connection>,
}

impl Session {
    /// Connects to the broker that `$WHARF_SOCKET` names, or the user's own at `$XDG_RUNTIME_DIR/wharf-0`. `label` (1 to 63 bytes,
    /// no control characters) is what others see of this process: `wharf info` and refusals name it.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE), as every call of this type.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoSocketPath`] and [`SessionError::Connect`] when there is no broker; [`SessionError::Call`] when it refuses:
    /// `EINVAL` for the label, `EDQUOT` when this user has too many sessions.
    pub fn connect(label: &str) -> Result<Self, SessionError> {
        Self::connect_to(&socket_path()?, label)
    }

    /// Connects to the broker at `path`; otherwise as [`Session::connect`].
    ///
    /// # Errors
    ///
    /// As [`Session::connect`].
    pub fn connect_to(path: &Path, label: &str) -> Result<Self, SessionError> {
        let connection = Connection::open(path)?;
        connection.ask(Register {
            label: label.to_owned(),
        })?;
        Ok(Self {
            connection: Arc::new(connection),
        })
    }

    /// Allocates equal buffers, zeroed, and maps them for writing.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `EINVAL` for a size, count or name out of range, `EDQUOT` when it exceeds this user's share, `ENOMEM`
    /// or `EMFILE` when the machine or the broker has no more. [`SessionError::Buffer`] when this process cannot map them.
    pub fn allocate(&self, spec: &BufferSpec<'_>) -> Result<BufferSet, SessionError> {
        let request = AllocateBuffers {
            name: spec.name.to_owned(),
            size_bytes: spec.size_bytes,
            count: spec.count,
        };
        // CAST: u32 fits usize on Linux.
        let count = spec.count as usize;
        let undo = |connection: &Connection, reply: &AllocateBuffersReply| {
            connection.give_back(FreeBuffers { set: reply.set });
        };
        let (reply, fds) = self.connection.obtain(request, &[], |_| count, undo)?;
        let hold = SetHold::new(&self.connection, reply.set, Origin::Allocated);
        let described = (spec.name, reply.generation, String::new());
        BufferSet::adopt(hold, described, (fds, reply.size_bytes))
    }

    /// Imports the buffers that `token` stands for, to read them.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `EACCES` when the token is unknown, used up, or for a stream.
    pub fn import(&self, token: &Token) -> Result<BufferSet, SessionError> {
        self.import_as(token, MoveContract::Movable)
    }

    /// As [`Session::import`], and says what is to become of this session when the set moves to other memory.
    ///
    /// # Errors
    ///
    /// As [`Session::import`]; `EALREADY` for [`MoveContract::Pinned`] while the set is being moved.
    pub fn import_as(&self, token: &Token, contract: MoveContract) -> Result<BufferSet, SessionError> {
        let request = ImportBuffers {
            token: token.clone(),
            contract: Some(contract),
        };
        // CAST: u32 fits usize on Linux.
        let count = |reply: &ImportBuffersReply| reply.count as usize;
        let undo = |connection: &Connection, reply: &ImportBuffersReply| {
            connection.give_back(ReleaseImport { set: reply.set });
        };
        let (reply, fds) = self.connection.obtain(request, &[], count, undo)?;
        let hold = SetHold::new(&self.connection, reply.set, Origin::Imported);
        let described = (reply.name.as_str(), reply.generation, reply.plan);
        BufferSet::adopt(hold, described, (fds, reply.size_bytes))
    }

    /// Starts a stream over `buffers`, which are sealed by this: nobody can map them for writing any more. Up to `max_consumers`
    /// (1..=64) can be in it at a time. Each sets as many buffers aside as its depth, and one is the producer's. The set is given
    /// up even when this fails.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotWritable`] (`EACCES`) when the buffers were imported; [`SessionError::Call`]: `EINVAL` for a name or number
    /// out of range, `EBUSY` when the set has a stream, `EDQUOT` when this user has too many streams.
    pub fn create_stream(
        &self,
        name: &str,
        buffers: BufferSet,
        max_consumers: u32,
    ) -> Result<Producer, SessionError> {
        self.create_stream_on(name, buffers, StreamTerms::new(max_consumers))
    }

    /// As [`Session::create_stream`], and makes room: for a consumer whose depth does not fit the buffers the stream is moved to as
    /// many more as it takes, at this user's cost, while frames flow. [`Session::join`] waits for that, at most `patience`
    /// (1 ms to 60 s; whoever joins through this library waits [`PATIENCE`](crate::PATIENCE) at most).
    ///
    /// # Errors
    ///
    /// As [`Session::create_stream`].
    pub fn create_stream_with_room(
        &self,
        name: &str,
        buffers: BufferSet,
        max_consumers: u32,
        patience: Duration,
    ) -> Result<Producer, SessionError> {
        let terms = StreamTerms::new(max_consumers).with_room(patience);
        self.create_stream_on(name, buffers, terms)
    }

    /// As [`Session::create_stream`], on any terms.
    ///
    /// # Errors
    ///
    /// As [`Session::create_stream`].
    pub fn create_stream_on(
        &self,
        name: &str,
        buffers: BufferSet,
        terms: StreamTerms,
    ) -> Result<Producer, SessionError> {
        Producer::create(&self.connection, name, buffers, terms)
    }

    /// As [`Session::create_polled_stream`], on any terms.
    ///
    /// # Errors
    ///
    /// As [`Session::create_polled_stream`].
    pub fn create_polled_stream_on(
        &self,
        name: &str,
        buffers: BufferSet,
        terms: StreamTerms,
    ) -> Result<PolledProducer, SessionError> {
        PolledProducer::create(&self.connection, name, buffers, terms)
    }

    /// As [`Session::create_stream`], for a producer that waits for buffers in an event loop; with `room` as
    /// [`Session::create_stream_with_room`].
    ///
    /// # Errors
    ///
    /// As [`Session::create_stream`], and [`SessionError::Watch`] (`EMFILE`) when this process has no descriptors left.
    pub fn create_polled_stream(
        &self,
        name: &str,
        buffers: BufferSet,
        max_consumers: u32,
        room: Option<Duration>,
    ) -> Result<PolledProducer, SessionError> {
        let terms = StreamTerms::new(max_consumers);
        let terms = room.map_or(terms, |room| terms.with_room(room));
        self.create_polled_stream_on(name, buffers, terms)
    }

    /// Joins the stream that `token` stands for; the next frame published is the first received.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `EACCES` when the token is unknown, used up, or for a buffer set; `EUSERS` when the stream is full;
    /// `EBUSY` when its buffers are promised to others, or when somebody did not go along with a move to more buffers; `EPIPE` when it
    /// has ended. With [`JoinOptions::needs`] there can be a report, [`SessionError::report`], of why the buffers do not suit and were
    /// not moved.
    pub fn join(&self, token: &Token, options: JoinOptions<'_>) -> Result<Consumer, SessionError> {
        Ok(Consumer::join(&self.connection, token, options)?.0)
    }

    /// As [`Session::join`], for a consumer that is waited for in an event loop.
    ///
    /// # Errors
    ///
    /// As [`Session::join`], and [`SessionError::Watch`] (`EMFILE`) when this process has no descriptors left.
    pub fn join_polled(
        &self,
        token: &Token,
        options: JoinOptions<'_>,
    ) -> Result<PolledConsumer, SessionError> {
        PolledConsumer::join(&self.connection, token, options)
    }

    /// Makes a negotiated set: buffers whose memory is decided by what everybody needs who takes part. This session pays for them.
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Session`]: `EINVAL` for a name or time out of range, `EDQUOT` when this user has too many of them.
    pub fn create_set(&self, options: &SetOptions<'_>) -> Result<NegotiatedSet, NegotiationError> {
        NegotiatedSet::create(&self.connection, options)
    }

    /// Takes the seat that `token` stands for, and says what this session needs. The participant's number and process are filled in by
    /// the broker.
    ///
    /// Before there is memory this only collects: [`Seat::buffers`] waits for the outcome. After that the buffers there are have to
    /// suit; or they move, if the set's creator and everybody who has them allow it.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE); while the buffers are moved for somebody else, for that, too.
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Refused`]: these needs are impossible by themselves; or this session comes late and does not suit. The token
    /// is as good as before then. [`NegotiationError::Denied`] (`EACCES`) for somebody who writes with a seat that does not grant it.
    /// [`NegotiationError::Session`]: `EACCES` when the token is unknown, used, or for a stream; `EBUSY` for a second one who writes;
    /// `EINVAL`; `ENOSPC`. [`NegotiationError::Over`].
    pub fn take_seat(&self, token: &Token, participant: Participant) -> Result<Seat, NegotiationError> {
        Seat::take_with(&self.connection, token, participant)
    }

    /// How a negotiated set stands, and why: what was decided and for which reasons, or the report of why not.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `ENOENT` when there is none of this number, `EOPNOTSUPP` when it is not negotiated.
    pub fn explain(&self, set: SetId) -> Result<SetExplanation, SessionError> {
        Ok(self.connection.ask(ExplainSet { set })?.into())
    }

    /// Whether somebody with these needs could take part in a negotiated set; nothing changes.
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Refused`] with the report of why not; as [`Session::explain`].
    pub fn check(&self, set: SetId, participant: &Participant) -> Result<Fit, NegotiationError> {
        let participant = Object(participant.clone());
        Ok(self.connection.ask(CheckSet { set, participant })?.into())
    }

    /// Makes a timeline: a row of points that this process signals and others wait for (contract F).
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `EINVAL` for the name, `EDQUOT` when this user has too many timelines.
    pub fn create_timeline(&self, name: &str) -> Result<Timeline, SessionError> {
        Timeline::create(&self.connection, name)
    }

    /// Imports the timeline that `token` stands for, to wait for its points.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `EACCES` when the token is unknown, used up, or for something else; `EUSERS` when the timeline is
    /// imported too often (128 times at once).
    pub fn import_timeline(&self, token: &Token) -> Result<ImportedTimeline, SessionError> {
        ImportedTimeline::import(&self.connection, token)
    }

    /// What the broker knows: sessions, buffers, streams, timelines and use of quotas, of this user or, for root, of all.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`] when the broker does not answer.
    pub fn state(&self) -> Result<GetStateReply, SessionError> {
        self.connection.ask(GetState {})
    }
}
