//! Values of fields, with their units.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Field;
use crate::dma::{Coherency, Translation, Windows};
use crate::text::{Shown, bytes_or_text};

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl From<$name> for Value {
            fn from(number: $name) -> Self {
                Self::$name(number.0)
            }
        }

        impl Typed for $name {
            const TYPE: ValueType = ValueType::$name;
        }
    )*};
}

units! {
    /// A number of bytes.
    Bytes;
    /// A number of pixels.
    Pixels;
    /// A number of rows.
    Rows;
    /// A number of buffers.
    Buffers;
    /// A number of segments.
    Segments;
    /// A mask of addresses.
    Mask;
}

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

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Value {
    /// A number of bytes.
    Bytes(#[serde(with = "bytes_or_text")] u64),
    /// A number of segments.
    Segments(#[serde(with = "bytes_or_text")] u64),
    /// A boundary mask.
    Mask(#[serde(with = "bytes_or_text")] u64),
    /// An address.
    Address(#[serde(with = "bytes_or_text")] u64),
    /// A number of pixels.
    Pixels(#[serde(with = "bytes_or_text")] u64),
    /// A number of rows.
    Rows(#[serde(with = "bytes_or_text")] u64),
    /// A number of buffers.
    Buffers(#[serde(with = "bytes_or_text")] u64),
    /// A set of addresses.
    Windows(Windows),
    /// Addressing.
    Translation(Translation),
    /// Coherency.
    Coherency(Coherency),
    /// Use by the CPU.
    CpuUse(CpuUse),
    /// Names.
    Names(Names),
    /// Sizes of pictures.
    Sizes(Sizes),
    /// Rules for strides.
    Rules(Rules),
    /// One name.
    Text(Box<str>),
    /// Needed.
    Needed,
}

/// The type of a field's values: what [`Value`] it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ValueType {
    /// A number of bytes.
    Bytes,
    /// A number of segments.
    Segments,
    /// A boundary mask.
    Mask,
    /// An address.
    Address,
    /// A number of pixels.
    Pixels,
    /// A number of rows.
    Rows,
    /// A number of buffers.
    Buffers,
    /// A set of addresses.
    Windows,
    /// Addressing.
    Translation,
    /// Coherency.
    Coherency,
    /// Use by the CPU.
    CpuUse,
    /// Names.
    Names,
    /// Sizes of pictures.
    Sizes,
    /// Rules for strides.
    Rules,
    /// One name.
    Text,
    /// Needed.
    Needed,
}

/// What the type of a key says of the values of its field.
pub(super) trait Typed {
    const TYPE: ValueType;
}

impl ValueType {
    /// What people call such values.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Bytes => "a number of bytes",
            Self::Segments => "a number of segments",
            Self::Mask => "a mask of addresses",
            Self::Address => "an address",
            Self::Pixels => "a number of pixels",
            Self::Rows => "a number of rows",
            Self::Buffers => "a number of buffers",
            Self::Windows => "ranges of addresses",
            Self::Translation => "a translation",
            Self::Coherency => "snooping or sync",
            Self::CpuUse => "never, rarely or often",
            Self::Names => "a list of names",
            Self::Sizes => "sizes of pictures",
            Self::Rules => "rules for strides",
            Self::Text => "one name",
            Self::Needed => "needed, or nothing",
        }
    }
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

impl Value {
    /// Returns its type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Bytes(_) => ValueType::Bytes,
            Self::Segments(_) => ValueType::Segments,
            Self::Mask(_) => ValueType::Mask,
            Self::Address(_) => ValueType::Address,
            Self::Pixels(_) => ValueType::Pixels,
            Self::Rows(_) => ValueType::Rows,
            Self::Buffers(_) => ValueType::Buffers,
            Self::Windows(_) => ValueType::Windows,
            Self::Translation(_) => ValueType::Translation,
            Self::Coherency(_) => ValueType::Coherency,
            Self::CpuUse(_) => ValueType::CpuUse,
            Self::Names(_) => ValueType::Names,
            Self::Sizes(_) => ValueType::Sizes,
            Self::Rules(_) => ValueType::Rules,
            Self::Text(_) => ValueType::Text,
            Self::Needed => ValueType::Needed,
        }
    }

    /// The value of a field that is one number; `None` if the field is none.
    pub(crate) fn of_number(field: Field, number: u64) -> Option<Self> {
        Some(match field.value_type() {
            ValueType::Bytes => Self::Bytes(number),
            ValueType::Segments => Self::Segments(number),
            ValueType::Mask => Self::Mask(number),
            ValueType::Pixels => Self::Pixels(number),
            ValueType::Rows => Self::Rows(number),
            ValueType::Buffers => Self::Buffers(number),
            ValueType::Coherency if number == 0 => Self::Coherency(Coherency::Snoops),
            ValueType::Coherency => Self::Coherency(Coherency::NeedsSync),
            ValueType::CpuUse => Self::CpuUse(match number {
                0 => CpuUse::Never,
                1 => CpuUse::Rarely,
                _ => CpuUse::Often,
            }),
            ValueType::Needed => Self::Needed,
            ValueType::Address
            | ValueType::Windows
            | ValueType::Translation
            | ValueType::Names
            | ValueType::Sizes
            | ValueType::Rules
            | ValueType::Text => return None,
        })
    }

    /// Of how many values it consists.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Windows(windows) => windows.as_slice().len(),
            Self::Names(names) => names.len(),
            Self::Sizes(sizes) => sizes.as_slice().len(),
            Self::Rules(rules) => rules.0.len(),
            _ => 1,
        }
    }

    /// The same value with another number; `None` if it has none.
    pub(super) fn with_number(&self, number: u64) -> Option<Self> {
        Some(match self {
            Self::Bytes(_) => Self::Bytes(number),
            Self::Segments(_) => Self::Segments(number),
            Self::Mask(_) => Self::Mask(number),
            Self::Address(_) => Self::Address(number),
            Self::Pixels(_) => Self::Pixels(number),
            Self::Rows(_) => Self::Rows(number),
            Self::Buffers(_) => Self::Buffers(number),
            _ => return None,
        })
    }

    /// The number that the value stands for, if it stands for one.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Bytes(number)
            | Self::Segments(number)
            | Self::Mask(number)
            | Self::Address(number)
            | Self::Pixels(number)
            | Self::Rows(number)
            | Self::Buffers(number) => Some(*number),
            Self::Coherency(Coherency::Snoops) | Self::CpuUse(CpuUse::Never) => Some(0),
            Self::Coherency(Coherency::NeedsSync) | Self::CpuUse(CpuUse::Rarely) | Self::Needed => Some(1),
            Self::CpuUse(CpuUse::Often) => Some(2),
            Self::Windows(_)
            | Self::Translation(_)
            | Self::Names(_)
            | Self::Sizes(_)
            | Self::Rules(_)
            | Self::Text(_) => None,
        }
    }
}

