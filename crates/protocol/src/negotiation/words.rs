//! The words negotiated sets are spoken of in, and what they are in `wharf_core::set`.

use std::fmt;

use serde::{Deserialize, Serialize};
use wharf_core::set;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident = $core:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
        pub enum $name {
            $($(#[$word_doc])* $word,)+
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$word => $text,)+
                })
            }
        }

        impl From<$name> for set::$core {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$word => words!(@core $core $word),)+
                }
            }
        }
    };
    (@core Rights Write) => { set::Rights::WRITE };
    (@core Rights Issue) => { set::Rights::ISSUE };
    (@core Rights Seal) => { set::Rights::SEAL };
    (@core Rights Move) => { set::Rights::MOVE };
    (@core $core:ident $word:ident) => { set::$core::$word };
}

words! {
    /// What becomes of somebody who comes when there is memory already, and whom it does not suit.
    LatePolicy = LatePolicy {
        /// It is refused.
        Refuse = "refuse",
        /// The buffers move to memory that suits everybody, if there is any and everybody lets them.
        Reallocate = "reallocate",
    }
}

words! {
    /// What becomes of a participant that wants buffers while others are still expected.
    FirstMap = FirstMap {
        /// It waits for them; when nobody is expected, memory is allocated for those who are there.
        Waits = "waits",
        /// Memory is allocated for those who are there.
        Seals = "seals",
        /// It waits until the set is sealed in another way.
        Forbidden = "forbidden",
    }
}

words! {
    /// Whether what is in the buffers goes along when they move.
    SetContents = Contents {
        /// It is copied.
        Keep = "keep",
        /// It is lost, and the new buffers are zeroed.
        Discard = "discard",
    }
}

words! {
    /// Whom else it harms when the holder of a seat dies.
    FailureDomain = FailureDomain {
        /// The seat it was issued from, and so on up to the set.
        Normal = "normal",
        /// As normal until there is memory; after that nobody but those it issued seats to.
        Dispensable = "dispensable",
        /// Nobody but those it issued seats to.
        Attached = "attached",
    }
}

words! {
    /// What a seat grants besides taking part for reading.
    SeatRight = Rights {
        /// Taking part as the one who writes.
        Write = "write",
        /// Issuing more seats.
        Issue = "issue",
        /// Saying that everybody is there.
        Seal = "seal",
        /// Having the buffers moved if they do not suit.
        Move = "move",
    }
}

impl SeatRight {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Write, Self::Issue, Self::Seal, Self::Move];

    /// Returns the words for what `rights` has.
    pub fn of(rights: set::Rights) -> Vec<Self> {
        let has = |right: &Self| rights.has(set::Rights::from(*right));
        Self::ALL.into_iter().filter(has).collect()
    }

    /// Returns what `words` grant together.
    pub fn all_of(words: &[Self]) -> set::Rights {
        let rights = words.iter().map(|word| set::Rights::from(*word));
        rights.fold(set::Rights::NONE, |all, right| all | right)
    }
}

macro_rules! back {
    ($($name:ident { $($word:ident),+ })+) => {
        $(impl From<set::$name> for $name {
            fn from(word: set::$name) -> Self {
                match word {
                    $(set::$name::$word => Self::$word,)+
                }
            }
        })+
    };
}

back! {
    LatePolicy { Refuse, Reallocate }
    FirstMap { Waits, Seals, Forbidden }
    FailureDomain { Normal, Dispensable, Attached }
}

impl From<set::Contents> for SetContents {
    fn from(word: set::Contents) -> Self {
        match word {
            set::Contents::Keep => Self::Keep,
            set::Contents::Discard => Self::Discard,
        }
    }
}

/// How far a negotiated set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum SetStatus {
    /// Everybody who comes counts.
    Open,
    /// Its first memory is being allocated.
    Sealed,
    /// There is memory.
    Allocated,
    /// There is memory, and everybody is to get another.
    Moving,
    /// It has failed.
    Failed,
    /// Everybody has left.
    Dead,
}

impl From<set::SetStatus> for SetStatus {
    fn from(status: set::SetStatus) -> Self {
        match status {
            set::SetStatus::Open => Self::Open,
            set::SetStatus::Sealed { .. } => Self::Sealed,
            set::SetStatus::Allocated { .. } => Self::Allocated,
            set::SetStatus::Moving { .. } => Self::Moving,
            set::SetStatus::Failed => Self::Failed,
            set::SetStatus::Dead => Self::Dead,
        }
    }
}

impl fmt::Display for SetStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Sealed => "sealed",
            Self::Allocated => "allocated",
            Self::Moving => "moving",
            Self::Failed => "failed",
            Self::Dead => "dead",
        })
    }
}

/// What became of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum SeatStatus {
    /// Nobody took it yet, and the others wait.
    Expected,
    /// Nobody took it yet.
    Issued,
    /// It is a participant's.
    Declared,
    /// It keeps room for somebody who is not there yet.
    Phantom,
    /// Its holder came late, and the memory moves for it.
    Joining,
    /// Its holder takes part, and the set does without it.
    LeftOut,
    /// It was given up in good order.
    Released,
    /// Its holder died.
    Failed,
}

impl fmt::Display for SeatStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expected => "expected",
            Self::Issued => "issued",
            Self::Declared => "declared",
            Self::Phantom => "phantom",
            Self::Joining => "joining",
            Self::LeftOut => "left out",
            Self::Released => "released",
            Self::Failed => "failed",
        })
    }
}

impl From<set::TokenStatus> for SeatStatus {
    fn from(status: set::TokenStatus) -> Self {
        match status {
            set::TokenStatus::Expected => Self::Expected,
            set::TokenStatus::Issued => Self::Issued,
            set::TokenStatus::Declared => Self::Declared,
            set::TokenStatus::Phantom => Self::Phantom,
            set::TokenStatus::Joining => Self::Joining,
            set::TokenStatus::LeftOut => Self::LeftOut,
            set::TokenStatus::Released => Self::Released,
            set::TokenStatus::Failed => Self::Failed,
        }
    }
}

/// One seat of a negotiated set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct SeatState {
    /// The number of its holder as a participant.
    pub participant: u64,
    /// What people call its holder.
    pub label: String,
    /// Its holder's process, once it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What became of it.
    pub status: SeatStatus,
    /// What it grants.
    pub rights: Vec<SeatRight>,
    /// Whom it harms when its holder dies.
    pub domain: FailureDomain,
    /// Buffers its holder counts on for longer than a moment.
    pub camping: u32,
    /// Buffers its holder counts on beyond those.
    pub slack: u32,
}

impl From<set::TokenSnapshot> for SeatState {
    fn from(seat: set::TokenSnapshot) -> Self {
        let counts = seat.counts.as_ref();
        Self {
            participant: seat.token.get(),
            label: seat.label.into(),
            pid: seat.pid,
            status: seat.status.into(),
            rights: SeatRight::of(seat.rights),
            domain: seat.domain.into(),
            camping: counts.map_or(0, |counts| counts.camping),
            slack: counts.map_or(0, |counts| counts.slack),
        }
    }
}
