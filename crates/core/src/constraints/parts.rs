//! What values consist of where they are no plain numbers: names, sizes, rules.

use crate::text::Shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A set of names. Nothing is in no set: a participant to whom all names are right does not state any.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Names(BTreeSet<Box<str>>);

/// The size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// Sizes of pictures, none of which has room in another.
///
/// ```
/// use wharf_core::constraints::{Size, Sizes};
/// let sizes: Sizes = [(1920, 1080), (1080, 1920), (640, 480)].map(|(width, height)| Size { width, height }).into_iter().collect();
/// assert_eq!(sizes.to_string(), "1080x1920 and 1920x1080");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sizes(Vec<Size>);

/// How the length of a row fixes the stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StrideRule {
    /// The bytes of a row, rounded up to a multiple of this many: that and no other.
    RoundUp(u64),
    /// So many bytes, whatever the row.
    Fixed(u64),
}

/// Rules for the stride, all of which have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rules(BTreeSet<StrideRule>);

/// How the CPU uses the contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuUse {
    /// Not at all.
    Never,
    /// Now and then: a slow mapping will do.
    Rarely,
    /// All the time: it wants the caches.
    Often,
}

impl Names {
    /// Returns the names, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Says whether a name is in the set.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the names that are in any of both.
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Returns the names that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for Names {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

impl Sizes {
    /// Returns the sizes, in ascending order.
    pub fn as_slice(&self) -> &[Size] {
        &self.0
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Size {
    /// Says whether a picture of the other size has room in one of this size.
    pub fn has_room_for(self, other: Self) -> bool {
        self.width >= other.width && self.height >= other.height
    }
}

impl FromIterator<Size> for Sizes {
    /// Collects sizes, without those that have room in another.
    fn from_iter<I: IntoIterator<Item = Size>>(sizes: I) -> Self {
        let all: BTreeSet<Size> = sizes.into_iter().collect();
        // From the widest on, and of equally wide ones from the highest: what is no higher than all before has room in one of them.
        let mut highest = None;
        let mut alone: Vec<Size> = all
            .into_iter()
            .rev()
            .filter(|size| {
                let is_higher = highest.is_none_or(|height| size.height > height);
                highest = highest.max(Some(size.height));
                is_higher
            })
            .collect();
        alone.reverse();
        Self(alone)
    }
}

impl StrideRule {
    /// Returns the stride for rows of `row_bytes`; `None` if it is beyond 64 bits, or a fixed one shorter than a row.
    pub fn stride_bytes(self, row_bytes: u64) -> Option<u64> {
        match self {
            Self::RoundUp(align) => row_bytes.checked_next_multiple_of(align.max(1)),
            Self::Fixed(stride) => (stride >= row_bytes).then_some(stride),
        }
    }
}

impl Rules {
    /// Returns the rules.
    pub fn iter(&self) -> impl Iterator<Item = StrideRule> {
        self.0.iter().copied()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<StrideRule> for Rules {
    fn from_iter<I: IntoIterator<Item = StrideRule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

/// Writes items with a word between them.
fn list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    between: &str,
) -> fmt::Result {
    let mut empty = true;
    for item in items {
        if !std::mem::take(&mut empty) {
            f.write_str(between)?;
        }
        item.fmt(f)?;
    }
    if empty { f.write_str("nothing") } else { Ok(()) }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.iter().map(Shown), ", ")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0.iter(), " and ")
    }
}

impl fmt::Display for StrideRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundUp(align) => write!(f, "the row rounded up to a multiple of {align} bytes"),
            Self::Fixed(stride) => write!(f, "{stride} bytes"),
        }
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.iter(), " and ")
    }
}

impl fmt::Display for CpuUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Rarely => "rarely",
            Self::Often => "often",
        })
    }
}
