//! What happens to the broker, and what it decides to do about it.

use wharf_core::Errno;
use wharf_linux::SealFlags;
use wharf_protocol::{BrokerError, Call, Incarnation, Reply, SetId, Slot, StreamId, TimelineId};
use wharf_stream::status::{Generations, SlotState, StreamState};
use wharf_stream::timeline::End;

/// A connection, numbered by the driver. A number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// A file descriptor the driver holds, numbered by the driver. A number is never used again.
///
/// The state machine owns every handle an event gave it until it answers with [`Effect::Drop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FdHandle(pub u64);

/// Work the driver was asked to do and reports on, numbered by the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

/// Who is at the other end of a connection, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process id.
    pub pid: u32,
    /// User id; quotas are per user.
    pub uid: u32,
}

/// A descriptor that came with a call, and what the driver found out about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFd {
    /// The driver's name for it.
    pub handle: FdHandle,
    /// What it is.
    pub inspection: Inspection,
}

/// What the kernel says about a received descriptor. Nothing here is the sender's claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// A memfd that cannot shrink.
    Memfd {
        /// Its size in bytes.
        size_bytes: u64,
        /// Its seals; more may follow unless `SEAL` is among them.
        seals: SealFlags,
    },
    /// Anything else.
    Unusable {
        /// Why it cannot be used as shared memory.
        reason: String,
    },
}

/// What a heap is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapRequest {
    /// The user who pays.
    pub uid: u32,
    /// The heap's name.
    pub heap: String,
    /// The name of the set, for people to read.
    pub name: String,
    /// Size of each buffer in bytes, a multiple of the heap's chunks.
    pub size_bytes: u64,
    /// How many.
    pub count: u32,
    /// Size in bytes of the chunks needed.
    pub min_chunk_bytes: u64,
    /// Whether the pages must stay in RAM.
    pub locked: bool,
}

/// Why a heap gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapFailure {
    /// What it said.
    pub errno: Errno,
    /// In its words.
    pub reason: String,
}

/// Something that happened.
///
/// The driver reports the outcome of a peer's operation before it delivers the next call of the same peer; everything
/// else may come in any order. Events about peers that are gone are harmless.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A process has connected.
    Connected {
        /// Its connection.
        peer: PeerId,
        /// Who it is.
        credentials: Credentials,
    },
    /// A well-formed call has arrived.
    Call {
        /// From whom.
        peer: PeerId,
        /// What it wants.
        call: Call,
        /// Whether it wants to hear nothing back.
        oneway: bool,
        /// What came along.
        fds: Vec<ReceivedFd>,
    },
    /// A message has arrived that is not a call of this interface.
    Malformed {
        /// From whom.
        peer: PeerId,
        /// What is wrong with it. If the [fault](BrokerError::fault) is the peer's, its session ends.
        error: BrokerError,
        /// Whether its sender wants to hear nothing back.
        oneway: bool,
    },
    /// A connection is over: it has hung up, or its process has died (even if a child of it keeps the socket open), or
    /// the driver had to cut it off.
    Disconnected {
        /// Which.
        peer: PeerId,
    },
    /// [`Effect::Allocate`] is done.
    Allocated {
        /// The operation.
        operation: OperationId,
        /// As many buffers as asked for, or why there are none.
        outcome: Result<Vec<FdHandle>, BrokerError>,
    },
    /// [`Effect::AskHeap`] is done.
    HeapAnswered {
        /// The operation.
        operation: OperationId,
        /// As many buffers as asked for, or why there are none.
        outcome: Result<Vec<FdHandle>, HeapFailure>,
    },
    /// [`Effect::Seal`] is done.
    Sealed {
        /// The operation.
        operation: OperationId,
        /// The set whose buffers were to be sealed.
        set: SetId,
        /// Whether that worked for all of them.
        outcome: Result<(), BrokerError>,
    },
    /// [`Effect::CreateStatusPage`] is done.
    StatusPageCreated {
        /// The operation.
        operation: OperationId,
        /// The stream it was created for.
        stream: StreamId,
        /// A read-only descriptor of the page, or why there is none.
        outcome: Result<FdHandle, BrokerError>,
    },
    /// [`Effect::MakeBells`] is done.
    BellsMade {
        /// The operation.
        operation: OperationId,
        /// The ends of each, or why there are none.
        outcome: Result<Vec<Vec<FdHandle>>, BrokerError>,
    },
    /// [`Effect::CreateTimelinePage`] is done.
    TimelinePageCreated {
        /// The operation.
        operation: OperationId,
        /// The timeline it was created for.
        timeline: TimelineId,
        /// A read-only descriptor of the page, or why there is none.
        outcome: Result<FdHandle, BrokerError>,
    },
    /// The time asked for with [`Effect::SetAlarm`] has passed.
    Alarm {
        /// The operation.
        operation: OperationId,
    },
}

