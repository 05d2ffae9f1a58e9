//! Why a call of a set failed, and why a set did.

use super::{Rights, SetStatus, TokenId};
use crate::Errno;
use crate::negotiation::{InvalidParticipant, Report};

/// The reason why a call failed. The set is as it was before, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The set has no such token, or has forgotten it: it was given up, and everything that was issued from it.
    #[error("the set has no token {token}")]
    NoSuchToken {
        /// The number.
        token: TokenId,
    },
    /// The token does not grant this.
    #[error("the token of '{label}' does not grant: {lacks}; use one that does")]
    Denied {
        /// What the token's holder is called.
        label: Box<str>,
        /// What is missing.
        lacks: Rights,
    },
    /// The token has been turned into a participant or given up; each can be used once.
    #[error("the token of '{label}' has been used; have another one issued")]
    Used {
        /// What the token's holder is called.
        label: Box<str>,
    },
    /// The call is for participants, and this one is none: nothing was declared with the token, or it was left out, or it is a phantom.
    #[error("'{label}' takes no part in the set: it {why}")]
    NoPart {
        /// What it is called.
        label: Box<str>,
        /// Why it takes none.
        why: &'static str,
    },
    /// The participant makes no sense by itself.
    #[error("{0}")]
    Invalid(InvalidParticipant),
    /// There are too many.
    #[error("the set has {most} {what} already, and cannot have more")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// Participants that were expected have not said what they need.
    #[error("waiting for {}", Self::list(missing))]
    Waiting {
        /// The labels they are expected by; empty if the set has to be sealed by somebody who may.
        missing: Vec<Box<str>>,
    },
    /// Memory is being allocated or moved: try again when that is over.
    #[error("the set's memory is being {doing}; try again when that is over")]
    Settling {
        /// Allocated or moved.
        doing: &'static str,
    },
    /// It is too late for this: memory has been allocated, or is being.
    #[error("the set is sealed")]
    Sealed,
    /// The generation is over, has never been, or is not what the set waits for.
    #[error("generation {generation} is not what the set has or waits for; that is {current}")]
    Stale {
        /// Which one.
        generation: u64,
        /// The one there is; 0 if there is none yet.
        current: u64,
    },
    /// There is no memory that suits, or not now.
    #[error("refused: {}", .0.errno())]
    Refused(Box<Report>),
    /// The memory could not be moved; it is where it was.
    #[error("the buffers have not moved: {}{reason}", Self::at(who))]
    NotMoved {
        /// Who failed, where it was a participant.
        who: Option<Box<str>>,
        /// What happened.
        errno: Errno,
        /// In words.
        reason: Box<str>,
    },
    /// The set has failed or ended.
    #[error("{0}")]
    Over(SetFailure),
}

/// The reason why a set is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetFailure {
    /// There is no memory that suits everybody, or it took too long until everybody was there.
    #[error("the set failed: {}", .0.errno())]
    Report(Box<Report>),
    /// A participant went away without saying so, whom the set cannot do without.
    #[error("the set failed because '{label}' went away")]
    Lost {
        /// What it was called.
        label: Box<str>,
        /// Its process, where it is known.
        pid: Option<u32>,
    },
    /// Everybody who kept it alive has left.
    #[error("the set has ended")]
    Ended,
}

impl SetError {
    fn list(labels: &[Box<str>]) -> String {
        match labels {
            [] => "somebody to seal the set".into(),
            labels => labels.join(", "),
        }
    }

    fn at(who: &Option<Box<str>>) -> String {
        who.as_ref().map(|who| format!("'{who}': ")).unwrap_or_default()
    }

    /// Returns ENOENT, EACCES, EALREADY for a used token, EINVAL for one without a part or a participant that makes no sense, ENOSPC for
    /// too many, EAGAIN while waiting or settling, EBUSY when sealed, ESTALE, or what the report says; EBUSY for a conflict with
    /// memory that is there already.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoSuchToken { .. } => Errno::ENOENT,
            Self::Denied { .. } => Errno::EACCES,
            Self::Used { .. } => Errno::EALREADY,
            Self::NoPart { .. } => Errno::EINVAL,
            Self::Invalid(source) => source.errno(),
            Self::TooMany { .. } => Errno::ENOSPC,
            Self::Waiting { .. } | Self::Settling { .. } => Errno::EAGAIN,
            Self::Sealed => Errno::EBUSY,
            Self::Stale { .. } => Errno::ESTALE,
            Self::Refused(report) => match report.errno() {
                Errno::EOPNOTSUPP => Errno::EBUSY,
                errno => errno,
            },
            Self::NotMoved { errno, .. } => *errno,
            Self::Over(failure) => failure.errno(),
        }
    }

    /// Returns the report, where there is one.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Refused(report) | Self::Over(SetFailure::Report(report)) => Some(report),
            _ => None,
        }
    }
}

impl SetFailure {
    /// Returns what the report says, or ENODEV.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Report(report) => report.errno(),
            Self::Lost { .. } | Self::Ended => Errno::ENODEV,
        }
    }

    pub(super) fn status(&self) -> SetStatus {
        match self {
            Self::Ended => SetStatus::Dead,
            _ => SetStatus::Failed,
        }
    }
}
