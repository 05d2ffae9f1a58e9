//! Somebody around a negotiated set, and what most tests begin with.

use wharf_core::AccessMode;
use wharf_core::attachment::Contract;
use wharf_core::constraints::{Buffers, Bytes, Constraints, key};
use wharf_core::negotiation::{Function, Participant, ParticipantId};
use wharf_protocol::{
    AwaitBuffers, AwaitBuffersReply, BrokerError, CreateSet, CreateSetReply, ExplainSet, ExplainSetReply,
    FailureDomain, FirstMap, IssueSeat, IssueSeatReply, JoinStream, JoinStreamReply, LatePolicy, Object,
    ObjectKind, Policy, ReadyGeneration, Reply, Role, Seat, SeatRight, SetContents, SetId, SetStatus,
    StreamId, TakeSeat, TakeSeatReply, Token,
};
use wharf_stream::CONSUMER_PAGE_BYTES;

use crate::state::tests::world::World;
use crate::state::{FdRef, PeerId};

/// Needs buffers of `min_bytes` to `max_bytes`, and counts on `camping` of them.
pub(super) fn needs(label: &str, min_bytes: u64, max_bytes: u64, camping: u64) -> Participant {
    let constraints = Constraints::builder()
        .with(key::MIN_SIZE, Bytes(min_bytes))
        .with(key::MAX_SIZE, Bytes(max_bytes))
        .with(key::CAMPING, Buffers(camping))
        .build()
        .unwrap();
    Participant::new(ParticipantId(0), label)
        .access(AccessMode::ReadOnly)
        .function(Function::new("use", constraints))
}

pub(super) fn writer(camping: u64) -> Participant {
    needs("camera", 4096, 1 << 20, camping).access(AccessMode::ReadWrite)
}

pub(super) fn reader(camping: u64) -> Participant {
    needs("viewer", 4096, 1 << 20, camping)
}

pub(super) fn pinned(participant: Participant) -> Participant {
    participant.contract(Contract::Static)
}

/// A set that nobody else is in, that moves for nobody and has no deadline, and who made it, in a world of their own.
pub(super) fn opened() -> (World, PeerId, CreateSetReply) {
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    (world, recorder, root)
}

/// A seat somebody has taken.
#[derive(Clone, Debug)]
pub(super) struct Chair {
    pub(super) peer: PeerId,
    pub(super) set: SetId,
    pub(super) participant: u64,
    pub(super) token: Token,
}

