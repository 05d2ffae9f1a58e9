//! What is known of a token and of what became of it.

use super::{FailureDomain, Rights, Tie, TokenId, TokenSpec};
use crate::negotiation::{Participant, Presence};

/// A token, and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) spec: TokenSpec,
    pub(super) parent: Option<TokenId>,
    /// How many tokens there are that were issued from it.
    pub(super) children: usize,
    pub(super) standing: Standing,
}

/// What became of a token.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// Nothing yet.
    Issued,
    /// A participant, or one that will be when there is memory.
    Declared(Participant),
    /// It has come late, and the memory moves for it.
    Joining(Participant),
    /// A participant that the set does without.
    LeftOut(Participant),
    /// Given up in good order; what it declared stays in force as long as the memory does that was allocated with it.
    Released(Option<Participant>),
    /// Its holder went away.
    Failed,
}

impl Node {
    pub(super) fn new(spec: TokenSpec, parent: Option<TokenId>) -> Self {
        Self {
            spec,
            parent,
            children: 0,
            standing: Standing::Issued,
        }
    }

    /// The label of the participant, or of the token if there is none.
    pub(super) fn label(&self) -> &str {
        match &self.standing {
            Standing::Declared(participant)
            | Standing::Joining(participant)
            | Standing::LeftOut(participant) => &participant.label,
            _ => &self.spec.label,
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        match &self.standing {
            Standing::Declared(participant)
            | Standing::Joining(participant)
            | Standing::LeftOut(participant) => participant.pid,
            _ => None,
        }
    }

    pub(super) fn has(&self, rights: Rights) -> bool {
        self.spec.rights.has(rights)
    }

    /// Whether somebody still holds it.
    pub(super) fn is_held(&self) -> bool {
        !matches!(self.standing, Standing::Released(_) | Standing::Failed)
    }

    /// Whether it keeps the set alive.
    pub(super) fn keeps_alive(&self) -> bool {
        self.is_held() && self.spec.tie == Tie::Strong
    }

    /// Whether the others wait for it.
    pub(super) fn is_missing(&self) -> bool {
        self.spec.is_expected && matches!(self.standing, Standing::Issued)
    }

    /// Who is there and really takes part, phantoms too.
    pub(super) fn declared(&self) -> Option<&Participant> {
        match &self.standing {
            Standing::Declared(participant) => Some(participant),
            _ => None,
        }
    }

    /// Who takes part and is no phantom.
    pub(super) fn member(&self) -> Option<&Participant> {
        self.declared()
            .filter(|participant| participant.presence != Presence::Phantom)
    }

    pub(super) fn is_phantom(&self) -> bool {
        self.declared()
            .is_some_and(|participant| participant.presence == Presence::Phantom)
    }

    /// What has to suit for the first memory: those who left in good order too.
    pub(super) fn in_force(&self) -> Option<&Participant> {
        match &self.standing {
            Standing::Declared(participant) | Standing::Released(Some(participant)) => Some(participant),
            _ => None,
        }
    }

    /// Whether its failure goes no further up the tree.
    pub(super) fn contains_failure(&self, is_allocated: bool) -> bool {
        match self.spec.domain {
            FailureDomain::Normal => false,
            FailureDomain::Dispensable => is_allocated,
            FailureDomain::Attached => true,
        }
    }
}
