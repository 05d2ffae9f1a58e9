//! The broker's mind: a state machine without input or output.
//!
//! [`Machine::handle`] takes an [`Event`] and says with [`Effect`]s what is to be done. There is no clock, no
//! descriptor, no thread and no system call in here, and the same events give the same effects; randomness for
//! tokens is injected. Whoever drives it (see [`crate::Server`]) owns the descriptors, which are known here by
//! [`FdHandle`] only.
//!
//! | file | idea |
//! |---|---|
//! | `event` | the vocabulary towards the driver |
//! | `accounts` | what each user holds and may hold (Contract: P3) |
//! | `peers` | connections and sessions, their beginning and end (Contract: P4, P5) |
//! | `sets` | buffer sets: allocation, sealing, import (Contract: B1, S5) |
//! | `generations`, `moving` | the memory of a set, and how it is exchanged for other memory (Contract: N5) |
//! | `negotiating` | sets whose memory is decided by what everybody needs (Contract: N) |
//! | `stream` | one stream: its slots, members and the ledger of promised buffers (Contract: S1) |
//! | `producing`, `consuming` | the calls of producers and consumers, and the end of streams and members (Contract: S4) |
//! | `bells` | doorbells for those who poll (Contract: S7) |
//! | `timelines` | rows of points that one process signals and others wait for (Contract: F) |
//! | `tokens` | permissions to share (Contract: P2) |
//! | `operations` | what the driver is busy with |
//! | `pages` | which received descriptors are fit to be shared pages (Contract: S3) |
//! | `info` | what `GetState` and `org.varlink.service` answer |
//! | `watching` | who may see what, and pages to look at |

mod accounts;
mod bells;
mod consuming;
mod event;
mod generations;
mod info;
mod moving;
mod negotiating;
mod operations;
mod pages;
mod peers;
mod producing;
mod sets;
mod stream;
mod timelines;
mod tokens;
mod watching;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use wharf_core::negotiation::HeapOffer;
use wharf_protocol::{Amounts, BrokerError, Call, Fault, Reply, SessionId, SetId, StreamId, TimelineId};

use accounts::Accounts;
pub use accounts::DEFAULT_QUOTA;
use bells::Bells;
pub use event::{
    Credentials, Effect, Event, FdHandle, FdRef, HeapFailure, HeapRequest, Inspection, OperationId, PeerId,
    ReceivedFd,
};
use negotiating::Negotiating;
use operations::Operation;
use peers::{Peer, Session};
use sets::BufferSet;
use stream::Stream;
use timelines::Timeline;
use tokens::Tokens;

/// What the state machine is told about the world at its start.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What each user may hold.
    pub quota: Amounts,
    /// Size of a memory page in bytes; buffer sizes are rounded up to it.
    pub page_bytes: u64,
    /// The broker's process id, for listings.
    pub pid: u32,
    /// The broker's user id. This user and root see what everybody holds.
    pub uid: u32,
}

/// Where the 128 random bits of a token come from.
pub type Randomness = Box<dyn FnMut() -> Result<[u8; 16], BrokerError> + Send>;

/// The state machine.
///
/// # Invariants
/// * Each user's account is the sum of what its connections, sessions, sets, streams and timelines cost.
/// * A session that ended is referred to by nothing.
/// * No two members of a stream share a slot, and no incarnation is given twice.
pub struct Machine {
    settings: Settings,
    randomness: Randomness,
    accounts: Accounts,
    peers: BTreeMap<PeerId, Peer>,
    sessions: BTreeMap<SessionId, Session>,
    sets: BTreeMap<SetId, BufferSet>,
    streams: BTreeMap<StreamId, Stream>,
    timelines: BTreeMap<TimelineId, Timeline>,
    tokens: Tokens,
    operations: BTreeMap<OperationId, Operation>,
    /// The moves in progress, by the number under which the driver knows them.
    moves: BTreeMap<OperationId, SetId>,
    counters: Counters,
    negotiating: Negotiating,
    effects: Vec<Effect>,
}

/// The last number given of each kind.
#[derive(Debug, Default)]
struct Counters {
    session: u64,
    set: u64,
    stream: u64,
    timeline: u64,
    incarnation: u64,
    operation: u64,
}

