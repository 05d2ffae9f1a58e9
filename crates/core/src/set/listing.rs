//! What can be seen of a set from outside.

use super::node::{Node, Standing};
use super::{FailureDomain, Rights, SetMachine, Tie, TokenId};
use crate::BufferName;
use crate::negotiation::{LedgerEntry, Presence};

/// How far a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetStatus {
    /// Everybody who comes counts.
    Open,
    /// The first memory is being allocated.
    Sealed {
        /// Its number.
        generation: u64,
    },
    /// There is memory.
    Allocated {
        /// Its number.
        generation: u64,
    },
    /// There is memory, and everybody is to get another.
    Moving {
        /// What everybody has.
        from: u64,
        /// What everybody is to get.
        to: u64,
    },
    /// It has failed.
    Failed,
    /// Everybody has left.
    Dead,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenStatus {
    /// Nothing yet; the others wait for it.
    Expected,
    /// Nothing yet.
    Issued,
    /// It is a participant.
    Declared,
    /// It keeps a place for somebody who is not there yet.
    Phantom,
    /// It came late, and the memory moves for it.
    Joining,
    /// It is a participant that the set does without.
    LeftOut,
    /// It was given up in good order.
    Released,
    /// Its holder went away.
    Failed,
}

/// A token, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSnapshot {
    /// Its number.
    pub token: TokenId,
    /// From which it was issued, as far as that is remembered.
    pub parent: Option<TokenId>,
    /// What its holder is called.
    pub label: Box<str>,
    /// Its holder's process, where it is known.
    pub pid: Option<u32>,
    /// What became of it.
    pub status: TokenStatus,
    /// What it grants.
    pub rights: Rights,
    /// Whom its failure harms.
    pub domain: FailureDomain,
    /// Whether it keeps the set alive.
    pub tie: Tie,
    /// What its holder counts on; also when it has left in good order.
    pub counts: Option<LedgerEntry>,
}

/// A set, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSnapshot {
    /// How far it is.
    pub status: SetStatus,
    /// What it is called.
    pub name: Option<BufferName>,
    /// Who pays.
    pub account: Box<str>,
    /// How many buffers it has; 0 without memory.
    pub buffers: u32,
    /// The size of one, in bytes; 0 without memory.
    pub size_bytes: u64,
    /// The heaps they came from, one for each memory of a buffer.
    pub heaps: Vec<Box<str>>,
    /// How many of them nobody counts on, besides the shared slack.
    pub free: u32,
    /// How many are for whoever needs them first.
    pub shared_slack: u32,
    /// The tokens, in the order they were issued in.
    pub tokens: Vec<TokenSnapshot>,
}

impl SetMachine {
    /// Returns what can be seen of the set.
    pub fn snapshot(&self) -> SetSnapshot {
        let current = self.current.as_ref();
        SetSnapshot {
            status: self.status(),
            name: self.name().cloned(),
            account: self.config.account.clone(),
            buffers: current.map_or(0, |current| current.ledger.total),
            size_bytes: current.map_or(0, |current| current.plan.size_bytes()),
            heaps: current.map(|current| current.heaps.clone()).unwrap_or_default(),
            free: self.free_buffers(),
            shared_slack: current.map_or(0, |current| current.ledger.shared_slack),
            tokens: self
                .nodes
                .iter()
                .map(|(token, node)| self.token_snapshot(*token, node))
                .collect(),
        }
    }

    /// Returns what a participant counts on: also after it left in good order, until the memory moves.
    pub fn counts(&self, token: TokenId) -> Option<LedgerEntry> {
        let entries = &self.current.as_ref()?.ledger.entries;
        let mut entries = entries.iter();
        entries
            .find(|entry| entry.participant == token.participant())
            .cloned()
    }

    /// Returns how many buffers nobody counts on, besides the shared slack: what somebody who comes late can have.
    pub fn free_buffers(&self) -> u32 {
        self.current.as_ref().map_or(0, |current| current.ledger.free())
    }

    fn token_snapshot(&self, token: TokenId, node: &Node) -> TokenSnapshot {
        TokenSnapshot {
            token,
            parent: node.parent.filter(|parent| self.nodes.contains_key(parent)),
            label: node.label().into(),
            pid: node.pid(),
            status: status(node),
            rights: node.spec.rights,
            domain: node.spec.domain,
            tie: node.spec.tie,
            counts: self.counts(token),
        }
    }
}

fn status(node: &Node) -> TokenStatus {
    match &node.standing {
        Standing::Issued if node.spec.is_expected => TokenStatus::Expected,
        Standing::Issued => TokenStatus::Issued,
        Standing::Declared(participant) if participant.presence == Presence::Phantom => TokenStatus::Phantom,
        Standing::Declared(_) => TokenStatus::Declared,
        Standing::Joining(_) => TokenStatus::Joining,
        Standing::LeftOut(_) => TokenStatus::LeftOut,
        Standing::Released(_) => TokenStatus::Released,
        Standing::Failed => TokenStatus::Failed,
    }
}
