//! Checked windows into a mapping.

use crate::blocks::{BLOCK_BYTES, Blocks};
use crate::copy;
use crate::mapping::{Access, Mapping};
use crate::traffic;
use rustix::io::Errno;

/// An access that does not lie inside its window (contract C1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len_bytes} bytes at offset {offset_bytes} do not lie inside a window of {window_bytes} bytes")]
pub struct OutOfBounds {
    /// Start of the access in bytes from the start of the window.
    pub offset_bytes: usize,
    /// Length of the access in bytes.
    pub len_bytes: usize,
    /// Length of the window in bytes.
    pub window_bytes: usize,
}

impl OutOfBounds {
    /// `EINVAL`, as `mmap` beyond a dma-buf's size.
    pub fn errno(&self) -> Errno {
        Errno::INVAL
    }
}

/// A writable window was asked of a read-only mapping (contracts A6, S5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory is mapped read-only here: only its producer can write it")]
pub struct NotWritable;

impl NotWritable {
    /// `EACCES`, as a writable `mmap` of a read-only descriptor.
    pub fn errno(&self) -> Errno {
        Errno::ACCESS
    }
}

/// A readable window into a [`Mapping`]. Other processes may change the bytes at any time: a copy taken twice can differ.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    mapping: &'a Mapping,
    start: usize,
    len: usize,
}

impl<'a> View<'a> {
    #[inline]
    pub(crate) fn whole(mapping: &'a Mapping) -> Self {
        Self {
            mapping,
            start: 0,
            len: mapping.len_bytes(),
        }
    }

    /// Length of the window in bytes.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.len
    }

    /// A smaller window: `len_bytes` bytes from `offset_bytes` on. Zero bytes are fine anywhere up to the end.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] (`EINVAL`) when it does not lie inside, overflow included.
    #[inline]
    pub fn subview(&self, offset_bytes: usize, len_bytes: usize) -> Result<View<'a>, OutOfBounds> {
        let start = self.check(offset_bytes, len_bytes)?;
        Ok(View {
            mapping: self.mapping,
            start,
            len: len_bytes,
        })
    }

    /// Copies bytes from `offset_bytes` on into `into`, whose length says how many.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] (`EINVAL`) when the range does not lie inside; nothing is copied then.
    #[inline]
    pub fn copy_to(&self, offset_bytes: usize, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let start = self.check(offset_bytes, into.len())?;
        let source = self.mapping.base().as_ptr().wrapping_add(start);
        // SAFETY:
        // * `check` proved that the source range lies inside the mapping, which `self` keeps borrowed.
        // * `into` is private memory of this length and cannot overlap a mapping that no Rust reference covers.
        unsafe { copy::from_shared(into.as_mut_ptr(), source, into.len()) };
        traffic::count(into.len());
        Ok(())
    }

    /// The whole blocks of 64 bytes from the start on, each of which is read once, into registers: for who looks at every byte and need not
    /// keep it, as fast as a look at memory of one's own, and faster than [`View::copy_to`] and a look at the copy. All of them count as
    /// [moved](crate::bytes_moved) now.
    #[inline]
    pub fn blocks(&self) -> Blocks<'a> {
        traffic::count(self.len - self.len % BLOCK_BYTES);
        Blocks::new(*self)
    }

    /// The first block, and from now on a window without it; `None` if the window is smaller.
    #[inline]
    pub(crate) fn take_block(&mut self) -> Option<[u8; BLOCK_BYTES]> {
        let rest = self.len.checked_sub(BLOCK_BYTES)?;
        let source = self.mapping.base().as_ptr().wrapping_add(self.start);
        // SAFETY:
        // * The window lies inside the mapping, which `self` keeps borrowed, and is at least as long as a block.
        let block = unsafe { copy::block_of_shared(source) };
        (self.start, self.len) = (self.start + BLOCK_BYTES, rest);
        Some(block)
    }

    /// Position in the mapping of an access inside this window.
    #[inline]
    fn check(&self, offset_bytes: usize, len_bytes: usize) -> Result<usize, OutOfBounds> {
        match offset_bytes.checked_add(len_bytes) {
            Some(end) if end <= self.len => Ok(self.start + offset_bytes),
            _ => Err(OutOfBounds {
                offset_bytes,
                len_bytes,
                window_bytes: self.len,
            }),
        }
    }
}

/// A writable window into a [`Mapping`].
///
/// Copying it or writing from several threads is allowed: the bytes of racing writes mix, nothing else happens.
#[derive(Debug, Clone, Copy)]
pub struct ViewMut<'a> {
    view: View<'a>,
}

impl<'a> ViewMut<'a> {
    #[inline]
    pub(crate) fn whole(mapping: &'a Mapping) -> Result<Self, NotWritable> {
        match mapping.access() {
            Access::ReadWrite => Ok(Self {
                view: View::whole(mapping),
            }),
            Access::ReadOnly => Err(NotWritable),
        }
    }

    /// Length of the window in bytes.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.view.len
    }

    /// The same window for reading.
    #[inline]
    pub fn as_view(&self) -> View<'a> {
        self.view
    }

    /// A smaller window: `len_bytes` bytes from `offset_bytes` on.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] (`EINVAL`) when it does not lie inside, overflow included.
    #[inline]
    pub fn subview(&self, offset_bytes: usize, len_bytes: usize) -> Result<ViewMut<'a>, OutOfBounds> {
        Ok(Self {
            view: self.view.subview(offset_bytes, len_bytes)?,
        })
    }

    /// Copies `bytes` to `offset_bytes`.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] (`EINVAL`) when the range does not lie inside; nothing is written then.
    #[inline]
    pub fn copy_from(&self, offset_bytes: usize, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let target = self.target(offset_bytes, bytes.len())?;
        // SAFETY:
        // * `target` checked that the range lies inside the mapping, which is writable by this type's constructor.
        // * `bytes` is private memory and cannot overlap a mapping that no Rust reference covers.
        unsafe { copy::to_shared(target, bytes.as_ptr(), bytes.len()) };
        traffic::count(bytes.len());
        Ok(())
    }

    /// Sets `len_bytes` bytes from `offset_bytes` on to `byte`.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] (`EINVAL`) when the range does not lie inside; nothing is written then.
    pub fn fill(&self, offset_bytes: usize, len_bytes: usize, byte: u8) -> Result<(), OutOfBounds> {
        let target = self.target(offset_bytes, len_bytes)?;
        // SAFETY:
        // * `target` checked that the range lies inside the mapping, which is writable by this type's constructor.
        unsafe { copy::fill_shared(target, byte, len_bytes) };
        traffic::count(len_bytes);
        Ok(())
    }

    #[inline]
    fn target(&self, offset_bytes: usize, len_bytes: usize) -> Result<*mut u8, OutOfBounds> {
        let start = self.view.check(offset_bytes, len_bytes)?;
        Ok(self.view.mapping.base().as_ptr().wrapping_add(start))
    }
}
