//! The state of a set, and what all its calls have in common.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;

use super::attempt::Attempt;
use super::node::{Node, Standing};
use super::{News, Order, SetConfig, SetError, SetFailure, SetStatus, Solver, TokenId};
use crate::BufferName;
use crate::negotiation::{
    Choice, HeapOffer, Ledger, Misfit, Participant, Plan, Presence, Problem, Report, check_name,
};

/// Most tokens of a set that are held, participants included.
pub const MAX_TOKENS: usize = 1024;

/// A negotiated buffer set, without buffers: it decides, and whoever drives it does.
///
/// There is no clock, no thread, no input and no output in here, and the same calls give the same answers and orders. After each call, do
/// what [`SetMachine::take_orders`] returns, in order, and answer [`Order::Allocate`] and [`Order::Move`].
///
/// # Invariants
/// * What participants count on is never more than the buffers there are.
/// * A token is turned into at most one participant.
/// * No order is given for a generation that was given up, and no number of a generation is used again.
/// * The current generation stays what it is until a move has succeeded.
///
/// # Examples
/// ```
/// use wharf_core::set::{Negotiator, SetConfig, SetMachine, SetStatus, TokenSpec};
///
/// let mut set = SetMachine::new(SetConfig::new("recorder"), Box::new(Negotiator))?;
/// let root = set.root();
/// let camera = set.issue(root, TokenSpec::expected("camera"))?;
/// // The recorder itself uses no buffers: it gives its own token up, and the set waits for the camera.
/// set.release(root)?;
/// assert_eq!(set.status(), SetStatus::Open);
/// assert_eq!(set.missing(), ["camera".into()]);
/// # let _ = camera;
/// # Ok::<(), wharf_core::set::SetError>(())
/// ```
pub struct SetMachine {
    pub(super) config: SetConfig,
    pub(super) solver: Box<dyn Solver>,
    pub(super) nodes: BTreeMap<TokenId, Node>,
    pub(super) phase: Phase,
    pub(super) current: Option<Generation>,
    pub(super) last_report: Option<Box<Report>>,
    pub(super) name: Option<(u32, BufferName)>,
    /// Whether anybody was ever expected.
    pub(super) expects: bool,
    last_token: u64,
    last_generation: u64,
    orders: VecDeque<Order>,
}

/// How far a set is, with what belongs to it.
#[derive(Debug)]
pub(super) enum Phase {
    Open,
    Allocating(Box<Attempt>),
    Live,
    Moving(Box<Moving>),
    Over(SetFailure),
}

/// A move that is under way.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) attempt: Attempt,
    pub(super) newcomer: TokenId,
    /// The phantom whose place it takes.
    pub(super) phantom: Option<TokenId>,
    pub(super) misfit: Box<Misfit>,
    /// Whether there is memory, and everybody is being asked.
    pub(super) is_allocated: bool,
}

/// Memory that everybody has.
#[derive(Debug, Clone)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) plan: Plan,
    pub(super) ledger: Ledger,
    pub(super) heaps: Vec<Box<str>>,
    /// In which way each function works, of those who came late too.
    pub(super) choices: Vec<Choice>,
}

impl SetMachine {
    /// Makes a set that has its creator's token and nothing else.
    ///
    /// # Errors
    /// [`SetError::Invalid`]: EINVAL when the creator's label is empty, too long or has control characters.
    pub fn new(config: SetConfig, solver: Box<dyn Solver>) -> Result<Self, SetError> {
        check_label(&config.root.label)?;
        let mut set = Self {
            solver,
            nodes: BTreeMap::new(),
            phase: Phase::Open,
            current: None,
            last_report: None,
            name: None,
            expects: false,
            last_token: 0,
            last_generation: 0,
            orders: VecDeque::new(),
            config,
        };
        set.add(set.config.root.clone(), None);
        Ok(set)
    }

    /// Returns the creator's token.
    pub fn root(&self) -> TokenId {
        TokenId(1)
    }

    /// Returns what the creator decided.
    pub fn config(&self) -> &SetConfig {
        &self.config
    }

    /// Returns what is to be done, in order, and forgets it.
    pub fn take_orders(&mut self) -> Vec<Order> {
        mem::take(&mut self.orders).into()
    }

    /// Says how far the set is.
    pub fn status(&self) -> SetStatus {
        let current = self.generation().unwrap_or(0);
        match &self.phase {
            Phase::Open => SetStatus::Open,
            Phase::Allocating(attempt) => SetStatus::Sealed {
                generation: attempt.generation,
            },
            Phase::Live => SetStatus::Allocated { generation: current },
            Phase::Moving(moving) => SetStatus::Moving {
                from: current,
                to: moving.attempt.generation,
            },
            Phase::Over(failure) => failure.status(),
        }
    }

    /// Returns why the set is over, if it is.
    pub fn failure(&self) -> Option<&SetFailure> {
        match &self.phase {
            Phase::Over(failure) => Some(failure),
            _ => None,
        }
    }

