//! Calls with parameters of which most mean something.

use wharf_core::negotiation::Participant;
use wharf_protocol::{
    AllocateBuffers, AwaitBuffers, Call, CheckSet, CreateSet, CreateStream, EndReason, EndStream, ExplainSet,
    FailureDomain, FirstMap, FreeBuffers, GetGeneration, GetInfo, GetInterfaceDescription, GetMove, GetState,
    ImportBuffers, Incarnation, IssueSeat, IssueToken, JoinStream, LatePolicy, LeaveSeat, LeaveStream,
    MoveBuffers, MoveContract, Object, ObjectKind, Policy, ReadyGeneration, Register, ReleaseGeneration,
    ReleaseImport, Role, SealSet, Seat, SeatRight, SetContents, SetId, Slot, StreamId, TakeChanges,
    TakeGeneration, TakeSeat, Token, WatchStream,
};

use super::Script;
use crate::broker::needs;

/// This number is the call that asks for a stream's pages.
const WATCHING: usize = 255;

/// From this number on, calls are about moves.
const FIRST_OF_MOVES: usize = 224;

/// From this number on, calls are about timelines.
const FIRST_OF_TIMELINES: usize = 246;

/// From this number on, calls are about negotiated sets.
const FIRST_OF_NEGOTIATED: usize = 200;

const DOMAINS: [FailureDomain; 3] = [
    FailureDomain::Normal,
    FailureDomain::Dispensable,
    FailureDomain::Attached,
];

const LABELS: [&str; 5] = [
    "camera",
    "viewer",
    "",
    "two\nlines",
    "a label of more than sixty-three bytes, which is one more than fits",
];

const SIZES_BYTES: [u64; 8] = [4096, 1, 5000, 1 << 20, 1 << 40, (1 << 40) + 1, u64::MAX, 0];

const INTERFACES: [&str; 3] = ["dev.wharf.Broker", "org.varlink.service", "org.example.Unknown"];

