//! Who may write, and which way data moves.

use serde::{Deserialize, Serialize};

/// Whether a handle or a descriptor allows writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessMode {
    /// Reading only.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// Which way data moves between the CPU and devices, seen from the device as in the kernel's `enum dma_data_direction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataDirection {
    /// Both ways: CPU and devices read and write.
    Bidirectional,
    /// From the CPU to devices: in CPU access, the CPU writes.
    ToDevice,
    /// From devices to the CPU: in CPU access, the CPU reads.
    FromDevice,
}

impl DataDirection {
    /// Says whether the CPU writes when it accesses a buffer in this direction.
    ///
    /// ```
    /// use wharf_core::DataDirection;
    /// assert!(DataDirection::ToDevice.cpu_writes());
    /// assert!(!DataDirection::FromDevice.cpu_writes());
    /// ```
    pub fn cpu_writes(self) -> bool {
        matches!(self, Self::Bidirectional | Self::ToDevice)
    }

    /// Says whether a device writes when a buffer is mapped for it in this direction.
    ///
    /// ```
    /// use wharf_core::DataDirection;
    /// assert!(DataDirection::FromDevice.device_writes());
    /// assert!(!DataDirection::ToDevice.device_writes());
    /// ```
    pub fn device_writes(self) -> bool {
        matches!(self, Self::Bidirectional | Self::FromDevice)
    }
}
