//! What can be seen of an attachment from outside.

use std::fmt;

use super::core::Core;
use super::{AttachmentId, Contract};
use crate::{AccessMode, DataDirection};

/// The state of an attachment at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachmentSnapshot {
    /// Its number.
    pub id: AttachmentId,
    /// The device and, where it has several, its functions.
    pub device: Box<str>,
    /// What the device may do to the buffer.
    pub access: AccessMode,
    /// What the importer promised about moves.
    pub contract: Contract,
    /// The direction of the mapping that is kept for the life of the attachment, if there is one.
    pub kept: Option<DataDirection>,
    /// The directions of the mappings that people have.
    pub mapped: Vec<DataDirection>,
    /// How many of those are of a place from which the buffer has moved.
    pub stale: usize,
    /// How many pins people have.
    pub pins: usize,
}

impl Core {
    pub(crate) fn snapshot(&self) -> AttachmentSnapshot {
        let state = self.state();
        AttachmentSnapshot {
            id: self.info.id(),
            device: self.info.label().into(),
            access: self.info.access(),
            contract: self.info.contract(),
            kept: state.kept.as_ref().map(|kept| kept.direction),
            mapped: state.records.iter().map(|record| record.direction).collect(),
            stale: state
                .records
                .iter()
                .filter(|record| !record.settling.is_empty())
                .count(),
            pins: state.pins,
        }
    }
}

impl fmt::Display for AttachmentSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "attached '{}' ({:?}, {:?}): {} mappings",
            self.device,
            self.contract,
            self.access,
            self.mapped.len()
        )?;
        if self.stale > 0 {
            write!(f, " ({} of an old place)", self.stale)?;
        }
        if let Some(direction) = self.kept {
            write!(f, ", one {direction:?} for life")?;
        }
        write!(f, ", {} pins", self.pins)
    }
}
