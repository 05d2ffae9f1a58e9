//! What the creator of a set decides.

use serde::{Deserialize, Serialize};

use super::{Rights, TokenSpec};
use crate::negotiation::{HeapOffer, Policy};

/// What becomes of somebody who comes when there is memory already, and whom it does not suit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatePolicy {
    /// It is refused.
    #[default]
    Refuse,
    /// The buffers move to memory that suits everybody, if there is any and everybody lets them.
    Reallocate,
}

/// What becomes of a participant that wants buffers while others are still expected. Contract: N; reference 3 C13, 4.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FirstMap {
    /// It waits for them; when nobody is expected, memory is allocated for those who are there.
    #[default]
    Waits,
    /// Memory is allocated for those who are there.
    Seals,
    /// It waits until the set is sealed in another way.
    Forbidden,
}

/// Whether what is in the buffers goes along when they move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Contents {
    /// It is copied: the buffers hold state.
    #[default]
    Keep,
    /// It is lost, and the new buffers are zeroed: every frame is written anew anyway.
    Discard,
}

/// What the creator of a set decides, once and for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetConfig {
    /// The creator's own token, from which all others are issued.
    pub root: TokenSpec,
    /// Who pays for the memory.
    pub account: Box<str>,
    /// Where memory could come from.
    pub heaps: Vec<HeapOffer>,
    /// What the provider of the memory allows.
    pub policy: Policy,
    /// What becomes of those who come late.
    pub late: LatePolicy,
    /// Whether the first participant that wants buffers waits for the others.
    pub first_map: FirstMap,
    /// What becomes of the contents in a move.
    pub contents: Contents,
}

impl SetConfig {
    /// Begins with a creator who is expected to take part, or to give its token up, and has all rights; who pays itself, refuses
    /// whoever comes late and does not suit, and has no heaps.
    pub fn new(creator: &str) -> Self {
        Self {
            root: TokenSpec::expected(creator).rights(Rights::ALL),
            account: creator.into(),
            heaps: Vec::new(),
            policy: Policy::default(),
            late: LatePolicy::default(),
            first_map: FirstMap::default(),
            contents: Contents::default(),
        }
    }
}
