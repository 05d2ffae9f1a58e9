//! Random calls, in any order and with any answers of the driver, against what a set may never do.
//! Origin: acceptance test (n) of reference section 5.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::fake::participant;
use crate::play::{Play, config};
use wharf_core::Errno;
use wharf_core::negotiation::{Participant, Presence};
use wharf_core::set::{
    AllocationFailure, Declared, FailureDomain, LatePolicy, MoveFailure, News, Order, Rights, SetConfig,
    SetError, SetStatus, TokenId, TokenSpec, TokenStatus,
};

#[derive(Debug, Clone)]
enum Step {
    Issue {
        parent: usize,
        domain: FailureDomain,
        is_expected: bool,
        is_weak: bool,
    },
    Declare {
        token: usize,
        bytes: (u64, u64),
        camping: u64,
        presence: Presence,
    },
    Undeclare(usize),
    Release(usize),
    Fail(usize),
    Seal(usize),
    Want(usize),
    Deadline,
    /// An answer to the oldest order that has none: `true` if it went well.
    Answer(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let domain = prop_oneof![
        Just(FailureDomain::Normal),
        Just(FailureDomain::Dispensable),
        Just(FailureDomain::Attached)
    ];
    let presence = prop_oneof![
        6 => Just(Presence::Required),
        1 => Just(Presence::Phantom),
        1 => (0..3_u32).prop_map(|priority| Presence::Optional { priority })
    ];
    let bytes = (1..6_u64, 0..9_u64).prop_map(|(least, more)| (least, least + more));
    prop_oneof![
        5 => (0..9_usize, domain, any::<bool>(), proptest::bool::weighted(0.1))
            .prop_map(|(parent, domain, is_expected, is_weak)| Step::Issue { parent, domain, is_expected, is_weak }),
        8 => (0..9_usize, bytes, 0..3_u64, presence)
            .prop_map(|(token, bytes, camping, presence)| Step::Declare { token, bytes, camping, presence }),
        1 => (0..9_usize).prop_map(Step::Undeclare),
        2 => (0..9_usize).prop_map(Step::Release),
        2 => (1..9_usize).prop_map(Step::Fail),
        2 => (0..9_usize).prop_map(Step::Seal),
        2 => (0..9_usize).prop_map(Step::Want),
        1 => Just(Step::Deadline),
        8 => proptest::bool::weighted(0.8).prop_map(Step::Answer),
    ]
}

/// What a driver knows of a generation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Memory {
    Asked,
    There,
    Freed,
}

/// What the model knows of a token.
#[derive(Debug, Clone)]
struct Known {
    parent: Option<TokenId>,
    domain: FailureDomain,
    is_held: bool,
    is_strong: bool,
}

struct World {
    play: Play,
    tokens: BTreeMap<TokenId, Known>,
    memories: BTreeMap<u64, Memory>,
    /// Orders that have no answer.
    open: Vec<Order>,
    told_over: BTreeSet<u64>,
}

impl World {
    fn new(late: LatePolicy) -> Self {
        let play = Play::new(SetConfig { late, ..config() });
        let root = Known {
            parent: None,
            domain: FailureDomain::Normal,
            is_held: true,
            is_strong: true,
        };
        Self {
            tokens: BTreeMap::from([(play.root, root)]),
            play,
            memories: BTreeMap::new(),
            open: Vec::new(),
            told_over: BTreeSet::new(),
        }
    }

    fn token(&self, index: usize) -> TokenId {
        *self.tokens.keys().nth(index % self.tokens.len()).unwrap()
    }

    /// Who fails with a token: the subtree of the nearest one that keeps failures to itself; `None` for everybody.
    fn failing(&self, token: TokenId) -> Option<Vec<TokenId>> {
        let is_there = self.play.set.generation().is_some();
        let seen = self.play.set.snapshot();
        let status = seen.tokens.iter().find(|one| one.token == token).unwrap().status;
        let mut at = token;
        let mut is_outside = is_there && status != TokenStatus::Declared;
        loop {
            let known = &self.tokens[&at];
            let contains = match known.domain {
                FailureDomain::Normal => false,
                FailureDomain::Dispensable => is_there,
                FailureDomain::Attached => true,
            };
            if contains || is_outside {
                break;
            }
            is_outside = false;
            at = known.parent?;
        }
        // With the first one everybody does.
        self.tokens[&at].parent?;
        let is_below = |mut token: TokenId| loop {
            if token == at {
                return true;
            }
            match self.tokens[&token].parent {
                Some(parent) => token = parent,
                None => return false,
            }
        };
        Some(
            self.tokens
                .keys()
                .copied()
                .filter(|token| is_below(*token))
                .collect(),
        )
    }