fn next(counter: &mut u64) -> u64 {
    *counter += 1;
    *counter
}

/// A call that is being answered, at once or after an operation.
#[derive(Clone, Debug)]
struct Request {
    peer: PeerId,
    oneway: bool,
    call: Call,
    /// The shared page that came along, with the calls that need one.
    page: Option<ReceivedFd>,
    /// The doorbells that were made for it, once they were.
    bells: Option<Bells>,
}

impl Request {
    /// The descriptors that the broker holds for it.
    fn handles(&self) -> Vec<FdHandle> {
        let bells = self.bells.iter().flat_map(Bells::handles);
        self.page.iter().map(|page| page.handle).chain(bells).collect()
    }
}

/// How a method went, if it went well.
enum Answer {
    /// It is done.
    Done(Reply, Vec<FdRef>),
    /// An operation has to finish first.
    Later,
}

type Answered = Result<Answer, BrokerError>;

fn done(reply: Reply) -> Answered {
    Ok(Answer::Done(reply, Vec::new()))
}

impl Machine {
    /// Makes a broker that serves nobody yet.
    #[must_use]
    pub fn new(settings: Settings, randomness: Randomness) -> Self {
        Self {
            settings,
            randomness,
            accounts: Accounts::new(settings.quota),
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sets: BTreeMap::new(),
            streams: BTreeMap::new(),
            timelines: BTreeMap::new(),
            tokens: Tokens::default(),
            operations: BTreeMap::new(),
            moves: BTreeMap::new(),
            counters: Counters::default(),
            negotiating: Negotiating::new(Vec::new(), negotiating::core_solver),
            effects: Vec::new(),
        }
    }

    /// The same broker, with heaps for negotiated sets.
    #[must_use]
    pub fn with_heaps(mut self, heaps: Vec<HeapOffer>) -> Self {
        self.negotiating = Negotiating::new(heaps, negotiating::core_solver);
        self
    }

