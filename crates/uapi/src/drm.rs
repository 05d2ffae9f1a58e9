//! `/dev/dri/card*`: the few calls that make buffers, hand them out, and put fences of `vgem` on them.

use crate::ioctl::Ioctl;

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

/// Makes a buffer.
pub const MODE_CREATE_DUMB: Ioctl = Ioctl::read_write(b'd', 0xb2, CreateDumb::SIZE_BYTES);
/// Makes a descriptor of a buffer.
pub const PRIME_HANDLE_TO_FD: Ioctl = Ioctl::read_write(b'd', 0x2d, PrimeHandle::SIZE_BYTES);
/// Makes a fence on a buffer of `vgem`.
pub const VGEM_FENCE_ATTACH: Ioctl = Ioctl::read_write(b'd', 0x41, VgemFenceAttach::SIZE_BYTES);
/// Signals a fence of `vgem`.
pub const VGEM_FENCE_SIGNAL: Ioctl = Ioctl::write(b'd', 0x42, VgemFenceSignal::SIZE_BYTES);