    fn step(&mut self, step: &Step) {
        let generation = self.play.set.generation();
        let plan = self.play.set.plan().cloned();
        let before = self.play.set.snapshot();
        let was_over = self.play.set.failure().is_some();
        match step {
            Step::Issue {
                parent,
                domain,
                is_expected,
                is_weak,
            } => self.issue(*parent, *domain, *is_expected, *is_weak),
            Step::Declare {
                token,
                bytes,
                camping,
                presence,
            } => {
                let token = self.token(*token);
                let needs = participant("one", bytes.0..=bytes.1, *camping).presence(*presence);
                self.declare(token, needs);
            }
            Step::Undeclare(token) => {
                let token = self.token(*token);
                let _ = self.play.set.undeclare(token);
            }
            Step::Release(token) => self.release(*token),
            Step::Fail(token) => self.fail(*token),
            Step::Seal(token) => {
                let token = self.token(*token);
                let _ = self.play.set.seal(token);
            }
            Step::Want(token) => {
                let token = self.token(*token);
                if let Ok(number) = self.play.set.want_buffers(token) {
                    assert_eq!(Some(number), generation);
                }
            }
            Step::Deadline => {
                let _ = self.play.set.deadline_passed();
            }
            Step::Answer(is_well) => self.answer(*is_well),
        }
        if was_over {
            assert_eq!(self.play.set.snapshot(), before, "nothing happens after the end");
        }
        let is_same = generation.is_some() && self.play.set.generation() == generation;
        assert!(
            !is_same || self.play.set.plan().cloned() == plan,
            "a generation stays what it is"
        );
        self.take();
        self.check();
    }

    fn issue(&mut self, parent: usize, domain: FailureDomain, is_expected: bool, is_weak: bool) {
        let parent = self.token(parent);
        let spec = TokenSpec {
            is_expected,
            ..TokenSpec::new("one").rights(Rights::ALL).domain(domain)
        };
        let spec = if is_weak { spec.weak() } else { spec };
        let Ok(token) = self.play.set.issue(parent, spec) else {
            return;
        };
        let is_strong = !is_weak && self.tokens[&parent].is_strong;
        let known = Known {
            parent: Some(parent),
            domain,
            is_held: true,
            is_strong,
        };
        assert!(
            self.tokens.insert(token, known).is_none(),
            "{token} was given twice"
        );
    }

    fn declare(&mut self, token: TokenId, needs: Participant) {
        let before = self.play.set.snapshot();
        let counts = crate::fake::entry(&needs);
        let is_phantom = needs.presence == Presence::Phantom;
        let status = before
            .tokens
            .iter()
            .find(|one| one.token == token)
            .map(|one| one.status);
        match self.play.declare(token, needs) {
            Ok(outcome) => {
                assert!(
                    matches!(status, Some(TokenStatus::Issued | TokenStatus::Expected)),
                    "used twice"
                );
                match outcome {
                    Declared::Collected => assert_eq!(before.status, SetStatus::Open),
                    Declared::Fits { generation } => {
                        assert_eq!(before.status, SetStatus::Allocated { generation });
                        let phantoms = before
                            .tokens
                            .iter()
                            .filter(|one| one.status == TokenStatus::Phantom && !is_phantom);
                        let room: u32 = phantoms
                            .filter_map(|one| one.counts.as_ref())
                            .map(|counts| counts.camping)
                            .max()
                            .unwrap_or(0);
                        assert!(counts.camping <= before.free + room, "more than was free");
                    }
                    Declared::Moving { to } => {
                        assert!(self.memories.keys().all(|old| *old < to), "{to} was used")
                    }
                }
            }
            Err(_) => assert_eq!(self.play.set.snapshot(), before, "a refusal changes nothing"),
        }
    }

    fn release(&mut self, token: usize) {
        let token = self.token(token);
        if self.play.set.release(token).is_ok() {
            let known = self.tokens.get_mut(&token).unwrap();
            assert!(known.is_held, "{token} was released twice");
            known.is_held = false;
        }
    }

    fn fail(&mut self, token: usize) {
        let token = self.token(token);
        if !self.tokens[&token].is_held || self.play.set.failure().is_some() {
            assert!(self.play.set.fail(token).is_err());
            return;
        }
        let failing = self.failing(token);
        self.play.set.fail(token).unwrap();
        match failing {
            None => assert_eq!(self.play.set.status(), SetStatus::Failed),
            Some(failing) => {
                for token in failing {
                    self.tokens.get_mut(&token).unwrap().is_held = false;
                    assert_eq!(
                        self.play.set.counts(token),
                        None,
                        "what {token} counts on is free"
                    );
                }
                let is_lost = matches!(
                    self.play.set.failure(),
                    Some(wharf_core::set::SetFailure::Lost { .. })
                );
                assert!(!is_lost, "it harmed more than it may");
            }
        }
    }

