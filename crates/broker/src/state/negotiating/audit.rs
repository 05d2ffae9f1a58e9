//! The invariants of negotiated sets, for the tests of the state machine.

use std::collections::BTreeSet;

use wharf_core::set::{SetMachine, SetStatus, TokenStatus};
use wharf_protocol::{Amounts, SessionId, SetId, Token};

use super::{Negotiating, Place, Purpose};
use crate::state::{FdHandle, OperationId};

/// What a test looks at.
pub(in crate::state) struct Audited<'a>(&'a SetMachine);

impl Audited<'_> {
    pub(in crate::state) fn generation(&self) -> Option<u64> {
        self.0.generation()
    }

    pub(in crate::state) fn moving_to(&self) -> Option<u64> {
        match self.0.status() {
            SetStatus::Moving { to, .. } => Some(to),
            _ => None,
        }
    }

    pub(in crate::state) fn plan(&self) -> Option<&wharf_core::negotiation::Plan> {
        self.0.plan()
    }
}

impl Negotiating {
    pub(in crate::state) fn audited(&self, set: SetId) -> Option<Audited<'_>> {
        self.sets.get(&set).map(|set| Audited(&set.machine))
    }

    /// The token of a set's creator.
    pub(in crate::state) fn root_token(&self, set: SetId) -> Token {
        let set = &self.sets[&set];
        set.tokens[&set.machine.root()].clone()
    }

    /// Descriptors of memory that is not in use yet.
    pub(in crate::state) fn handles(&self) -> Vec<FdHandle> {
        let memories = self.sets.values().filter_map(|set| set.memory.as_ref());
        memories.flat_map(|memory| memory.buffers.clone()).collect()
    }

    /// What was charged for memory that is not in use yet.
    pub(in crate::state) fn debts(&self) -> impl Iterator<Item = (u32, Amounts)> {
        let wanted = self.sets.values().flat_map(|set| {
            let asked = set.allocation.as_ref().map(|allocation| allocation.cost);
            let unused = set.memory.as_ref().map(|memory| memory.cost);
            asked.into_iter().chain(unused).map(|cost| (set.uid, cost))
        });
        wanted.chain(self.unwanted.values().copied())
    }

    /// All sets, by ascending number.
    pub(in crate::state) fn ids(&self) -> Vec<SetId> {
        self.sets.keys().copied().collect()
    }

    /// The calls that wait.
    pub(in crate::state) fn waiting(&self) -> BTreeSet<OperationId> {
        let sets = self.sets.values();
        sets.flat_map(|set| set.waiting.iter().copied()).collect()
    }

    /// What is to be told later.
    pub(in crate::state) fn times(&self) -> BTreeSet<OperationId> {
        let is_time = |purpose: &Purpose| !matches!(purpose, Purpose::Allocation | Purpose::Seal);
        let purposes = self.purposes.iter().filter(|(_, (_, purpose))| is_time(purpose));
        let purposes = purposes.map(|(operation, _)| *operation);
        let waiting = self.sets.values().flat_map(|set| set.waiting.iter().copied());
        purposes.chain(waiting).collect()
    }

    pub(in crate::state) fn assert_empty(&self) {
        assert!(self.sets.is_empty());
        assert!(self.tokens.is_empty());
        assert!(self.holders.is_empty());
        assert!(self.purposes.is_empty());
        assert!(self.unwanted.is_empty());
        assert!(self.active.is_empty());
    }

    /// Seats belong to living sessions, texts of tokens to seats that can be held, purposes to sets.
    pub(in crate::state) fn audit(&self, sessions: &BTreeSet<SessionId>) {
        let mut held = BTreeSet::new();
        for (id, set) in &self.sets {
            let snapshot = set.machine.snapshot();
            for (token, seat) in &set.seats {
                assert!(sessions.contains(&seat.session), "a seat of {id} is nobody's");
                assert!(self.holders[&seat.session].contains(&(*id, *token)));
                held.insert((*id, *token));
            }
            for (token, text) in &set.tokens {
                assert_eq!(self.tokens[text], (*id, *token));
            }
            let declared: usize = set.seats.values().map(|seat| seat.declared_bytes).sum();
            assert_eq!(set.declared_bytes, declared);
            let owners = set.seats.values().filter(|seat| seat.place == Place::Owner);
            assert!(owners.count() <= 1, "{id} is written by several");
            let counted: u64 = snapshot
                .tokens
                .iter()
                .filter_map(|seat| seat.counts.as_ref())
                .map(|counts| u64::from(counts.camping))
                .sum();
            assert!(
                counted <= u64::from(snapshot.buffers),
                "{id} promises more than there is"
            );
            let joining = snapshot
                .tokens
                .iter()
                .filter(|seat| seat.status == TokenStatus::Joining);
            let is_moving = matches!(snapshot.status, SetStatus::Moving { .. });
            let is_over = set.machine.failure().is_some();
            assert!(
                is_over || joining.count() == usize::from(is_moving),
                "{id} moves for nobody"
            );
        }
        let holders = self.holders.values().flat_map(|seats| seats.iter().copied());
        assert_eq!(holders.collect::<BTreeSet<_>>(), held);
        assert!(self.holders.values().all(|seats| !seats.is_empty()));
        assert_eq!(
            self.tokens.len(),
            self.sets.values().map(|set| set.tokens.len()).sum::<usize>()
        );
        assert!(self.purposes.values().all(|(set, _)| self.sets.contains_key(set)));
        assert!(self.active.iter().all(|set| self.sets.contains_key(set)));
    }
}
