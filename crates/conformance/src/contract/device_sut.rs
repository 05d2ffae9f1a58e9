//! What systems let devices do.

use std::ops::Range;
use std::time::Duration;

use wharf_core::Errno;

use super::{AccessMode, Contract, CpuSut, DataDirection, DmaLimits, FencedSut, SgSegment};

/// A system with devices.
pub trait DeviceSut: CpuSut {
    /// A device.
    type Device: Send + Sync;
    /// A device at a buffer; detached when dropped, once its mappings are gone. It keeps the buffer.
    type Attachment: Send;
    /// What a device reaches of a buffer; unmapped when dropped. It keeps buffer and attachment.
    type Mapping: Send;

    /// Makes a device with some functions.
    fn device(&self, functions: &[(&str, DmaLimits)]) -> Self::Device;

    /// Attaches some functions of a device.
    fn attach(
        &self,
        buffer: &Self::Buffer,
        device: &Self::Device,
        functions: &[&str],
        access: AccessMode,
        contract: Contract,
    ) -> Result<Self::Attachment, Errno>;

    /// Detaches, or gives the attachment back if it is in use.
    fn detach(&self, attachment: Self::Attachment) -> Result<(), (Errno, Self::Attachment)>;

    /// Makes the buffer reachable for the device; takes the lock if one is needed.
    fn map(&self, attachment: &Self::Attachment, direction: DataDirection) -> Result<Self::Mapping, Errno>;

    /// Undoes that.
    fn unmap(&self, mapping: Self::Mapping);

    /// Returns where the device finds the buffer.
    fn segments(&self, mapping: &Self::Mapping) -> Vec<SgSegment>;

    /// Has the device set bytes of the buffer to a value, and waits until it has.
    fn device_fill(
        &self,
        device: &Self::Device,
        mapping: &Self::Mapping,
        bytes: Range<u64>,
        value: u8,
    ) -> Result<(), Errno>;

    /// Has the device look at bytes of the buffer, and says whether it sees these.
    fn device_sees(
        &self,
        device: &Self::Device,
        mapping: &Self::Mapping,
        offset_bytes: u64,
        expected: &[u8],
    ) -> Result<bool, Errno>;

    /// Makes a device with one function, `dma`.
    fn simple_device(&self, limits: DmaLimits) -> Self::Device {
        self.device(&[("dma", limits)])
    }

    /// Attaches such a device for reading and writing.
    fn attach_simple(
        &self,
        buffer: &Self::Buffer,
        device: &Self::Device,
        contract: Contract,
    ) -> Result<Self::Attachment, Errno> {
        self.attach(buffer, device, &["dma"], AccessMode::ReadWrite, contract)
    }
}

/// A system whose buffers may be without memory until somebody needs it.
pub trait DeferredSut: DeviceSut {
    /// Makes a buffer without memory.
    fn create_deferred(&self, size_bytes: u64) -> Result<Self::Buffer, Errno>;

    /// Says whether it has memory by now.
    fn has_memory(&self, buffer: &Self::Buffer) -> bool;
}

/// A system in which mapping waits for those who work on the memory.
pub trait FencedDeviceSut: DeviceSut + FencedSut {
    /// Maps; ETIMEDOUT if those who work on the memory are not done in time.
    fn map_within(
        &self,
        attachment: &Self::Attachment,
        direction: DataDirection,
        timeout: Duration,
    ) -> Result<Self::Mapping, Errno>;
}

/// A system whose CPU and devices do not see each other's caches, and that notices who reads what is stale.
///
/// Its devices need sync.
pub trait CoherencySut: DeviceSut {
    /// Reads as the CPU does, without a bracket.
    fn read_unbracketed(&self, buffer: &Self::Buffer, offset_bytes: u64, into: &mut [u8]);

    /// Writes as the CPU does, without a bracket.
    fn write_unbracketed(&self, buffer: &Self::Buffer, offset_bytes: u64, from: &[u8]);

    /// Returns what was noticed since the last time, in words.
    fn take_findings(&self) -> Vec<String>;
}

/// A system whose buffers move while nobody keeps them where they are.
pub trait MoveSut: DeviceSut + FencedSut {
    /// Keeps the buffer where it is, until dropped.
    type Pin: Send;
    /// What becomes of the place that a buffer was moved or taken away from.
    type OldPlace: Send;

    /// Pins, for a dynamic importer.
    fn pin(&self, attachment: &Self::Attachment) -> Result<Self::Pin, Errno>;

    /// Has the exporter move the buffer, to a place that is given anew for its contents.
    fn move_buffer(&self, buffer: &Self::Buffer) -> Result<Self::OldPlace, Errno>;

    /// Has the exporter take the buffer away for good.
    fn revoke(&self, buffer: &Self::Buffer) -> Result<Self::OldPlace, Errno>;

    /// Says whether nobody uses the old place any more.
    fn is_idle(&self, old: &Self::OldPlace) -> bool;

    /// Says whether the buffer is still where a dynamic importer's mapping finds it.
    fn is_current(&self, mapping: &Self::Mapping) -> bool;

    /// Returns how often an importer was told that the buffer has moved.
    fn moves_told(&self, attachment: &Self::Attachment) -> usize;

    /// Returns how often an importer was told that the buffer is gone for good.
    fn revocations_told(&self, attachment: &Self::Attachment) -> usize;

    /// Returns how many parties keep the buffer where it is.
    fn holders(&self, buffer: &Self::Buffer) -> usize;
}

/// A system whose user holds the locks of buffers.
pub trait LockSut: DeviceSut {
    /// Does something while holding the lock of a buffer.
    fn locked<T>(&self, buffer: &Self::Buffer, what: impl FnOnce() -> T) -> T;

    /// Does something while holding the locks of several buffers, given in any order.
    fn all_locked<T>(&self, buffers: &[&Self::Buffer], what: impl FnOnce() -> T) -> T;

    /// Says whether somebody holds the lock of a buffer.
    fn is_locked(&self, buffer: &Self::Buffer) -> bool;

    /// Maps for a dynamic importer, with the lock of a buffer held by the caller.
    fn map_holding(
        &self,
        attachment: &Self::Attachment,
        lock_of: &Self::Buffer,
        direction: DataDirection,
    ) -> Result<Self::Mapping, Errno>;
}
