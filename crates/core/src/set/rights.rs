//! What the holder of a token may do.

use std::fmt;
use std::ops::BitOr;

/// What the holder of a token may do with the set besides taking part in it. A token never grants more than the one it was issued
/// from.
///
/// ```
/// use wharf_core::set::Rights;
///
/// let rights = Rights::ALL.and(Rights::WRITE | Rights::SEAL);
/// assert!(rights.has(Rights::SEAL) && !rights.has(Rights::ISSUE));
/// assert_eq!(rights.to_string(), "write, seal");
/// assert_eq!(rights.lacking(Rights::ISSUE).to_string(), "issue");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rights(u8);

/// The rights with their names, in the order of their bits.
const NAMES: [(Rights, &str); 4] = [
    (Rights::WRITE, "write"),
    (Rights::ISSUE, "issue"),
    (Rights::SEAL, "seal"),
    (Rights::MOVE, "move"),
];

impl Rights {
    /// Nothing but taking part, for reading.
    pub const NONE: Self = Self(0);
    /// Taking part as somebody who writes.
    pub const WRITE: Self = Self(1);
    /// Issuing more tokens.
    pub const ISSUE: Self = Self(2);
    /// Saying that everybody is there, and what the set is called.
    pub const SEAL: Self = Self(4);
    /// Having the buffers moved if they do not suit whoever comes with it late.
    pub const MOVE: Self = Self(8);
    /// Everything.
    pub const ALL: Self = Self(15);

    /// Says whether all of `rights` are among these.
    pub const fn has(self, rights: Self) -> bool {
        self.0 & rights.0 == rights.0
    }

    /// Returns what is in both: what remains when one passes these on and allows `mask` of them.
    #[must_use]
    pub const fn and(self, mask: Self) -> Self {
        Self(self.0 & mask.0)
    }

    /// Returns those of `rights` that are not among these.
    #[must_use]
    pub const fn lacking(self, rights: Self) -> Self {
        Self(rights.0 & !self.0)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().filter(|(right, _)| self.has(*right));
        for (index, (_, name)) in names.enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        if *self == Self::NONE {
            f.write_str("nothing")
        } else {
            Ok(())
        }
    }
}
