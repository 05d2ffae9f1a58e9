//! Numbers of `ioctl` calls, as most architectures encode them.

/// The number of an `ioctl` call: whose call it is, which one, how large its argument is and which way it goes.
///
/// # Examples
/// ```
/// use wharf_uapi::{Ioctl, dma_heap};
///
/// let longer = Ioctl::from_raw(dma_heap::ALLOC.raw() + (8 << 16));
/// assert_eq!(longer.size_bytes(), 32);
/// assert_eq!(longer.selector(), dma_heap::ALLOC.selector(), "the same call with a larger argument");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ioctl(u32);

/// Bits of the argument's size.
const SIZE_BITS: u32 = 14;
/// Where the size begins.
const SIZE_SHIFT: u32 = 16;
/// Where the direction begins.
const DIRECTION_SHIFT: u32 = 30;
/// The kernel reads the argument.
const IN: u32 = 1;
/// The kernel writes the argument.
const OUT: u32 = 2;

impl Ioctl {
    /// A call whose argument of `size_bytes` bytes the kernel reads.
    #[must_use]
    pub const fn write(magic: u8, number: u8, size_bytes: usize) -> Self {
        Self::encode(IN, magic, number, size_bytes)
    }

    /// A call whose argument of `size_bytes` bytes the kernel reads and then writes.
    #[must_use]
    pub const fn read_write(magic: u8, number: u8, size_bytes: usize) -> Self {
        Self::encode(IN | OUT, magic, number, size_bytes)
    }

    /// The number a program passed. Programs may pass any.
    #[must_use]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// CAST: what does not fit 14 bits is cut, as in C; all sizes here are constants far below.
    const fn encode(direction: u32, magic: u8, number: u8, size_bytes: usize) -> Self {
        let size = (size_bytes as u32) & ((1 << SIZE_BITS) - 1);
        Self((direction << DIRECTION_SHIFT) | (size << SIZE_SHIFT) | ((magic as u32) << 8) | number as u32)
    }

    /// The number as it is passed to the kernel.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The lowest 8 bits: the number among the calls of one kind.
    #[must_use]
    pub const fn number(self) -> u8 {
        // CAST: the upper bits are to go.
        self.0 as u8
    }

    /// The lower 16 bits, which tell the call without the size and direction of its argument.
    #[must_use]
    pub const fn selector(self) -> u16 {
        // CAST: the upper bits are to go.
        self.0 as u16
    }

    /// How large the argument is, in bytes, 0 to 16383.
    #[must_use]
    pub const fn size_bytes(self) -> usize {
        // CAST: 14 bits.
        ((self.0 >> SIZE_SHIFT) & ((1 << SIZE_BITS) - 1)) as usize
    }

    /// Whether the kernel reads the argument.
    #[must_use]
    pub const fn reads(self) -> bool {
        (self.0 >> DIRECTION_SHIFT) & IN != 0
    }

    /// Whether the kernel writes the argument.
    #[must_use]
    pub const fn writes(self) -> bool {
        (self.0 >> DIRECTION_SHIFT) & OUT != 0
    }
}
