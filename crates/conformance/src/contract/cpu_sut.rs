//! What systems let the CPU do.

use std::ops::Range;
use std::time::Duration;

use wharf_core::Errno;

use super::{AccessMode, BufferSut, Coherency, DataDirection, Usage};

/// A system in which the CPU gets at the contents of buffers, in brackets.
///
/// One that can only bracket whole buffers opens whole ones, and leaves the cases about parts out.
pub trait CpuSut: BufferSut {
    /// A bracket that is open; closed when dropped. It keeps the buffer.
    type Access: Send;

    /// Opens a bracket around some bytes; the direction is the device's, as in the kernel. Waits as long as it takes for those who work on
    /// the buffer.
    fn begin(
        &self,
        buffer: &Self::Buffer,
        bytes: Range<u64>,
        direction: DataDirection,
    ) -> Result<Self::Access, Errno>;

    /// Closes a bracket.
    fn end(&self, access: Self::Access) -> Result<(), Errno>;

    /// Reads bytes of the buffer.
    fn read(&self, access: &Self::Access, offset_bytes: u64, into: &mut [u8]) -> Result<(), Errno>;

    /// Writes bytes of the buffer.
    fn write(&self, access: &Self::Access, offset_bytes: u64, from: &[u8]) -> Result<(), Errno>;

    /// Opens a bracket around the whole buffer.
    fn begin_all(&self, buffer: &Self::Buffer, direction: DataDirection) -> Result<Self::Access, Errno> {
        self.begin(buffer, 0..self.size_bytes(buffer), direction)
    }

    /// Reads bytes in a bracket of its own.
    #[track_caller]
    fn look(&self, buffer: &Self::Buffer, offset_bytes: u64, len: usize) -> Vec<u8> {
        let mut seen = vec![0xee; len];
        let access = super::must(self.begin_all(buffer, DataDirection::FromDevice));
        super::must(self.read(&access, offset_bytes, &mut seen));
        super::must(self.end(access));
        seen
    }

    /// Writes bytes in a bracket of its own.
    #[track_caller]
    fn put(&self, buffer: &Self::Buffer, offset_bytes: u64, from: &[u8]) {
        let access = super::must(self.begin_all(buffer, DataDirection::ToDevice));
        super::must(self.write(&access, offset_bytes, from));
        super::must(self.end(access));
    }
}

/// A system in which others work on buffers, and the CPU waits for them.
pub trait FencedSut: CpuSut {
    /// Work on a buffer that is not done; dropped, it never will be.
    type Work: Send;

    /// Lets somebody begin to work on a buffer.
    fn begin_work(&self, buffer: &Self::Buffer, usage: Usage) -> Self::Work;

    /// Has the work be done, or fail.
    fn finish(&self, work: Self::Work, outcome: Result<(), Errno>);

    /// Says whether work of this usage, or a stronger one, is pending.
    fn is_busy(&self, buffer: &Self::Buffer, usage: Usage) -> bool;

    /// Opens a bracket around the whole buffer; ETIMEDOUT if those who work on it are not done in time.
    fn begin_within(
        &self,
        buffer: &Self::Buffer,
        direction: DataDirection,
        timeout: Duration,
    ) -> Result<Self::Access, Errno>;
}

/// A system in which several buffers may have one list of fences.
pub trait SharedFencesSut: FencedSut {
    /// Makes a buffer that has its fences together with another.
    fn create_sharing(&self, size_bytes: u64, with: &Self::Buffer) -> Result<Self::Buffer, Errno>;
}

/// A system that maps buffers for users.
///
/// A system whose users get signals for what they must not touch turns these into error numbers: EFAULT does not exist here.
pub trait UserMappingSut: CpuSut {
    /// A mapping, gone when dropped. It keeps the buffer.
    type UserMapping: Send;

    /// Maps pages of a buffer: numbers from its size in pages on mean the second range.
    fn map_user(
        &self,
        buffer: &Self::Buffer,
        first_page: u64,
        page_count: u64,
        access: AccessMode,
    ) -> Result<Self::UserMapping, Errno>;

    /// Changes what the user may do.
    fn protect(&self, mapping: &Self::UserMapping, access: AccessMode) -> Result<(), Errno>;

    /// Reads as the user does, from an offset in the mapping.
    fn user_read(&self, mapping: &Self::UserMapping, offset_bytes: u64, into: &mut [u8])
    -> Result<(), Errno>;

    /// Writes as the user does, to an offset in the mapping.
    fn user_write(&self, mapping: &Self::UserMapping, offset_bytes: u64, from: &[u8]) -> Result<(), Errno>;

    /// Returns how a mapping stays coherent.
    fn coherency(&self, mapping: &Self::UserMapping) -> Coherency;

    /// Returns what the exporters here declare of the first range.
    fn declared(&self) -> Coherency;

    /// Says whether the exporters here support the second range.
    fn has_second_range(&self) -> bool;
}

/// A system in which an importer can hand its own mapping on to the exporter.
pub trait RedirectSut: UserMappingSut {
    /// Maps pages of a buffer, for reading and writing, where the user has asked an importer for its page `importer_page`.
    fn redirect(
        &self,
        buffer: &Self::Buffer,
        importer_page: u64,
        first_page: u64,
        page_count: u64,
    ) -> Result<Self::UserMapping, Errno>;
}

/// A system that maps buffers within the process.
pub trait VmapSut: CpuSut {
    /// A buffer while it is mapped; unmapped when dropped. It keeps the buffer.
    type Vmap: Send;

    /// Maps a buffer.
    fn vmap(&self, buffer: &Self::Buffer) -> Result<Self::Vmap, Errno>;

    /// Reads bytes of the buffer.
    fn vmap_read(&self, vmap: &Self::Vmap, offset_bytes: u64, into: &mut [u8]) -> Result<(), Errno>;

    /// Writes bytes of the buffer.
    fn vmap_write(&self, vmap: &Self::Vmap, offset_bytes: u64, from: &[u8]) -> Result<(), Errno>;
}
