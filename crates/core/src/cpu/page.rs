//! Pages of a window of CPU access.

use std::ops::{Deref, Range};

use super::{CpuAccess, CpuBytes, CpuBytesError, span};
use crate::exporter::call;
use crate::{DataDirection, Errno, PAGE_BYTES, Refusal};

/// One page of a [`CpuAccess`]; it cannot be used once the window is closed.
///
/// Only the bytes that the window covers can be touched, so the first and the last page of a window may be shorter than
/// a page. Offsets are in bytes from the start of the page. Contracts: C5, C7.
///
/// # References
/// `dma_buf_kmap` (drivers/dma-buf/dma-buf.c, v5.5): after a successful begin it had to succeed within the range.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    access: &'a CpuAccess,
    index: u64,
}

/// One page of a [`CpuAccess`] that was opened for writing.
///
/// It reads as a [`Page`] does, if the window was opened for that too.
#[derive(Debug)]
pub struct PageMut<'a> {
    page: Page<'a>,
}

impl CpuAccess {
    /// Returns a page of the window, by its number in the buffer: page 0 has the buffer's first byte.
    ///
    /// # Blocking
    /// As long as the exporter takes to say whether it has byte access.
    ///
    /// # Locking
    /// None is held or taken.
    ///
    /// # Errors
    /// [`CpuBytesError::Page`]: EINVAL when the window has no byte of the page. [`CpuBytesError::Unsupported`]: EINVAL when
    /// the exporter has no byte access. [`CpuBytesError::Exporter`]: EIO when it panics.
    ///
    /// # Examples
    /// ```
    /// # use wharf_core::{AccessMode, CpuBytes, DmaBuf, Exporter, ExportInfo, Refusal};
    /// # struct Zeroes;
    /// # impl CpuBytes for Zeroes {
    /// #     fn read_at(&self, _: u64, into: &mut [u8]) -> Result<(), Refusal> {
    /// #         into.fill(0);
    /// #         Ok(())
    /// #     }
    /// #     fn write_at(&self, _: u64, _: &[u8]) -> Result<(), Refusal> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # impl Exporter for Zeroes {
    /// #     fn name(&self) -> &str {
    /// #         "zeroes"
    /// #     }
    /// #     fn cpu_bytes(&self) -> Option<&dyn CpuBytes> {
    /// #         Some(self)
    /// #     }
    /// # }
    /// # let info = ExportInfo::new(Zeroes, 8192);
    /// # let buffer = DmaBuf::export(info)?;
    /// use wharf_core::DataDirection;
    ///
    /// // A header of 64 bytes at the start of the second page.
    /// let access = buffer.begin_cpu_access(4096..4160, DataDirection::FromDevice)?;
    /// let mut header = [0xff; 64];
    /// access.page(1)?.read_at(0, &mut header)?;
    /// assert_eq!(header, [0; 64]);
    /// access.end()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn page(&self, index: u64) -> Result<Page<'_>, CpuBytesError> {
        let pages = self.pages();
        if !pages.contains(&index) {
            return Err(CpuBytesError::Page {
                buffer: self.buffer().id(),
                page: index,
                first_page: pages.start,
                end_page: pages.end,
            });
        }
        let exporter = self.buffer().exporter_dyn();
        match call(|| Ok(exporter.cpu_bytes().is_some())) {
            Ok(true) => Ok(Page { access: self, index }),
            Ok(false) => Err(CpuBytesError::Unsupported {
                buffer: self.buffer().id(),
                exporter: self.buffer().exporter_name().into(),
            }),
            Err(fault) => Err(CpuBytesError::exporter(self.buffer(), fault)),
        }
    }

    /// Returns a page of the window for writing.
    ///
    /// # Blocking
    /// As [`CpuAccess::page`].
    ///
    /// # Locking
    /// None is held or taken.
    ///
    /// # Errors
    /// [`CpuBytesError::Direction`]: EACCES when the window was opened for reading only. Otherwise as [`CpuAccess::page`].
    pub fn page_mut(&self, index: u64) -> Result<PageMut<'_>, CpuBytesError> {
        let page = self.page(index)?;
        if !self.direction().cpu_writes() {
            return Err(page.direction_error(DataDirection::ToDevice));
        }
        Ok(PageMut { page })
    }

    /// Returns the numbers of the pages that the window touches, the partly covered ones included.
    pub fn pages(&self) -> Range<u64> {
        let Range { start, end } = self.range();
        start / PAGE_BYTES..end.div_ceil(PAGE_BYTES)
    }
}

