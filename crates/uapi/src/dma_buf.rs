//! Calls on a buffer's descriptor.

use crate::ioctl::Ioctl;

argument! {
    /// Which access by the CPU begins or ends.
    pub struct Sync: 8 {
        /// Out of [`SYNC_READ`], [`SYNC_WRITE`] and [`SYNC_END`].
        pub flags: u64,
    }
}

argument! {
    /// Asks for the fences of a buffer as a file.
    pub struct ExportSyncFile: 8 {
        /// [`SYNC_READ`], [`SYNC_WRITE`] or both.
        pub flags: u32,
        /// The new descriptor.
        pub fd: i32,
    }
}

argument! {
    /// Adds the fences of a file to a buffer.
    pub struct ImportSyncFile: 8 {
        /// [`SYNC_READ`], [`SYNC_WRITE`] or both.
        pub flags: u32,
        /// The file.
        pub fd: i32,
    }
}

/// The CPU reads.
pub const SYNC_READ: u32 = 1;
/// The CPU writes.
pub const SYNC_WRITE: u32 = 2;
/// The CPU reads and writes.
pub const SYNC_RW: u32 = SYNC_READ | SYNC_WRITE;
/// The access begins.
pub const SYNC_START: u32 = 0;
/// The access ends.
pub const SYNC_END: u32 = 4;
/// All flags that exist.
pub const SYNC_VALID_FLAGS: u32 = SYNC_RW | SYNC_END;

/// The room for a name, terminating NUL included, in bytes.
pub const NAME_LEN: usize = 32;

/// Begins or ends access by the CPU.
pub const SYNC: Ioctl = Ioctl::write(b'b', 0, Sync::SIZE_BYTES);
/// Names a buffer; the number has the size of a 32-bit pointer in it.
pub const SET_NAME_A: Ioctl = Ioctl::write(b'b', 1, 4);
/// Names a buffer; the number has the size of a 64-bit pointer in it.
pub const SET_NAME_B: Ioctl = Ioctl::write(b'b', 1, 8);
/// Asks for the fences of a buffer as a file.
pub const EXPORT_SYNC_FILE: Ioctl = Ioctl::read_write(b'b', 2, ExportSyncFile::SIZE_BYTES);
/// Adds the fences of a file to a buffer.
pub const IMPORT_SYNC_FILE: Ioctl = Ioctl::write(b'b', 3, ImportSyncFile::SIZE_BYTES);