    /// Returns the number of the generation everybody has; the first is 1.
    pub fn generation(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.number)
    }

    /// Checks that somebody means the generation that everybody has.
    ///
    /// # Errors
    /// [`SetError::Stale`]: ESTALE. [`SetError::Over`].
    pub fn check_generation(&self, generation: u64) -> Result<(), SetError> {
        self.check_alive()?;
        match self.generation() {
            Some(current) if current == generation => Ok(()),
            current => Err(SetError::Stale {
                generation,
                current: current.unwrap_or(0),
            }),
        }
    }

    /// Returns what was decided for the generation everybody has: with it, which better choices were removed and by whom. Contract: N3.
    pub fn plan(&self) -> Option<&Plan> {
        self.current.as_ref().map(|current| &current.plan)
    }

    /// Returns the report of the last failure or refusal.
    pub fn last_report(&self) -> Option<&Report> {
        self.last_report.as_deref()
    }

    /// Tells what the heaps have to offer now, for what is allocated from now on.
    pub fn set_heaps(&mut self, heaps: Vec<HeapOffer>) {
        self.config.heaps = heaps;
    }

    pub(super) fn check_alive(&self) -> Result<(), SetError> {
        match &self.phase {
            Phase::Over(failure) => Err(SetError::Over(failure.clone())),
            _ => Ok(()),
        }
    }

    /// Checks that nothing is under way that a call could disturb.
    pub(super) fn check_settled(&self) -> Result<(), SetError> {
        let doing = match &self.phase {
            Phase::Allocating(_) => "allocated",
            Phase::Moving(_) => "moved",
            _ => return self.check_alive(),
        };
        Err(SetError::Settling { doing })
    }

    pub(super) fn is_allocated(&self) -> bool {
        self.current.is_some()
    }

    pub(super) fn node(&self, token: TokenId) -> Result<&Node, SetError> {
        self.nodes.get(&token).ok_or(SetError::NoSuchToken { token })
    }

    pub(super) fn add(&mut self, spec: super::TokenSpec, parent: Option<TokenId>) -> TokenId {
        self.last_token += 1;
        let token = TokenId(self.last_token);
        self.expects |= spec.is_expected;
        self.nodes.insert(token, Node::new(spec, parent));
        token
    }

    pub(super) fn set_standing(&mut self, token: TokenId, standing: Standing) {
        if let Some(node) = self.nodes.get_mut(&token) {
            node.standing = standing;
        }
    }

    pub(super) fn order(&mut self, order: Order) {
        self.orders.push_back(order);
    }

    pub(super) fn tell(&mut self, token: TokenId, news: News) {
        self.order(Order::Tell {
            whom: token.participant(),
            news,
        });
    }

    pub(super) fn next_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }

    pub(super) fn problem<'a>(
        &'a self,
        participants: &'a [Participant],
        heaps: &'a [HeapOffer],
    ) -> Problem<'a> {
        Problem {
            participants,
            heaps,
            policy: &self.config.policy,
        }
    }

    /// Returns the participants that are there and those whose needs are still in force: for the first memory.
    pub(super) fn in_force(&self) -> Vec<Participant> {
        let nodes = self.nodes.values();
        nodes.filter_map(|node| node.in_force().cloned()).collect()
    }

    /// Returns the participants that new memory would have to suit, but `except`. Nobody who has buffers is left out for a newcomer.
    pub(super) fn staying(&self, except: Option<TokenId>) -> Vec<Participant> {
        let nodes = self.nodes.iter().filter(|(token, _)| Some(**token) != except);
        let declared = nodes.filter_map(|(_, node)| node.declared());
        declared.map(required).collect()
    }

    /// Ends the set: gives its memory up and tells everybody.
    pub(super) fn end(&mut self, failure: SetFailure) {
        if let SetFailure::Report(report) = &failure {
            self.last_report = Some(report.clone());
        }
        let phase = mem::replace(&mut self.phase, Phase::Over(failure.clone()));
        let wanted = match phase {
            Phase::Allocating(attempt) => Some(attempt.generation),
            Phase::Moving(moving) => Some(moving.attempt.generation),
            _ => None,
        };
        let had = self.current.take().map(|current| current.number);
        for generation in wanted.into_iter().chain(had) {
            self.order(Order::Free { generation });
        }
        let holders: Vec<TokenId> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.is_held())
            .map(|(token, _)| *token)
            .collect();
        for token in holders {
            self.tell(token, News::Over(failure.clone()));
        }
    }
}

/// Returns a participant as one that cannot be left out, unless it is a phantom.
pub(super) fn required(participant: &Participant) -> Participant {
    let mut participant = participant.clone();
    if participant.presence != Presence::Phantom {
        participant.presence = Presence::Required;
    }
    participant
}

pub(super) fn check_label(label: &str) -> Result<(), SetError> {
    check_name("the label", label).map_err(SetError::Invalid)
}

impl fmt::Debug for SetMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetMachine")
            .field("status", &self.status())
            .field("tokens", &self.nodes.len())
            .field("orders", &self.orders.len())
            .finish_non_exhaustive()
    }
}