impl Page<'_> {
    /// Returns the page's number in the buffer.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns the bytes of the page that may be touched, counted from the start of the page.
    pub fn range(&self) -> Range<u64> {
        let covered = self.covered();
        covered.start - self.start_bytes()..covered.end - self.start_bytes()
    }

    /// Copies the bytes from `offset_bytes` of the page on into all of `into`; nothing happens for an empty slice within
    /// the covered bytes.
    ///
    /// # Blocking
    /// As long as the exporter takes.
    ///
    /// # Locking
    /// None is held or taken.
    ///
    /// # Errors
    /// [`CpuBytesError::Direction`]: EACCES when the window was opened for writing only. [`CpuBytesError::Outside`]: EINVAL for
    /// bytes that the window or the page does not have. [`CpuBytesError::Overflow`]: EOVERFLOW. [`CpuBytesError::Exporter`]: the
    /// exporter's own number, or EIO when it panics; `into` may have been written in part.
    //
    // DIFFERENCE: the kernel lets the CPU read in a ToDevice window. The caches were not made right for it, so that it
    // may read stale bytes; nobody can want that.
    pub fn read_at(&self, offset_bytes: u64, into: &mut [u8]) -> Result<(), CpuBytesError> {
        if self.access.direction() == DataDirection::ToDevice {
            return Err(self.direction_error(DataDirection::FromDevice));
        }
        let start_bytes = self.check(offset_bytes, into.len())?;
        if into.is_empty() {
            return Ok(());
        }
        self.with_bytes(|bytes| bytes.read_at(start_bytes, into))
    }

    fn start_bytes(&self) -> u64 {
        // INVARIANT: the page is one of a buffer whose size in bytes fits in 64 bits.
        self.index * PAGE_BYTES
    }

    /// The bytes that may be touched, counted from the start of the buffer.
    fn covered(&self) -> Range<u64> {
        let Range { start, end } = self.access.range();
        start.max(self.start_bytes())..end.min(self.start_bytes() + PAGE_BYTES)
    }

    fn check(&self, offset_bytes: u64, len: usize) -> Result<u64, CpuBytesError> {
        let buffer = self.access.buffer().id();
        span(buffer, self.start_bytes(), offset_bytes, len, &self.covered())
    }

    fn with_bytes(
        &self,
        copy: impl FnOnce(&dyn CpuBytes) -> Result<(), Refusal>,
    ) -> Result<(), CpuBytesError> {
        let buffer = self.access.buffer();
        let exporter = buffer.exporter_dyn();
        call(|| match exporter.cpu_bytes() {
            Some(bytes) => copy(bytes),
            None => Err(Refusal::new(Errno::EIO, "no longer has byte access")),
        })
        .map_err(|fault| CpuBytesError::exporter(buffer, fault))
    }

    fn direction_error(&self, needed: DataDirection) -> CpuBytesError {
        CpuBytesError::Direction {
            buffer: self.access.buffer().id(),
            direction: self.access.direction(),
            needed,
        }
    }
}

impl PageMut<'_> {
    /// Copies all of `from` to the bytes from `offset_bytes` of the page on; nothing happens for an empty slice within
    /// the covered bytes.
    ///
    /// # Blocking
    /// As long as the exporter takes.
    ///
    /// # Locking
    /// None is held or taken.
    ///
    /// # Errors
    /// As [`Page::read_at`]; the buffer may have been written in part.
    pub fn write_at(&self, offset_bytes: u64, from: &[u8]) -> Result<(), CpuBytesError> {
        let start_bytes = self.page.check(offset_bytes, from.len())?;
        if from.is_empty() {
            return Ok(());
        }
        self.page.with_bytes(|bytes| bytes.write_at(start_bytes, from))
    }
}

impl<'a> Deref for PageMut<'a> {
    type Target = Page<'a>;

    fn deref(&self) -> &Page<'a> {
        &self.page
    }
}
