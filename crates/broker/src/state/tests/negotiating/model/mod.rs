//! Random lives of negotiated sets: whatever participants do and whenever they die, the invariants hold after every step, and in
//! the end nothing is left.

mod buffers;
mod steps;

use super::table::{needs, pinned, writer};
use crate::state::tests::world::World;
use crate::state::{DEFAULT_QUOTA, Effect, Event, PeerId};
use proptest::prelude::*;
use steps::{Move, Step, step, steps};
use wharf_core::negotiation::Participant;
use wharf_protocol::{
    AwaitBuffers, Call, CheckSet, CreateSet, EndReason, EndStream, ExplainSet, FailureDomain, FirstMap,
    GetState, IssueSeat, LatePolicy, LeaveSeat, Object, ReleaseImport, Reply, SealSet, SeatRight,
    SetContents, SetId, StreamId, TakeSeat, Token,
};

/// What has come of the steps so far.
struct Play {
    world: World,
    peers: Vec<PeerId>,
    tokens: Vec<Token>,
    tickets: Vec<(StreamId, Token)>,
    answered: usize,
}

fn nth<T: Clone>(of: &[T], place: usize) -> Option<T> {
    of.get(place % of.len().max(1)).cloned()
}

impl Play {
    fn new() -> Self {
        let quota = wharf_protocol::Amounts {
            buffers: 40,
            ..DEFAULT_QUOTA
        };
        let mut world = World::with_quota(quota);
        world.hold_reports = true;
        let peers = vec![world.client("first"), world.client("second")];
        Self {
            world,
            peers,
            tokens: Vec::new(),
            tickets: Vec::new(),
            answered: 0,
        }
    }

    fn set(&self, place: usize) -> SetId {
        let sets: Vec<SetId> = self.world.machine.negotiating.ids();
        nth(&sets, place).unwrap_or(SetId(9))
    }

    fn call(&mut self, place: usize, call: impl Into<Call>, page: Option<usize>) {
        let Some(peer) = nth(&self.peers, place) else {
            return;
        };
        // The driver delivers no call before the outcome of the one before.
        if self.world.machine.peers[&peer].busy.is_some() {
            return;
        }
        let fds = page.map(|size| self.world.page(size)).into_iter().collect();
        self.world.post(peer, call, fds);
        self.listen(peer);
    }

    fn listen(&mut self, peer: PeerId) {
        while let Some(answer) = self.world.answer(peer) {
            self.answered += 1;
            match answer {
                Ok((Reply::CreateSet(reply), _)) => self.tokens.push(reply.token),
                Ok((Reply::IssueSeat(reply), _)) => self.tokens.push(reply.token),
                Ok((Reply::IssueToken(reply), _)) => {
                    let streams: Vec<StreamId> = self.world.machine.streams.keys().copied().collect();
                    self.tickets
                        .extend(streams.last().map(|stream| (*stream, reply.token)));
                }
                _ => {}
            }
        }
    }

    fn token(&self, place: usize) -> Token {
        nth(&self.tokens, place).unwrap_or_else(|| Token::new("none"))
    }

    fn someone(size: u32, camping: u64, writes: bool, is_pinned: bool) -> Participant {
        let participant = match (size, writes) {
            (_, true) => writer(camping),
            (3, _) => needs("odd", 1 << 21, 1 << 22, camping),
            (size, _) => needs("reader", 4096 << size, 1 << 20, camping),
        };
        if is_pinned {
            pinned(participant)
        } else {
            participant
        }
    }

    /// Plays one step.
    fn play(&mut self, Move { peer, step }: Move) {
        match step {
            Step::Come => {
                if self.peers.len() < 5 {
                    let peer = self.world.client("guest");
                    self.peers.push(peer);
                }
            }
            Step::Create {
                late,
                deadline,
                first_map,
            } => self.create(peer, late, deadline, first_map),
            Step::Issue {
                token,
                rights,
                domain,
                expected,
            } => {
                let has = |(index, _): &(usize, &SeatRight)| rights >> index & 1 == 1;
                let rights = SeatRight::ALL
                    .iter()
                    .enumerate()
                    .filter(has)
                    .map(|(_, right)| *right)
                    .collect();
                let domains = [
                    FailureDomain::Normal,
                    FailureDomain::Dispensable,
                    FailureDomain::Attached,
                ];
                let call = IssueSeat {
                    parent: self.token(token),
                    label: "guest".to_owned(),
                    rights,
                    domain: domains[usize::from(domain)],
                    expected,
                };
                self.call(peer, call, None);
            }
            Step::Take {
                token,
                size,
                camping,
                writes,
                pinned,
            } => {
                let participant = Object(Self::someone(size, camping, writes, pinned));
                let token = self.token(token);
                self.call(peer, TakeSeat { token, participant }, None);
            }
            Step::Await { seat, wait } => {
                let set = self.set(seat / 3);
                let call = AwaitBuffers {
                    set,
                    participant: 1 + seat as u64,
                    wait_ms: if wait { 900 } else { 0 },
                };
                self.call(peer, call, None);
            }
            Step::Stream { set } => self.stream(set),
            Step::Join {
                stream,
                depth,
                who,
                size,
                wait,
            } => self.join(peer, stream, depth, who, size, wait),
            other => self.play_on(peer, other),
        }
    }

