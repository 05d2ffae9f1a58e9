//! `/dev/dri/card*`: the few calls that make buffers, hand them out, and put fences of `vgem` on them.

use crate::ioctl::Ioctl;

argument! {
    /// Which driver it is, as 64-bit programs ask. Each text is written as far as there is room, and its full length is told.
    pub struct Version: 64 {
        /// Of the driver's interface.
        pub major: i32,
        /// Of the driver's interface.
        pub minor: i32,
        /// Of the driver's interface.
        pub patchlevel: i32,
        /// Where the next field begins on 64-bit machines.
        pub pad: u32,
        /// Room for the name, in bytes.
        pub name_len: u64,
        /// Where the name goes.
        pub name: u64,
        /// Room for the date, in bytes.
        pub date_len: u64,
        /// Where the date goes.
        pub date: u64,
        /// Room for the description, in bytes.
        pub desc_len: u64,
        /// Where the description goes.
        pub desc: u64,
    }
}

argument! {
    /// What the driver can do.
    pub struct GetCap: 16 {
        /// Which ability is asked about: [`CAP_PRIME`] for example.
        pub capability: u64,
        /// The answer.
        pub value: u64,
    }
}

argument! {
    /// A handle to be given up.
    pub struct GemClose: 8 {
        /// Known to this descriptor of the device.
        pub handle: u32,
        /// Not used.
        pub pad: u32,
    }
}

argument! {
    /// Where a buffer can be mapped.
    pub struct MapDumb: 16 {
        /// Known to this descriptor of the device.
        pub handle: u32,
        /// Not used.
        pub pad: u32,
        /// For `mmap` on the device, in bytes.
        pub offset: u64,
    }
}

argument! {
    /// A buffer whose handle is to be given up.
    pub struct DestroyDumb: 4 {
        /// Known to this descriptor of the device.
        pub handle: u32,
    }
}

argument! {
    /// A buffer that the CPU draws into.
    pub struct CreateDumb: 32 {
        /// In rows.
        pub height: u32,
        /// In pixels.
        pub width: u32,
        /// Bits of a pixel.
        pub bpp: u32,
        /// There are none: 0.
        pub flags: u32,
        /// The new buffer, known to this descriptor of the device.
        pub handle: u32,
        /// The bytes of a row.
        pub pitch: u32,
        /// The bytes of the buffer.
        pub size: u64,
    }
}

argument! {
    /// A buffer by its handle and as a descriptor.
    pub struct PrimeHandle: 12 {
        /// Known to this descriptor of the device.
        pub handle: u32,
        /// `O_CLOEXEC` and `O_RDWR`, of the new descriptor.
        pub flags: u32,
        /// The descriptor.
        pub fd: i32,
    }
}

argument! {
    /// A new fence on a buffer.
    pub struct VgemFenceAttach: 16 {
        /// The buffer.
        pub handle: u32,
        /// [`FENCE_ATTACH_WRITE`] or nothing.
        pub flags: u32,
        /// The new fence, known to this descriptor of the device.
        pub out_fence: u32,
        /// 0.
        pub pad: u32,
    }
}

argument! {
    /// A fence that is to be signaled.
    pub struct VgemFenceSignal: 8 {
        /// The fence.
        pub fence: u32,
        /// There are none: 0.
        pub flags: u32,
    }
}

/// The fence is a writer's; without it, a reader's.
pub const FENCE_ATTACH_WRITE: u32 = 1;

/// Whether buffers come from and go to other devices: the value is [`PRIME_CAP_IMPORT`] and [`PRIME_CAP_EXPORT`].
pub const CAP_PRIME: u64 = 5;
/// Whether times are those of the monotonic clock.
pub const CAP_TIMESTAMP_MONOTONIC: u64 = 6;
/// Whether there are synchronisation objects.
pub const CAP_SYNCOBJ: u64 = 0x13;
/// Whether those have timelines.
pub const CAP_SYNCOBJ_TIMELINE: u64 = 0x14;
/// Buffers of others can be used.
pub const PRIME_CAP_IMPORT: u64 = 1;
/// Buffers can be given to others.
pub const PRIME_CAP_EXPORT: u64 = 2;

/// What all these calls have in common, in the upper half of the [selector](Ioctl::selector).
pub const MAGIC: u8 = b'd';

/// Tells which driver it is.
pub const VERSION: Ioctl = Ioctl::read_write(MAGIC, 0x00, Version::SIZE_BYTES);
/// Gives up a handle.
pub const GEM_CLOSE: Ioctl = Ioctl::write(MAGIC, 0x09, GemClose::SIZE_BYTES);
/// Tells what the driver can do.
pub const GET_CAP: Ioctl = Ioctl::read_write(MAGIC, 0x0c, GetCap::SIZE_BYTES);
/// Makes a handle of a descriptor.
pub const PRIME_FD_TO_HANDLE: Ioctl = Ioctl::read_write(MAGIC, 0x2e, PrimeHandle::SIZE_BYTES);
/// Tells where a buffer can be mapped.
pub const MODE_MAP_DUMB: Ioctl = Ioctl::read_write(MAGIC, 0xb3, MapDumb::SIZE_BYTES);
/// Gives up the handle of a buffer.
pub const MODE_DESTROY_DUMB: Ioctl = Ioctl::read_write(MAGIC, 0xb4, DestroyDumb::SIZE_BYTES);
/// Makes a buffer.
pub const MODE_CREATE_DUMB: Ioctl = Ioctl::read_write(b'd', 0xb2, CreateDumb::SIZE_BYTES);
/// Makes a descriptor of a buffer.
pub const PRIME_HANDLE_TO_FD: Ioctl = Ioctl::read_write(b'd', 0x2d, PrimeHandle::SIZE_BYTES);
/// Makes a fence on a buffer of `vgem`.
pub const VGEM_FENCE_ATTACH: Ioctl = Ioctl::read_write(b'd', 0x41, VgemFenceAttach::SIZE_BYTES);
/// Signals a fence of `vgem`.
pub const VGEM_FENCE_SIGNAL: Ioctl = Ioctl::write(b'd', 0x42, VgemFenceSignal::SIZE_BYTES);
