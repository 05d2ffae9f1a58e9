//! `/dev/udmabuf`: buffers made of memory files.

use crate::ioctl::Ioctl;

argument! {
    /// The part of a memory file that [`CREATE`] makes a buffer of.
    pub struct Create: 24 {
        /// The memory file.
        pub memfd: u32,
        /// [`FLAGS_CLOEXEC`] or nothing.
        pub flags: u32,
        /// Where the part begins, in bytes, page-aligned.
        pub offset: u64,
        /// How long it is, in bytes, page-aligned.
        pub size: u64,
    }
}

argument! {
    /// The beginning of the argument of [`CREATE_LIST`]; `count` parts follow, each a [`CreateItem`].
    pub struct CreateListHead: 8 {
        /// [`FLAGS_CLOEXEC`] or nothing.
        pub flags: u32,
        /// How many parts.
        pub count: u32,
    }
}

argument! {
    /// One part of a [`CREATE_LIST`].
    pub struct CreateItem: 24 {
        /// The memory file.
        pub memfd: u32,
        /// Not used.
        pub pad: u32,
        /// Where the part begins, in bytes, page-aligned.
        pub offset: u64,
        /// How long it is, in bytes, page-aligned.
        pub size: u64,
    }
}

/// Makes a buffer of one part; the call returns its descriptor.
pub const CREATE: Ioctl = Ioctl::write(b'u', 0x42, Create::SIZE_BYTES);
/// Makes a buffer of several parts.
pub const CREATE_LIST: Ioctl = Ioctl::write(b'u', 0x43, CreateListHead::SIZE_BYTES);
/// The new descriptor is closed on exec.
pub const FLAGS_CLOEXEC: u32 = 1;
/// How many parts a list may have, unless the module was told otherwise.
pub const LIST_LIMIT: u32 = 1024;
/// How large a buffer may be, in bytes, unless the module was told otherwise: 64 MiB.
pub const SIZE_LIMIT_BYTES: u64 = 64 << 20;