    fn answer(&mut self, is_well: bool) {
        if self.open.is_empty() {
            return;
        }
        let order = self.open.remove(0);
        let set = &mut self.play.set;
        let (generation, outcome) = match order {
            Order::Allocate { generation, .. } => {
                let failure = AllocationFailure::Heap {
                    memory: 0,
                    errno: Errno::ENOMEM,
                    reason: "full".into(),
                };
                let is_wanted = self.memories[&generation] == Memory::Asked;
                if is_well && is_wanted {
                    self.memories.insert(generation, Memory::There);
                }
                (
                    generation,
                    set.allocated(generation, if is_well { Ok(()) } else { Err(failure) }),
                )
            }
            Order::Move { to, .. } if is_well => (to, set.moved(to)),
            Order::Move { to, .. } => (to, set.not_moved(to, MoveFailure::Held(Vec::new()))),
            other => panic!("{other:?}"),
        };
        let is_freed = self.memories[&generation] == Memory::Freed;
        let is_stale = matches!(outcome, Err(SetError::Stale { .. } | SetError::Over(_)));
        assert_eq!(is_stale, is_freed, "{generation}: {outcome:?}");
    }

    /// Takes the orders as a driver does.
    fn take(&mut self) {
        for order in self.play.set.take_orders() {
            match &order {
                Order::Allocate {
                    generation,
                    heaps,
                    plan,
                } => {
                    let before = self.memories.insert(*generation, Memory::Asked);
                    assert!(
                        matches!(before, None | Some(Memory::Asked)),
                        "generation {generation} is over"
                    );
                    assert_eq!(heaps.len(), plan.memories.len());
                    self.open.push(order);
                }
                Order::Move {
                    from,
                    to,
                    members,
                    newcomer,
                    ..
                } => {
                    assert_eq!(
                        (self.memories[from], self.memories[to]),
                        (Memory::There, Memory::There)
                    );
                    assert!(!members.contains(newcomer));
                    self.open.push(order);
                }
                Order::Free { generation } => {
                    let before = self.memories.insert(*generation, Memory::Freed);
                    assert!(
                        matches!(before, Some(Memory::Asked | Memory::There)),
                        "{generation} is freed twice"
                    );
                }
                Order::Tell { whom, news } => {
                    assert!(!self.told_over.contains(&whom.0), "news after the last");
                    if let News::Replaced { by } = news {
                        assert_ne!(by, whom);
                        self.tokens.get_mut(&TokenId::from(*whom)).unwrap().is_held = false;
                    }
                    if matches!(news, News::Over(_) | News::Lost | News::Replaced { .. }) {
                        self.told_over.insert(whom.0);
                    }
                }
            }
        }
    }

    fn check(&self) {
        let set = &self.play.set;
        let seen = set.snapshot();
        let counted: u32 = seen
            .tokens
            .iter()
            .filter_map(|one| one.counts.as_ref())
            .map(|counts| counts.camping + counts.slack)
            .sum();
        if let Some(plan) = set.plan() {
            assert_eq!(counted + seen.free + seen.shared_slack, plan.count(), "{seen:?}");
        }
        let current = set.generation();
        let mut live = self
            .memories
            .iter()
            .filter(|(_, memory)| **memory != Memory::Freed);
        assert!(
            live.all(|(number, _)| match set.status() {
                SetStatus::Open => false,
                SetStatus::Sealed { generation } => *number == generation,
                SetStatus::Allocated { generation } => *number == generation,
                SetStatus::Moving { from, to } => *number == from || *number == to,
                SetStatus::Failed | SetStatus::Dead => false,
            }),
            "{:?}: {:?}",
            set.status(),
            self.memories
        );
        if let Some(current) = current {
            assert_eq!(self.memories[&current], Memory::There);
        }
        self.check_life();
    }

    fn check_life(&self) {
        let set = &self.play.set;
        let seen = set.snapshot();
        let is_over = set.failure().is_some();
        let mut known = self.tokens.values();
        assert!(
            is_over || known.any(|known| known.is_held && known.is_strong),
            "nobody keeps it alive"
        );
        for one in seen.tokens.iter().filter(|_| !is_over) {
            let is_held = !matches!(one.status, TokenStatus::Released | TokenStatus::Failed);
            assert!(!is_held || self.tokens[&one.token].is_held, "{one:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1200))]

    #[test]
    fn whatever_is_called_in_whatever_order_a_set_keeps_its_promises(
        steps in prop::collection::vec(step(), 1..80),
        may_move in proptest::bool::weighted(0.8),
    ) {
        let mut world = World::new(if may_move { LatePolicy::Reallocate } else { LatePolicy::Refuse });
        for step in &steps {
            world.step(step);
        }
    }
}
