//! Constraints that nothing could satisfy, or that mean nothing.

use std::fmt;

use super::{ExtensionKey, Field, FormatKey, MergeKind, Scope, Value, ValueType};
use crate::Errno;
use crate::dma::LimitsError;

/// The most entries of any list in constraints: formats, names, sizes, rules, windows, extensions.
pub const MAX_ENTRIES: usize = 64;
/// Longest name of anything, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// Why constraints are impossible by themselves. Blame: who states them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConstraint {
    /// A value means nothing.
    #[error("{field} of {value}; use {need}")]
    Value {
        /// The field.
        field: Field,
        /// Its value.
        value: Value,
        /// What it has to be.
        need: &'static str,
    },
    /// A value is of another type than those of its field.
    #[error("{field} of {value}; use {}", .need.words())]
    Type {
        /// The field.
        field: Field,
        /// Its value.
        value: Value,
        /// What its values are.
        need: ValueType,
    },
    /// No memory could suit how the device addresses it.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// A field is stated where it does not belong.
    #[error("{field} cannot be stated of {}", .place.words())]
    Misplaced {
        /// The field.
        field: Field,
        /// Of what it was stated.
        place: Scope,
    },
    /// Fields contradict each other: each of them is needed for it.
    #[error("{} cannot be had together", Together(.statements))]
    Contradiction {
        /// The fields with their values, in the order of the table.
        statements: Box<[(Field, Value)]>,
    },
    /// Two entries of the list of formats could mean the same.
    #[error("the formats {one} and {other} overlap; list each once")]
    Formats {
        /// One.
        one: FormatKey,
        /// The other.
        other: FormatKey,
    },
    /// A pixel format, an arrangement or an extension has a name that is empty, too long, or has control characters.
    #[error("{what} {name:?}: use 1 to {MAX_NAME_BYTES} bytes without control characters")]
    Name {
        /// What it names.
        what: &'static str,
        /// The name.
        name: Box<str>,
    },
    /// A list is too long.
    #[error("{count} {what}; at most {most} are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A vendor's field is stated twice.
    #[error("the extension {key} is stated twice")]
    StatedTwice {
        /// The field.
        key: ExtensionKey,
    },
    /// A vendor's field has a value that its kind of merging cannot handle.
    #[error("the extension {key} has the value {value}, which cannot be merged by its kind; use {need}")]
    Extension {
        /// The field.
        key: ExtensionKey,
        /// Its value.
        value: Value,
        /// How it is to be merged.
        kind: MergeKind,
        /// What it has to be for that.
        need: &'static str,
    },
}

/// Fields and values in a row.
struct Together<'a>(&'a [(Field, Value)]);

impl fmt::Display for Together<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (field, value)) in self.0.iter().enumerate() {
            let before = if number == 0 { "" } else { " and " };
            write!(f, "{before}{field} of {value}")?;
        }
        Ok(())
    }
}

impl InvalidConstraint {
    /// Returns the fields that are wrong, in the order of the table; none for what is not about a field.
    pub fn fields(&self) -> Vec<Field> {
        match self {
            Self::Value { field, .. } | Self::Type { field, .. } | Self::Misplaced { field, .. } => {
                vec![*field]
            }
            Self::Limits(LimitsError::Invalid { field, .. }) => vec![*field],
            Self::Limits(LimitsError::Impossible { field, other, .. }) => vec![*field, *other],
            Self::Contradiction { statements } => statements.iter().map(|(field, _)| *field).collect(),
            Self::Extension { .. } | Self::StatedTwice { .. } => vec![Field::Extension],
            Self::Formats { .. } => vec![Field::Format],
            Self::Name { .. } | Self::TooMany { .. } => Vec::new(),
        }
    }

    /// Returns EINVAL.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}