impl World {
    pub(super) fn create_set(
        &mut self,
        peer: PeerId,
        late: LatePolicy,
        deadline_ms: Option<u64>,
    ) -> CreateSetReply {
        let call = CreateSet {
            name: "preview".to_owned(),
            late,
            first_map: FirstMap::Waits,
            contents: SetContents::Discard,
            expected: false,
            deadline_ms,
            move_deadline_ms: 1000,
        };
        match self.call(peer, call) {
            Ok((Reply::CreateSet(reply), _)) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn issue(
        &mut self,
        peer: PeerId,
        parent: &Token,
        rights: &[SeatRight],
        domain: FailureDomain,
    ) -> Result<IssueSeatReply, BrokerError> {
        let call = IssueSeat {
            parent: parent.clone(),
            label: "guest".to_owned(),
            rights: rights.to_vec(),
            domain,
            expected: true,
        };
        match self.call(peer, call)? {
            (Reply::IssueSeat(reply), _) => Ok(reply),
            other => panic!("{other:?}"),
        }
    }

    /// A seat that must be had: its token.
    pub(super) fn seat(
        &mut self,
        peer: PeerId,
        parent: &Token,
        rights: &[SeatRight],
        domain: FailureDomain,
    ) -> Token {
        self.issue(peer, parent, rights, domain).unwrap().token
    }

    pub(super) fn sit(
        &mut self,
        peer: PeerId,
        token: &Token,
        participant: Participant,
    ) -> Result<Chair, BrokerError> {
        let call = TakeSeat {
            token: token.clone(),
            participant: Object(participant),
        };
        match self.call(peer, call)? {
            (Reply::TakeSeat(TakeSeatReply { set, participant }), _) => Ok(Chair {
                peer,
                set,
                participant,
                token: token.clone(),
            }),
            other => panic!("{other:?}"),
        }
    }

    /// Asks for buffers without waiting.
    pub(super) fn buffers(&mut self, chair: &Chair) -> Result<(AwaitBuffersReply, Vec<FdRef>), BrokerError> {
        self.post_buffers(chair, 0);
        self.answered_buffers(chair.peer).expect("the call is answered")
    }

    pub(super) fn post_buffers(&mut self, chair: &Chair, wait_ms: u64) {
        let call = AwaitBuffers {
            set: chair.set,
            participant: chair.participant,
            wait_ms,
        };
        self.post(chair.peer, call, Vec::new());
    }

    pub(super) fn answered_buffers(
        &mut self,
        peer: PeerId,
    ) -> Option<Result<(AwaitBuffersReply, Vec<FdRef>), BrokerError>> {
        Some(match self.answer(peer)? {
            Ok((Reply::AwaitBuffers(reply), fds)) => Ok((reply, fds)),
            Err(error) => Err(error),
            other => panic!("{other:?}"),
        })
    }

    /// Says that the one who writes has mapped a generation.
    pub(super) fn mapped(&mut self, chair: &Chair, generation: u64) -> Result<(), BrokerError> {
        self.ready(chair.peer, chair.set, generation, None)
    }

    pub(super) fn ready(
        &mut self,
        peer: PeerId,
        set: SetId,
        generation: u64,
        seat: Option<Seat>,
    ) -> Result<(), BrokerError> {
        let call = ReadyGeneration {
            set,
            generation,
            role: if seat.is_some() {
                Role::Consumer
            } else {
                Role::Owner
            },
            seat,
            error: None,
        };
        self.call(peer, call).map(drop)
    }

    pub(super) fn explain(&mut self, peer: PeerId, set: SetId) -> Result<ExplainSetReply, BrokerError> {
        match self.call(peer, ExplainSet { set })? {
            (Reply::ExplainSet(reply), _) => Ok(reply),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn post_join(&mut self, peer: PeerId, token: &Token, depth: u32, who: Who, wait_ms: u64) {
        let page = self.page(CONSUMER_PAGE_BYTES);
        let (needs, participant) = match who {
            Who::Anybody => (None, None),
            Who::Needs(needs) => (Some(Object(needs)), None),
            Who::Seated(participant) => (None, Some(participant)),
        };
        let call = JoinStream {
            needs,
            participant,
            wait_ms: Some(wait_ms),
            ..JoinStream::new(token.clone(), depth, Policy::Latest)
        };
        self.post(peer, call, vec![page]);
    }

    pub(super) fn answered_join(&mut self, peer: PeerId) -> Option<Result<JoinStreamReply, BrokerError>> {
        Some(match self.answer(peer)? {
            Ok((Reply::JoinStream(reply), _)) => Ok(reply),
            Err(error) => Err(error),
            other => panic!("{other:?}"),
        })
    }

    pub(super) fn come(
        &mut self,
        peer: PeerId,
        token: &Token,
        depth: u32,
        who: Who,
    ) -> Result<JoinStreamReply, BrokerError> {
        self.post_join(peer, token, depth, who, 0);
        self.answered_join(peer).expect("the call is answered")
    }
}

/// Who joins a stream.
#[derive(Clone, Debug)]
pub(super) enum Who {
    Anybody,
    Needs(Participant),
    Seated(u64),
}

/// A camera with a stream over a negotiated set that somebody else made.
pub(super) struct Studio {
    pub(super) world: World,
    pub(super) recorder: PeerId,
    pub(super) root: CreateSetReply,
    pub(super) camera: Chair,
    pub(super) stream: StreamId,
    pub(super) tickets: Token,
}

impl Studio {
    /// The camera counts on `camping` buffers, and a phantom keeps `spare` for others.
    pub(super) fn new(late: LatePolicy, camping: u64, spare: u64) -> Self {
        let mut world = World::new();
        let recorder = world.client("recorder");
        let root = world.create_set(recorder, late, None);
        if spare > 0 {
            let room =
                needs("room", 4096, 1 << 20, spare).presence(wharf_core::negotiation::Presence::Phantom);
            let seat = world.seat(recorder, &root.token, &[], FailureDomain::Attached);
            world.sit(recorder, &seat, room).unwrap();
        }
        let seat = world.seat(recorder, &root.token, &[SeatRight::Write], FailureDomain::Normal);
        let peer = world.client("camera");
        let camera = world.sit(peer, &seat, writer(camping)).unwrap();
        world.buffers(&camera).unwrap();
        world.mapped(&camera, 1).unwrap();
        let stream = world.create(peer, root.set, 8).unwrap();
        let tickets = world.token(peer, ObjectKind::Stream, stream.0, 100);
        Self {
            world,
            recorder,
            root,
            camera,
            stream,
            tickets,
        }
    }

    pub(super) fn status(&mut self) -> SetStatus {
        self.world.explain(self.recorder, self.root.set).unwrap().status
    }

    /// Everybody goes; nothing is left.
    pub(super) fn close(mut self) {
        self.world.everybody_goes();
    }
}

impl World {
    /// Everybody goes, and all time passes; nothing is left.
    pub(super) fn everybody_goes(&mut self) {
        for peer in self.connected.clone() {
            self.tell(crate::state::Event::Disconnected { peer });
        }
        self.report_all();
        while let Some((operation, _)) = self.alarms.pop_first() {
            self.tell(crate::state::Event::Alarm { operation });
            self.report_all();
        }
        self.assert_empty();
    }

    pub(super) fn root_token(&self, set: SetId) -> Token {
        self.machine.negotiating.root_token(set)
    }

    /// The time of whatever is to be told after so long is up.
    pub(super) fn pass(&mut self, after_ms: u64) {
        let due = self.alarms.iter().find(|(_, after)| **after == after_ms);
        let operation = *due.expect("something is to be told then").0;
        self.alarms.remove(&operation);
        self.tell(crate::state::Event::Alarm { operation });
    }
}
