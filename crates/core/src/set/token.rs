//! Tokens: permissions to take part, as a tree.

use std::fmt;

use super::Rights;
use crate::negotiation::ParticipantId;

/// The number of a token in its set; never given twice. Whoever turns it into something that can be passed between processes makes
/// that unguessable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub(super) u64);

impl TokenId {
    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Returns the number of the participant that the token is turned into: the same number.
    pub fn participant(self) -> ParticipantId {
        ParticipantId(self.0)
    }
}

impl From<ParticipantId> for TokenId {
    fn from(participant: ParticipantId) -> Self {
        Self(participant.0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Whom else it harms when the holder of a token goes away without saying so.
///
/// # References
/// fuchsia.sysmem2 `BufferCollectionToken.Duplicate`, `SetDispensable`, `BufferCollection.AttachToken`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FailureDomain {
    /// It takes the token it was issued from along, and so on up to the set. One that is not among those that the memory was
    /// allocated for harms nobody but those it issued tokens to.
    #[default]
    Normal,
    /// As normal until there is memory; after that it harms nobody but those it issued tokens to.
    Dispensable,
    /// Nobody but those it issued tokens to. Its needs never make the set fail either: if nothing suits it and the others, it is left
    /// out.
    Attached,
}

/// Whether a token keeps the set alive.
///
/// # References
/// fuchsia.sysmem2 `SetWeak`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tie {
    /// It does.
    #[default]
    Strong,
    /// It does not: when only weak ones are left, the set ends, and they are told. What is issued from it is weak too.
    Weak,
}

/// What a token is to be like.
///
/// ```
/// use wharf_core::set::{FailureDomain, Rights, TokenSpec};
///
/// let spec = TokenSpec::expected("viewer")
///     .rights(Rights::NONE)
///     .domain(FailureDomain::Dispensable);
/// assert!(spec.is_expected);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpec {
    /// What people call whoever is to hold it: 1 to 256 bytes without control characters.
    pub label: Box<str>,
    /// What it grants.
    pub rights: Rights,
    /// Whom its failure harms.
    pub domain: FailureDomain,
    /// Whether it keeps the set alive.
    pub tie: Tie,
    /// Whether memory is not allocated before it has been turned into a participant or given up.
    pub is_expected: bool,
}

impl TokenSpec {
    /// Begins with a token without rights that nobody waits for.
    pub fn new(label: &str) -> Self {
        Self {
            label: label.into(),
            rights: Rights::NONE,
            domain: FailureDomain::Normal,
            tie: Tie::Strong,
            is_expected: false,
        }
    }

    /// Begins with a token without rights that the others wait for.
    pub fn expected(label: &str) -> Self {
        Self {
            is_expected: true,
            ..Self::new(label)
        }
    }

    /// Says what it grants.
    #[must_use]
    pub fn rights(mut self, rights: Rights) -> Self {
        self.rights = rights;
        self
    }

    /// Says whom its failure harms.
    #[must_use]
    pub fn domain(mut self, domain: FailureDomain) -> Self {
        self.domain = domain;
        self
    }

    /// Makes it a weak one.
    #[must_use]
    pub fn weak(mut self) -> Self {
        self.tie = Tie::Weak;
        self
    }
}