    fn play_on(&mut self, peer: usize, step: Step) {
        match step {
            Step::Map { set } => self.map(self.set(set)),
            Step::Follow { set, who, fails } => self.follow(self.set(set), who, fails),
            Step::LetGo { set, who } => self.let_go(self.set(set), who),
            Step::Leave { member } => self.leave(member),
            Step::End { stream } => {
                let streams: Vec<StreamId> = self.world.machine.streams.keys().copied().collect();
                if let Some(stream) = nth(&streams, stream) {
                    let reason = EndReason::Ended;
                    self.call(peer, EndStream { stream, reason }, None);
                }
            }
            Step::Seal { set } => {
                let set = self.set(set);
                self.call(peer, SealSet { set }, None);
            }
            Step::GiveUp { token } => {
                let token = self.token(token);
                self.call(peer, LeaveSeat { token }, None);
            }
            Step::Drop { set } => {
                let set = self.set(set);
                self.call(peer, ReleaseImport { set }, None);
            }
            Step::Look { set } => {
                let set = self.set(set);
                let participant = Object(Self::someone(1, 1, false, false));
                self.call(peer, ExplainSet { set }, None);
                self.call(peer, CheckSet { set, participant }, None);
                self.call(peer, GetState {}, None);
            }
            Step::Report => drop(self.world.report()),
            Step::Time { which } => {
                let alarms: Vec<_> = self.world.alarms.keys().copied().collect();
                if let Some(operation) = nth(&alarms, which) {
                    self.world.alarms.remove(&operation);
                    self.world.tell(Event::Alarm { operation });
                }
            }
            Step::Empty { heap } => {
                let heaps = ["small", "large"].into_iter().enumerate();
                let empty = heaps.filter(|(index, _)| heap >> index & 1 == 1);
                self.world.empty_heaps = empty.map(|(_, name)| name.to_owned()).collect();
            }
            Step::Die { peer } => {
                if let Some(peer) = nth(&self.peers, peer) {
                    self.peers.retain(|other| *other != peer);
                    self.world.tell(Event::Disconnected { peer });
                }
            }
            _ => {}
        }
        for peer in self.peers.clone() {
            self.listen(peer);
        }
    }

    fn create(&mut self, peer: usize, late: bool, deadline: bool, first_map: u8) {
        let first_maps = [FirstMap::Waits, FirstMap::Seals, FirstMap::Forbidden];
        let call = CreateSet {
            name: String::new(),
            late: if late {
                LatePolicy::Reallocate
            } else {
                LatePolicy::Refuse
            },
            first_map: first_maps[usize::from(first_map)],
            contents: SetContents::Discard,
            expected: false,
            deadline_ms: deadline.then_some(77),
            move_deadline_ms: 100,
        };
        self.call(peer, call, None);
    }

    /// The session of the one who writes, as a place among peers.
    fn owner(&self, set: SetId) -> Option<usize> {
        let owner = self.world.machine.sets.get(&set)?.owner;
        let peer = self.world.machine.sessions.get(&owner)?.peer;
        self.peers.iter().position(|other| *other == peer)
    }

    /// Everybody goes; returns everything the machine ever wanted.
    fn finish(mut self) -> Vec<Effect> {
        self.world.everybody_goes();
        self.world.history
    }
}

fn play(steps: &[Move]) -> Vec<Effect> {
    let mut play = Play::new();
    steps.iter().for_each(|step| play.play(step.clone()));
    play.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_life_of_sets_keeps_the_invariants_and_leaves_nothing_behind(steps in steps()) {
        play(&steps);
    }

    #[test]
    fn the_same_life_has_the_same_effects(steps in steps()) {
        prop_assert_eq!(play(&steps), play(&steps));
    }
}

#[test]
fn random_lives_reach_every_reply_and_error_of_negotiated_sets() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let steps = prop::collection::vec(
            (0_usize..5, step()).prop_map(|(peer, step)| Move { peer, step }),
            250,
        );
        let steps = steps.new_tree(&mut runner).unwrap().current();
        kinds.extend(play(&steps).iter().map(kind));
    }
    for wanted in [
        "AskHeap",
        "AwaitBuffers",
        "CheckSet",
        "CreateSet",
        "ExplainSet",
        "IssueSeat",
        "JoinStream",
        "LeaveSeat",
        "NoPart",
        "Refused",
        "Resume",
        "SealSet",
        "SeatDenied",
        "SetGenerations",
        "SetInUse",
        "SetOver",
        "SetSealed",
        "SetSettling",
        "SetWaiting",
        "TakeSeat",
        "TokenUsedUp",
        "Wait",
    ] {
        assert!(kinds.contains(wanted), "{wanted} is not among {kinds:?}");
    }
}

/// The name of what an effect is about: its own, or that of the reply or error in it.
fn kind(effect: &Effect) -> String {
    let text = match effect {
        Effect::Reply { reply, .. } => format!("{reply:?}"),
        Effect::Fail { error, .. } => format!("{error:?}"),
        other => format!("{other:?}"),
    };
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}