    /// Takes note of what happened, and returns what is to be done about it, in order.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Connected { peer, credentials } => self.connected(peer, credentials),
            Event::Call {
                peer,
                call,
                oneway,
                fds,
            } => self.called(peer, call, oneway, fds),
            Event::Malformed { peer, error, oneway } => self.malformed(peer, oneway, error),
            Event::Disconnected { peer } => self.end_peer(peer),
            Event::Allocated { operation, outcome } => self.allocated(operation, outcome),
            Event::HeapAnswered { operation, outcome } => self.heap_answered(operation, outcome),
            Event::Sealed {
                operation,
                set,
                outcome,
            } => self.set_sealed(operation, set, outcome),
            Event::StatusPageCreated {
                operation,
                stream,
                outcome,
            } => {
                self.status_page_created(operation, stream, outcome);
            }
            Event::BellsMade { operation, outcome } => self.bells_made(operation, outcome),
            Event::TimelinePageCreated {
                operation,
                timeline,
                outcome,
            } => {
                self.timeline_page_created(operation, timeline, outcome);
            }
            Event::Alarm { operation } if self.negotiation_alarm(operation) => {}
            Event::Alarm { operation } => self.alarm(operation),
        }
        self.follow_up();
        std::mem::take(&mut self.effects)
    }

    fn called(&mut self, peer: PeerId, call: Call, oneway: bool, mut fds: Vec<ReceivedFd>) {
        let handles = fds.iter().map(|fd| fd.handle).collect();
        match self.peers.get(&peer) {
            None => return self.drop_handles(handles),
            Some(Peer { busy: Some(_), .. }) => {
                // The driver broke its word; answers would get out of order. This session only pays for it.
                tracing::error!(
                    peer = peer.0,
                    "call delivered before the outcome of the one before"
                );
                self.drop_handles(handles);
                return self.disconnect(peer);
            }
            Some(_) => {}
        }
        if let Err(error) = pages::check_count(&call, fds.len()) {
            self.drop_handles(handles);
            return self.fail(peer, oneway, error);
        }
        if oneway && !call.changes_something() {
            return;
        }
        self.serve(Request {
            peer,
            oneway,
            call,
            page: fds.pop(),
            bells: None,
        });
    }

    /// Answers a call, or begins what has to be done before.
    fn serve(&mut self, request: Request) {
        match self.answer(&request) {
            Ok(Answer::Done(reply, fds)) => self.reply(request.peer, request.oneway, reply, fds),
            Ok(Answer::Later) => {}
            Err(error) => {
                self.drop_handles(request.handles());
                self.fail(request.peer, request.oneway, error);
            }
        }
    }

    /// The methods. When one succeeds it has taken over the page that came with the call and the bells made for it.
    fn answer(&mut self, request: &Request) -> Answered {
        request.call.check()?;
        self.check_kind(request.peer, &request.call)?;
        let peer = request.peer;
        match &request.call {
            Call::Register(call) => self.register(peer, call),
            Call::AllocateBuffers(call) => self.allocate_buffers(request, call),
            Call::FreeBuffers(call) => self.free_buffers(peer, call),
            Call::CreateStream(call) => self.create_any_stream(request, call),
            Call::IssueToken(call) => self.issue_token(request, call),
            Call::ImportBuffers(call) => self.import_buffers(peer, call),
            Call::ReleaseImport(call) => self.release_import(peer, call),
            Call::JoinStream(call) => self.join_any_stream(request, call),
            Call::TakeChanges(call) => self.take_changes(peer, call),
            Call::LeaveStream(call) => self.leave_stream(peer, call),
            Call::EndStream(call) => self.end_stream(peer, call),
            Call::MoveBuffers(call) => self.move_buffers(request, call),
            Call::GetMove(call) => self.get_move(peer, call),
            Call::TakeGeneration(call) => self.take_generation(peer, call),
            Call::ReadyGeneration(call) => self.generation_is_ready(request, call),
            Call::ReleaseGeneration(call) => self.release_generation(peer, call),
            Call::GetGeneration(call) => self.get_generation(peer, call),
            Call::CreateSet(call) => self.create_set(peer, call),
            Call::IssueSeat(call) => self.issue_seat(peer, call),
            Call::TakeSeat(call) => self.take_seat(peer, call),
            Call::SealSet(call) => self.seal_set(peer, call),
            Call::AwaitBuffers(call) => self.await_buffers(request, call),
            Call::LeaveSeat(call) => self.leave_seat(peer, call),
            Call::ExplainSet(call) => self.explain_set(peer, call),
            Call::CheckSet(call) => self.check_set(peer, call),
            Call::CreateTimeline(call) => self.create_timeline(request, call),
            Call::ImportTimeline(call) => self.import_timeline(request, call),
            Call::TakeImporters(call) => self.take_importers(peer, call),
            Call::ReleaseTimeline(call) => self.release_timeline(peer, call),
            Call::DropTimeline(call) => self.drop_timeline(peer, call),
            Call::GetState(_) => self.get_state(peer),
            Call::WatchStream(call) => self.watch_stream(peer, call),
            Call::GetInfo(_) => done(Reply::GetInfo(info::service_info())),
            Call::GetInterfaceDescription(call) => info::describe(&call.interface),
        }
    }

    fn malformed(&mut self, peer: PeerId, oneway: bool, error: BrokerError) {
        if !self.peers.contains_key(&peer) {
            return;
        }
        let fault = error.fault();
        self.fail(peer, oneway, error);
        if matches!(fault, Fault::Peer | Fault::Bug) {
            self.disconnect(peer);
        }
    }

    fn reply(&mut self, peer: PeerId, oneway: bool, reply: Reply, fds: Vec<FdRef>) {
        if !oneway {
            return self.effects.push(Effect::Reply { peer, reply, fds });
        }
        let given = fds.into_iter().filter_map(|fd| match fd {
            FdRef::Given(handle) => Some(handle),
            FdRef::Held(_) | FdRef::Process(_) => None,
        });
        self.drop_handles(given.collect());
    }

    fn fail(&mut self, peer: PeerId, oneway: bool, error: BrokerError) {
        if !oneway {
            self.effects.push(Effect::Fail { peer, error });
        }
    }

    fn drop_handles(&mut self, handles: Vec<FdHandle>) {
        if !handles.is_empty() {
            self.effects.push(Effect::Drop { handles });
        }
    }
}
