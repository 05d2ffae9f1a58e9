//! Who is attached, and how.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};

use crate::dma::{DeviceUse, DmaLimits, SgTable, Storage};
use crate::id::next_number;
use crate::{AccessMode, DataDirection, Refusal};

/// The number of an attachment: unique among all this process ever has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentId(NonZeroU64);

impl AttachmentId {
    pub(super) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(next_number(&LAST))
    }

    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What an importer promised about moves. Contract: A1, L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contract {
    /// It cannot be told: the buffer stays where it is as long as it is mapped.
    Static,
    /// It is told of moves and maps anew.
    Dynamic,
    /// It is told of moves, and stops using the buffer when told to, also if it has pinned it.
    Revocable,
}

/// An attachment, as exporters and reports see it. Contract: A1.
#[derive(Debug, Clone)]
pub struct AttachmentInfo {
    pub(super) id: AttachmentId,
    pub(super) device: DeviceUse,
    pub(super) access: AccessMode,
    pub(super) contract: Contract,
}

impl AttachmentInfo {
    /// Returns the attachment's number.
    pub fn id(&self) -> AttachmentId {
        self.id
    }

    /// Returns the device and the functions of it in use.
    pub fn device(&self) -> &DeviceUse {
        &self.device
    }

    /// Returns the limits of all functions in use together.
    pub fn limits(&self) -> &DmaLimits {
        self.device.limits()
    }

    /// Returns what the device may do to the buffer.
    pub fn access(&self) -> AccessMode {
        self.access
    }

    /// Returns what the importer promised about moves.
    pub fn contract(&self) -> Contract {
        self.contract
    }

    /// Returns what reports call it: the device and, where it has several, its functions.
    pub fn label(&self) -> &str {
        self.device.label()
    }

    /// Has the device map memory: what most exporters do when they are asked to.
    ///
    /// # Errors
    /// The device's own [`Refusal`].
    pub fn map(&self, storage: &Storage, direction: DataDirection) -> Result<SgTable, Refusal> {
        let ops = self.device.device().ops();
        ops.map(storage, self.limits(), direction)
    }

    /// Has the device undo [`AttachmentInfo::map`], with its answer and its direction.
    pub fn unmap(&self, table: &SgTable, direction: DataDirection) {
        self.device.device().ops().unmap(table, direction);
    }
}
