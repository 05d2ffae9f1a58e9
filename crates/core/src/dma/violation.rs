//! How limits are broken.

use std::fmt;

use crate::Errno;

use super::{Field, Value};

/// How a table, or memory, breaks limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// The limit broken.
    pub field: Field,
    /// What there is.
    pub have: Value,
    /// What the limit allows.
    pub need: Value,
    /// What breaks it.
    pub place: Place,
}

/// What part of a table or of memory breaks a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All of it.
    Whole,
    /// A segment of the table, from 0.
    Segment(usize),
    /// A run of the memory, from 0.
    Run(usize),
}

impl Violation {
    /// Returns EBUSY: what `dma_buf_attach` answers when the memory is already there and does not suit the device. For a table
    /// that a device's own [`DmaOps`](super::DmaOps) has made, the fault is the device's.
    pub fn errno(&self) -> Errno {
        Errno::EBUSY
    }

    pub(super) fn new(field: Field, have: Value, need: Value, place: Place) -> Self {
        Self {
            field,
            have,
            need,
            place,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            have,
            need,
            place,
        } = self;
        let at = match have {
            Value::Windows(_) | Value::Address(_) => "at",
            _ => "of",
        };
        write!(
            f,
            "{field}: {place} {at} {have} is not {} {need}",
            field.relation()
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the buffer"),
            Self::Segment(number) => write!(f, "segment {number}"),
            Self::Run(number) => write!(f, "run {number}"),
        }
    }
}