impl Script<'_> {
    pub(super) fn call(&mut self, tokens: &[Token]) -> Call {
        let kind = self.number(256);
        if kind == WATCHING {
            let stream = StreamId(self.id());
            return WatchStream { stream }.into();
        }
        if kind >= FIRST_OF_TIMELINES {
            return self.timeline(kind - FIRST_OF_TIMELINES, tokens);
        }
        if kind >= FIRST_OF_MOVES {
            return self.moving(kind - FIRST_OF_MOVES);
        }
        if kind >= FIRST_OF_NEGOTIATED {
            return self.negotiating(kind - FIRST_OF_NEGOTIATED, tokens);
        }
        match kind % 14 {
            0 => Register {
                label: self.pick(&LABELS).to_owned(),
            }
            .into(),
            1 => {
                let (name, size_bytes) = (self.name(), self.pick(&SIZES_BYTES));
                AllocateBuffers {
                    name,
                    size_bytes,
                    count: self.count(),
                }
                .into()
            }
            2 => FreeBuffers {
                set: SetId(self.id()),
            }
            .into(),
            3 => {
                let (set, name, max_consumers) = (SetId(self.id()), self.name(), self.count());
                CreateStream {
                    set,
                    name,
                    max_consumers,
                    room_ms: None,
                    polled: (max_consumers / 16 == 2).then_some(true),
                    rotation: None,
                }
                .into()
            }
            4 => {
                let kind = self.pick(&[ObjectKind::Stream, ObjectKind::Set]);
                IssueToken {
                    kind,
                    id: self.id(),
                    uses: self.count(),
                }
                .into()
            }
            5 => ImportBuffers {
                token: self.token(tokens),
                contract: None,
            }
            .into(),
            6 => self.join(tokens).into(),
            7 => {
                let (stream, after) = (StreamId(self.id()), Incarnation(self.id()));
                TakeChanges { stream, after }.into()
            }
            8 => {
                let (stream, slot) = (StreamId(self.id()), Slot(self.count()));
                LeaveStream {
                    stream,
                    slot,
                    incarnation: Incarnation(self.id()),
                }
                .into()
            }
            9 => {
                let (stream, reasons) = (StreamId(self.id()), [EndReason::Ended, EndReason::ProducerDied]);
                EndStream {
                    stream,
                    reason: self.pick(&reasons),
                }
                .into()
            }
            10 => GetState {}.into(),
            11 => GetInfo {}.into(),
            12 => ReleaseImport {
                set: SetId(self.id()),
            }
            .into(),
            _ => GetInterfaceDescription {
                interface: self.pick(&INTERFACES).to_owned(),
            }
            .into(),
        }
    }

    pub(super) fn name(&mut self) -> String {
        self.pick(&["", "frames", "a name of more than thirty-one bytes"])
            .to_owned()
    }

    pub(super) fn token(&mut self, tokens: &[Token]) -> Token {
        let index = self.number(tokens.len().min(255) + 1);
        tokens
            .get(index)
            .cloned()
            .unwrap_or_else(|| Token::new("0".repeat(32)))
    }

    fn join(&mut self, tokens: &[Token]) -> JoinStream {
        let (token, depth) = (self.token(tokens), self.count());
        let terms = self.number(256);
        let policy = [Policy::Block, Policy::Latest][terms % 2];
        let contract = match terms / 64 {
            2 => Some(MoveContract::Revocable),
            3 => Some(MoveContract::Pinned),
            _ => None,
        };
        let stream = self.pick(&[None, None, Some(StreamId(1)), Some(StreamId(2))]);
        JoinStream {
            stream,
            contract,
            polled: (terms / 16 % 2 == 1).then_some(true),
            ..JoinStream::new(token, depth, policy)
        }
    }

    /// A call about moving a set.
    fn moving(&mut self, kind: usize) -> Call {
        let (set, generation) = (SetId(self.id()), self.id());
        let role = self.pick(&[Role::Owner, Role::Importer, Role::Consumer]);
        let seat = (role == Role::Consumer).then(|| Seat {
            slot: Slot(self.count()),
            incarnation: Incarnation(self.id()),
        });
        match kind % 6 {
            0 => MoveBuffers {
                set,
                size_bytes: self.pick(&SIZES_BYTES),
                count: self.count(),
                deadline_ms: generation,
                plan: self.name(),
            }
            .into(),
            1 => GetMove { set, generation }.into(),
            2 => TakeGeneration {
                set,
                generation,
                role,
                seat,
            }
            .into(),
            3 => ReadyGeneration {
                set,
                generation,
                role,
                seat,
                error: self.pick(&[None, None, None, Some("no room")]).map(str::to_owned),
            }
            .into(),
            4 => ReleaseGeneration {
                set,
                generation,
                role,
                seat,
            }
            .into(),
            _ => GetGeneration { set, role, seat }.into(),
        }
    }

    /// A call about negotiated sets.
    fn negotiating(&mut self, kind: usize, tokens: &[Token]) -> Call {
        match kind % 8 {
            0 => CreateSet {
                name: self.name(),
                late: self.pick(&[LatePolicy::Reallocate, LatePolicy::Refuse]),
                first_map: self.pick(&[FirstMap::Waits, FirstMap::Seals, FirstMap::Forbidden]),
                contents: self.pick(&[SetContents::Discard, SetContents::Keep]),
                expected: self.number(2) == 1,
                deadline_ms: self.pick(&[None, Some(0), Some(77), Some(u64::MAX)]),
                move_deadline_ms: self.pick(&[100, 1000, 0, u64::MAX]),
            }
            .into(),
            1 => IssueSeat {
                parent: self.token(tokens),
                label: self.pick(&LABELS).to_owned(),
                rights: self.rights(),
                domain: self.pick(&DOMAINS),
                expected: self.number(2) == 1,
            }
            .into(),
            2 => {
                let token = self.token(tokens);
                let participant = self.participant();
                TakeSeat { token, participant }.into()
            }
            3 => SealSet {
                set: SetId(self.id()),
            }
            .into(),
            4 => AwaitBuffers {
                set: SetId(self.id()),
                participant: self.id(),
                wait_ms: self.pick(&[0, 900, u64::MAX]),
            }
            .into(),
            5 => LeaveSeat {
                token: self.token(tokens),
            }
            .into(),
            6 => ExplainSet {
                set: SetId(self.id()),
            }
            .into(),
            _ => {
                let set = SetId(self.id());
                let participant = self.participant();
                CheckSet { set, participant }.into()
            }
        }
    }

    fn rights(&mut self) -> Vec<SeatRight> {
        let granted = self.number(16);
        let rights = SeatRight::ALL.into_iter().enumerate();
        let is_granted = |(index, _): &(usize, SeatRight)| granted >> index & 1 == 1;
        rights.filter(is_granted).map(|(_, right)| right).collect()
    }

    fn participant(&mut self) -> Object<Participant> {
        let kind = self.number(16);
        let camping = self.number(5) as u64;
        Object(needs::participant(kind, camping))
    }
}