macro_rules! values {
    ($($type:ty => $variant:ident;)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }

        impl Typed for $type {
            const TYPE: ValueType = ValueType::$variant;
        }
    )*};
}

values! {
    Windows => Windows;
    Translation => Translation;
    Coherency => Coherency;
    CpuUse => CpuUse;
    Names => Names;
    Sizes => Sizes;
    Rules => Rules;
    Box<str> => Text;
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Needed
    }
}

impl Typed for () {
    const TYPE: ValueType = ValueType::Needed;
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

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut count = |number: u64, one: &str| {
            let plural = if number == 1 { "" } else { "s" };
            write!(f, "{number} {one}{plural}")
        };
        match self {
            Self::Bytes(number) => count(*number, "byte"),
            Self::Segments(number) => count(*number, "segment"),
            Self::Pixels(number) => count(*number, "pixel"),
            Self::Rows(number) => count(*number, "row"),
            Self::Buffers(number) => count(*number, "buffer"),
            Self::Mask(number) | Self::Address(number) => write!(f, "{number:#x}"),
            Self::Windows(windows) => windows.fmt(f),
            Self::Translation(translation) => translation.fmt(f),
            Self::Coherency(coherency) => coherency.fmt(f),
            Self::CpuUse(cpu_use) => cpu_use.fmt(f),
            Self::Names(names) => names.fmt(f),
            Self::Sizes(sizes) => sizes.fmt(f),
            Self::Rules(rules) => rules.fmt(f),
            Self::Text(text) => Shown(text).fmt(f),
            Self::Needed => f.write_str("needed"),
        }
    }
}
