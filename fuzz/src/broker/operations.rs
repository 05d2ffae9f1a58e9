//! Work that takes the driver a while: how it begins, and how it is reported.

use wharf_broker::state::{Event, FdHandle, HeapFailure, HeapRequest, OperationId, PeerId};
use wharf_core::Errno;
use wharf_protocol::{BrokerError, Call, SetId, StreamId, TimelineId};

use super::effects::Turn;
use super::holdings::Held;
use super::needs::heaps;
use super::waiting::Waiting;
use super::world::World;

/// Work that was asked for and not reported yet.
pub(super) struct Operation {
    /// Who is not served until it is done, if anybody.
    pub(super) peer: Option<PeerId>,
    pub(super) call: Option<Call>,
    pub(super) oneway: bool,
    /// Whether the call is answered when it is done.
    pub(super) is_waited_for: bool,
    pub(super) work: Work,
}

pub(super) enum Work {
    Allocate { count: u32, size_bytes: u64 },
    AskHeap(HeapRequest),
    Seal(SetId, Vec<FdHandle>),
    StatusPage(StreamId),
    Bells(Vec<u32>),
    TimelinePage(TimelineId),
}

impl World {
    /// Takes on work for the call that is being served.
    pub(super) fn begin(&mut self, id: OperationId, work: Work) {
        let peer = self.turn.peer.expect("work is done for calls");
        let caller = self
            .peers
            .get_mut(&peer)
            .expect("work is done for those who are there");
        assert!(
            caller.waits_for.replace(Waiting::Operation(id)).is_none(),
            "one call waits for two operations"
        );
        self.turn.operations += 1;
        let operation = Operation {
            peer: Some(peer),
            call: self.turn.call.clone(),
            oneway: self.turn.oneway,
            is_waited_for: true,
            work,
        };
        self.note_operation(id, operation);
    }

    /// Takes on work that no call waits for.
    fn begin_alone(&mut self, id: OperationId, work: Work) {
        let alone = Operation {
            peer: None,
            call: None,
            oneway: false,
            is_waited_for: false,
            work,
        };
        self.note_operation(id, alone);
    }

    fn note_operation(&mut self, id: OperationId, operation: Operation) {
        let before = self.operations.insert(id, operation);
        assert!(before.is_none(), "{id:?} was begun twice");
    }

    /// Allocates: for a call that asks for it, or for nobody, because somebody departed who may not read later frames.
    pub(super) fn allocate(&mut self, id: OperationId, work: Work) {
        let asks = |call: &Call| {
            matches!(
                call,
                Call::AllocateBuffers(_) | Call::MoveBuffers(_) | Call::JoinStream(_)
            )
        };
        if self.turn.call.as_ref().is_some_and(asks) {
            self.begin(id, work);
        } else {
            self.reached.note("rotates");
            self.begin_alone(id, work);
        }
    }

    /// Seals buffers: for a call that waits for it, for one that is answered at once, or for nobody.
    pub(super) fn seal(&mut self, peer: PeerId, id: OperationId, set: SetId, buffers: Vec<FdHandle>) {
        for buffer in &buffers {
            assert!(matches!(self.holdings.get(*buffer), Held::Fresh | Held::Sealed));
        }
        let work = Work::Seal(set, buffers);
        if peer == PeerId(0) {
            return self.begin_alone(id, work);
        }
        assert_eq!(Some(peer), self.turn.peer);
        self.begin(id, work);
        if matches!(self.turn.call, Some(Call::ReadyGeneration(_))) {
            self.turn.operations -= 1;
            self.turn.seal = Some(id);
        }
    }

    /// Asks a heap.
    pub(super) fn ask_heap(&mut self, id: OperationId, request: HeapRequest) {
        let heaps = heaps();
        let heap = heaps.iter().find(|heap| *heap.name == *request.heap);
        let chunk_bytes = heap
            .expect("only heaps there are, are asked")
            .guarantees
            .chunk_bytes;
        assert!(request.size_bytes > 0 && request.size_bytes.is_multiple_of(chunk_bytes));
        assert!((1..=64).contains(&request.count), "{request:?}");
        self.reached.note(format!("asks {}", request.heap));
        self.begin_alone(id, Work::AskHeap(request));
    }

