//! Values of fields, with their units.

use super::Field;
use super::parts::{CpuUse, Names, Rules, Sizes};
use crate::dma::{Coherency, Translation, Windows};
use crate::text::{Shown, bytes_or_text};
use serde::{Deserialize, Serialize};
use std::fmt;

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
            Self::Rules(rules) => rules.iter().count(),
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
