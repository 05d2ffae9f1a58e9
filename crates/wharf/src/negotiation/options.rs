//! What sets and seats are to be like.

use std::time::Duration;
use wharf_core::set::{Contents, FailureDomain, FirstMap, LatePolicy, Rights};
use wharf_protocol::{CreateSet, IssueSeat, SeatRight, Token};

/// What a negotiated set is to be like.
///
/// ```
/// use std::time::Duration;
/// use wharf::SetOptions;
/// use wharf::core::set::LatePolicy;
///
/// let options = SetOptions::new("preview")
///     .late(LatePolicy::Reallocate)
///     .deadline(Duration::from_secs(10));
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct SetOptions<'a> {
    name: &'a str,
    late: LatePolicy,
    first_map: FirstMap,
    contents: Contents,
    expects_creator: bool,
    deadline: Option<Duration>,
    pub(super) move_deadline: Duration,
}

impl<'a> SetOptions<'a> {
    /// Begins with a set of this name (at most 31 bytes) that refuses whoever comes late and does not suit, waits for those who
    /// are expected for ever, and keeps the contents when it moves, which may take 5 s.
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            late: LatePolicy::default(),
            first_map: FirstMap::default(),
            contents: Contents::default(),
            expects_creator: false,
            deadline: None,
            move_deadline: Duration::from_secs(5),
        }
    }

    /// Says what becomes of those who come late and whom the memory does not suit.
    pub fn late(self, late: LatePolicy) -> Self {
        Self { late, ..self }
    }

    /// Says what becomes of the first participant that wants buffers while others are expected.
    pub fn first_map(self, first_map: FirstMap) -> Self {
        Self { first_map, ..self }
    }

    /// Says whether what is in the buffers goes along when they move. In a stream every frame is written anew anyway.
    pub fn contents(self, contents: Contents) -> Self {
        Self { contents, ..self }
    }

    /// Has the others wait for this session's own seat ([`NegotiatedSet::take_seat`](super::NegotiatedSet::take_seat)), too.
    pub fn expects_creator(self) -> Self {
        Self {
            expects_creator: true,
            ..self
        }
    }

    /// Says how long those who are expected may take: 1 ms to 1 h. Then the set fails, with a report that names who is missing.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// Says how long a move of the buffers may take: 1 ms to 60 s.
    pub fn move_deadline(self, move_deadline: Duration) -> Self {
        Self {
            move_deadline,
            ..self
        }
    }

    pub(super) fn request(&self) -> CreateSet {
        CreateSet {
            name: self.name.to_owned(),
            late: self.late.into(),
            first_map: self.first_map.into(),
            contents: self.contents.into(),
            expected: self.expects_creator,
            deadline_ms: self.deadline.map(whole_ms),
            move_deadline_ms: whole_ms(self.move_deadline),
        }
    }
}

/// What a seat is to be like that somebody else gets.
///
/// ```
/// use wharf::SeatSpec;
/// use wharf::core::set::{FailureDomain, Rights};
///
/// let camera = SeatSpec::expected("camera").rights(Rights::WRITE);
/// let viewer = SeatSpec::expected("viewer").domain(FailureDomain::Dispensable);
/// # let _ = (camera, viewer);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct SeatSpec<'a> {
    label: &'a str,
    rights: Rights,
    domain: FailureDomain,
    is_expected: bool,
}

impl<'a> SeatSpec<'a> {
    /// Begins with a seat that nobody waits for, for somebody called `label` (1 to 63 bytes), that grants nothing but taking part for
    /// reading, and whose holder's death ends the set.
    pub fn new(label: &'a str) -> Self {
        Self {
            label,
            rights: Rights::NONE,
            domain: FailureDomain::Normal,
            is_expected: false,
        }
    }

    /// As [`SeatSpec::new`], but no memory is allocated before the seat was taken or given up.
    pub fn expected(label: &'a str) -> Self {
        Self {
            is_expected: true,
            ..Self::new(label)
        }
    }

    /// Says what it grants besides.
    pub fn rights(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// Says whom it harms when its holder dies.
    pub fn domain(self, domain: FailureDomain) -> Self {
        Self { domain, ..self }
    }

    pub(super) fn request(&self, parent: &Token) -> IssueSeat {
        IssueSeat {
            parent: parent.clone(),
            label: self.label.to_owned(),
            rights: SeatRight::of(self.rights),
            domain: self.domain.into(),
            expected: self.is_expected,
        }
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