    /// The time of something is up.
    pub(super) fn ring_alarm(&mut self, operation: usize) {
        let waiting: Vec<OperationId> = self.alarms.iter().copied().collect();
        if let Some(index) = operation.checked_rem(waiting.len()) {
            self.turn = Turn::default();
            self.alarms.remove(&waiting[index]);
            self.tell(Event::Alarm {
                operation: waiting[index],
            });
        }
    }

    /// Reports how an operation went. Its peer may be gone by now.
    pub(super) fn report(&mut self, id: OperationId, succeeds: bool) {
        let Some(done) = self.operations.remove(&id) else {
            return;
        };
        let peer = done.peer.filter(|peer| self.is_held_up(*peer, id));
        if let Some(peer) = peer.and_then(|peer| self.peers.get_mut(&peer)) {
            peer.waits_for = None;
        }
        let asker = peer.filter(|_| done.is_waited_for);
        self.turn = Turn {
            peer: asker,
            call: done.call,
            oneway: done.oneway,
            ..Turn::default()
        };
        let is_heap = matches!(done.work, Work::AskHeap(_));
        let before = self.holdings.count();
        let event = self.outcome(id, done.work, succeeds);
        self.tell(event);
        if is_heap && succeeds && self.holdings.count() <= before {
            self.reached.note("heap gives too late");
        }
        if asker.is_some() {
            self.check_answered();
        }
        if let Some(peer) = peer {
            self.serve(peer);
        }
    }

    /// Whether a peer is not served until an operation is done.
    fn is_held_up(&self, peer: PeerId, id: OperationId) -> bool {
        let waits_for = self.peers.get(&peer).and_then(|peer| peer.waits_for.as_ref());
        matches!(waits_for, Some(Waiting::Operation(operation)) if *operation == id)
    }

    fn outcome(&mut self, operation: OperationId, work: Work, succeeds: bool) -> Event {
        let failure = || BrokerError::AllocationFailed {
            errno: 12,
            reason: "out of memory".to_owned(),
        };
        match work {
            Work::Allocate { count, size_bytes } => {
                let buffers = |_| self.holdings.add_buffers(count, size_bytes);
                let outcome = succeeds.then_some(()).map(buffers).ok_or_else(failure);
                Event::Allocated { operation, outcome }
            }
            Work::AskHeap(request) => {
                self.reached
                    .note(if succeeds { "heap gives" } else { "heap refuses" });
                let buffers = |_| self.holdings.add_buffers(request.count, request.size_bytes);
                let refusal = || HeapFailure {
                    errno: Errno::ENOMEM,
                    reason: "out of memory".to_owned(),
                };
                let outcome = succeeds.then_some(()).map(buffers).ok_or_else(refusal);
                Event::HeapAnswered { operation, outcome }
            }
            Work::Seal(set, buffers) => {
                if succeeds {
                    self.holdings.seal(&buffers);
                }
                let outcome = succeeds.then_some(()).ok_or_else(failure);
                Event::Sealed {
                    operation,
                    set,
                    outcome,
                }
            }
            Work::Bells(ends) => {
                let bell = |ends: u32| (0..ends).map(|_| self.holdings.add(Held::Bell)).collect();
                let outcome = match succeeds {
                    true => Ok(ends.into_iter().map(bell).collect()),
                    false => Err(failure()),
                };
                Event::BellsMade { operation, outcome }
            }
            Work::StatusPage(stream) if succeeds => {
                self.holdings.add_page(stream);
                let outcome = Ok(self.holdings.add(Held::Status));
                Event::StatusPageCreated {
                    operation,
                    stream,
                    outcome,
                }
            }
            Work::TimelinePage(timeline) => {
                let made = |()| {
                    self.holdings.add_timeline_page(timeline);
                    self.holdings.add(Held::Status)
                };
                let outcome = succeeds.then_some(()).map(made).ok_or_else(failure);
                Event::TimelinePageCreated {
                    operation,
                    timeline,
                    outcome,
                }
            }
            Work::StatusPage(stream) => Event::StatusPageCreated {
                operation,
                stream,
                outcome: Err(failure()),
            },
        }
    }
}