/// A descriptor to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdRef {
    /// One the state machine holds and keeps.
    Held(FdHandle),
    /// One the state machine gives away with this. Its handle means nothing from now on.
    Given(FdHandle),
    /// The process handle of a connected peer.
    Process(PeerId),
}

/// Something the driver is to do, in the order given. References to descriptors, peers and status pages are live.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a call.
    Reply {
        /// Whom.
        peer: PeerId,
        /// The answer.
        reply: Reply,
        /// Descriptors to send along.
        fds: Vec<FdRef>,
    },
    /// Answer a call with an error.
    Fail {
        /// Whom.
        peer: PeerId,
        /// The error.
        error: BrokerError,
    },
    /// Close a connection, after trying once to send what is queued for it. The peer is forgotten.
    Disconnect {
        /// Which.
        peer: PeerId,
    },
    /// Serve this peer no further before [`Effect::Resume`]: the answer to its call takes a while.
    Wait {
        /// Which.
        peer: PeerId,
    },
    /// Go on serving this peer.
    Resume {
        /// Which.
        peer: PeerId,
    },
    /// Create zeroed, resealable buffers; report with [`Event::Allocated`].
    Allocate {
        /// The operation to report on.
        operation: OperationId,
        /// The name of the set, for people to read.
        name: String,
        /// Size of each buffer in bytes, a multiple of the page size.
        size_bytes: u64,
        /// How many.
        count: u32,
    },
    /// Have a heap make zeroed, resealable buffers, all or none; report with [`Event::HeapAnswered`].
    AskHeap {
        /// The operation to report on.
        operation: OperationId,
        /// What is asked.
        request: HeapRequest,
    },
    /// Make sure that nobody can get a new writable mapping of these buffers; report with [`Event::Sealed`]. From then
    /// on their handles stand for read-only descriptors. Contract: S5.
    Seal {
        /// Whose call waits for it.
        peer: PeerId,
        /// The operation to report on.
        operation: OperationId,
        /// The set the buffers belong to.
        set: SetId,
        /// The buffers.
        buffers: Vec<FdHandle>,
    },
    /// Create the status page of a stream, all slots free; report with [`Event::StatusPageCreated`].
    CreateStatusPage {
        /// The operation to report on.
        operation: OperationId,
        /// The stream.
        stream: StreamId,
    },
    /// Make doorbells, all or none; report with [`Event::BellsMade`].
    MakeBells {
        /// The operation to report on.
        operation: OperationId,
        /// How many ends each of them is to have.
        ends: Vec<u32>,
    },
    /// Ring doorbells, without waiting for anybody.
    Ring {
        /// An end of each.
        bells: Vec<FdHandle>,
    },
    /// Tell a stream's participants about a slot.
    SetSlot {
        /// The stream.
        stream: StreamId,
        /// The slot.
        slot: Slot,
        /// Which use of it.
        incarnation: Incarnation,
        /// What became of it.
        state: SlotState,
    },
    /// Tell a stream's participants where its buffers are.
    SetGenerations {
        /// The stream.
        stream: StreamId,
        /// Which generation is in use, and which one is offered to whom.
        generations: Generations,
    },
    /// Report with [`Event::Alarm`] after a while.
    SetAlarm {
        /// The operation to report on.
        operation: OperationId,
        /// How long to wait, in milliseconds.
        after_ms: u64,
    },
    /// The time of this operation does not matter any more.
    CancelAlarm {
        /// The operation.
        operation: OperationId,
    },
    /// Tell a stream's participants that it is over.
    SetStreamState {
        /// The stream.
        stream: StreamId,
        /// How it ended.
        state: StreamState,
    },
    /// Unmap a stream's status page. Participants keep theirs.
    DropStatusPage {
        /// The stream.
        stream: StreamId,
    },
    /// Create the status page of a timeline; report with [`Event::TimelinePageCreated`].
    CreateTimelinePage {
        /// The operation to report on.
        operation: OperationId,
        /// The timeline.
        timeline: TimelineId,
    },
    /// Tell the owner of a timeline that imports came or went.
    SetImports {
        /// The timeline.
        timeline: TimelineId,
        /// The number of the newest import there was.
        newest: u64,
    },
    /// Tell everybody that a timeline is over.
    EndTimeline {
        /// The timeline.
        timeline: TimelineId,
        /// How it ended.
        end: End,
    },
    /// Unmap a timeline's status page. Others keep theirs.
    DropTimelinePage {
        /// The timeline.
        timeline: TimelineId,
    },
    /// Close descriptors. Their handles mean nothing from now on.
    Drop {
        /// Which.
        handles: Vec<FdHandle>,
    },
}
