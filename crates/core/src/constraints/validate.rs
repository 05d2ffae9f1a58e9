//! Constraints that nothing could satisfy, or that mean nothing.

use super::{Constraints, ExtensionKey, Field, FormatKey, Record, Scope, Value, ValueType};
use crate::Errno;
use crate::dma::LimitsError;

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
    #[error("{field} of {value}, which is no value of that field; use {need:?}")]
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
    #[error("{field} cannot be stated of {place:?}")]
    Misplaced {
        /// The field.
        field: Field,
        /// Of what it was stated.
        place: Scope,
    },
    /// Two fields contradict each other.
    #[error("{field} of {value} and {other} of {other_value} cannot be had together")]
    Contradiction {
        /// One field.
        field: Field,
        /// Its value.
        value: Value,
        /// The other field.
        other: Field,
        /// Its value.
        other_value: Value,
    },
    /// Two entries of the list of formats could mean the same.
    #[error("the formats {one} and {other} overlap; list each once")]
    Formats {
        /// One.
        one: FormatKey,
        /// The other.
        other: FormatKey,
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
    #[error("the extension {key} has the value {value}, which cannot be merged by {kind:?}")]
    Extension {
        /// The field.
        key: ExtensionKey,
        /// Its value.
        value: Value,
        /// How it is to be merged.
        kind: super::MergeKind,
    },
}

impl InvalidConstraint {
    /// Returns EINVAL.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

pub(super) fn checked(constraints: Constraints) -> Result<Constraints, InvalidConstraint> {
    for image in &constraints.images {
        fields(&image.image, Scope::Image, &[Scope::Image])?;
        fields(&image.every_plane, Scope::Plane, &[Scope::Plane])?;
        for plane in &image.planes {
            fields(plane, Scope::Plane, &[Scope::Plane, Scope::Memory])?;
        }
    }
    Ok(constraints)
}

/// Checks that all fields of a record belong there and have values of their types.
pub(super) fn fields(record: &Record, place: Scope, scopes: &[Scope]) -> Result<(), InvalidConstraint> {
    for (field, value) in record.iter() {
        if !scopes.contains(&field.scope()) {
            return Err(InvalidConstraint::Misplaced { field, place });
        }
        if value.value_type() != field.value_type() {
            return Err(InvalidConstraint::Type {
                field,
                value: value.clone(),
                need: field.value_type(),
            });
        }
    }
    Ok(())
}
