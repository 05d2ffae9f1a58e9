//! The bytes of a buffer, copied in and out.

use std::ops::Range;

use crate::{BufferId, DataDirection, DmaBuf, Errno, ExporterFault, Refusal};

/// Copies bytes of a buffer for a CPU without a user mapping: what the kernel's `kmap` and `vmap` return a pointer for.
///
/// Implementing it is safe, and nothing it does is trusted: its panics are contained, and what it reads is just bytes.
/// It is only asked for bytes within the buffer, at least one at a time. Devices and other processes may write them at
/// the same moment, so there is no way to borrow them. Contract: C7.
///
/// # Locking
/// No lock of the framework is held.
///
/// # Examples
/// ```
/// use std::sync::{Mutex, PoisonError};
/// use wharf_core::{CpuBytes, Errno, Refusal};
///
/// struct Memory(Mutex<Vec<u8>>);
///
/// fn position(offset_bytes: u64, memory: &[u8], len: usize) -> Result<std::ops::Range<usize>, Refusal> {
///     let outside = || Refusal::new(Errno::EINVAL, "outside the memory");
///     let start = usize::try_from(offset_bytes).map_err(|_| outside())?;
///     let end = start.checked_add(len).filter(|end| *end <= memory.len()).ok_or_else(outside)?;
///     Ok(start..end)
/// }
///
/// impl CpuBytes for Memory {
///     fn read_at(&self, offset_bytes: u64, into: &mut [u8]) -> Result<(), Refusal> {
///         let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         into.copy_from_slice(&memory[position(offset_bytes, &memory, into.len())?]);
///         Ok(())
///     }
///     fn write_at(&self, offset_bytes: u64, from: &[u8]) -> Result<(), Refusal> {
///         let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         let place = position(offset_bytes, &memory, from.len())?;
///         memory[place].copy_from_slice(from);
///         Ok(())
///     }
/// }
///
/// let memory = Memory(Mutex::new(vec![0; 4096]));
/// memory.write_at(4, &[7, 8])?;
/// let mut seen = [0; 3];
/// memory.read_at(4, &mut seen)?;
/// assert_eq!(seen, [7, 8, 0]);
/// # Ok::<(), Refusal>(())
/// ```
///
/// # References
/// `struct iosys_map` (include/linux/iosys-map.h, v6.12) hides from callers in the same way which kind of memory is copied.
pub trait CpuBytes: Send + Sync {
    /// Copies the bytes from `offset_bytes` of the buffer on into all of `into`.
    ///
    /// # Errors
    /// Any [`Refusal`]; `into` may have been written in part.
    fn read_at(&self, offset_bytes: u64, into: &mut [u8]) -> Result<(), Refusal>;

    /// Copies all of `from` to the bytes from `offset_bytes` of the buffer on.
    ///
    /// # Errors
    /// Any [`Refusal`]; the buffer may have been written in part.
    fn write_at(&self, offset_bytes: u64, from: &[u8]) -> Result<(), Refusal>;
}

/// The reason why bytes of a buffer could not be copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpuBytesError {
    /// The exporter has no byte access.
    #[error("buffer {buffer}: exporter '{exporter}' has no byte access; map the buffer instead")]
    Unsupported {
        /// Which buffer.
        buffer: BufferId,
        /// Name of the exporter.
        exporter: Box<str>,
    },
    /// The window has no byte of the page.
    #[error("buffer {buffer}: page {page} is outside the window's pages {first_page}..{end_page}")]
    Page {
        /// Which buffer.
        buffer: BufferId,
        /// The page asked for, counted from the start of the buffer.
        page: u64,
        /// First page that the window touches.
        first_page: u64,
        /// One past the last page that the window touches.
        end_page: u64,
    },
    /// Some of the bytes may not be touched.
    #[error(
        "buffer {buffer}: bytes {start_bytes}..{end_bytes} are not within {allowed:?}, which may be accessed"
    )]
    Outside {
        /// Which buffer.
        buffer: BufferId,
        /// First byte asked for, counted from the start of the buffer.
        start_bytes: u64,
        /// One past the last byte asked for.
        end_bytes: u64,
        /// The bytes that may be touched.
        allowed: Range<u64>,
    },
    /// Offset and length together do not fit in 64 bits.
    #[error("buffer {buffer}: {len_bytes} bytes at {offset_bytes} end past the largest 64-bit offset")]
    Overflow {
        /// Which buffer.
        buffer: BufferId,
        /// The offset asked for, in bytes.
        offset_bytes: u64,
        /// The number of bytes asked for.
        len_bytes: u64,
    },
    /// The window was not opened for this.
    #[error("buffer {buffer}: the window is open for {direction:?}; open it for {needed:?} or Bidirectional")]
    Direction {
        /// Which buffer.
        buffer: BufferId,
        /// The direction of the window.
        direction: DataDirection,
        /// The direction that would do.
        needed: DataDirection,
    },
    /// The handle is read-only.
    #[error("buffer {buffer}: a read-only handle cannot write")]
    ReadOnly {
        /// Which buffer.
        buffer: BufferId,
    },
    /// The exporter failed.
    #[error("buffer {buffer}: exporter '{exporter}' {fault}")]
    Exporter {
        /// Which buffer.
        buffer: BufferId,
        /// Name of the exporter.
        exporter: Box<str>,
        /// How it failed.
        fault: ExporterFault,
    },
}

impl CpuBytesError {
    /// Returns EINVAL for what does not exist, EOVERFLOW for numbers that wrap, EACCES for what is not allowed, and the
    /// exporter's own number.
    ///
    /// ```
    /// use wharf_core::{AccessMode, CpuBytesError, DataDirection, DmaBuf, Errno, Exporter, ExportInfo};
    /// # struct Scratch;
    /// # impl Exporter for Scratch {
    /// #     fn name(&self) -> &str {
    /// #         "scratch"
    /// #     }
    /// # }
    /// # let info = ExportInfo::new(Scratch, 4096);
    /// let access = DmaBuf::export(info)?.begin_cpu_access(.., DataDirection::FromDevice)?;
    /// let refused = access.page(0).err().map(|error| error.errno());
    /// assert_eq!(refused, Some(Errno::EINVAL));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn errno(&self) -> Errno {
        match self {
            Self::Unsupported { .. } | Self::Page { .. } | Self::Outside { .. } => Errno::EINVAL,
            Self::Overflow { .. } => Errno::EOVERFLOW,
            Self::Direction { .. } | Self::ReadOnly { .. } => Errno::EACCES,
            Self::Exporter { fault, .. } => fault.errno(),
        }
    }

    pub(crate) fn exporter(buffer: &DmaBuf, fault: ExporterFault) -> Self {
        Self::Exporter {
            buffer: buffer.id(),
            exporter: buffer.exporter_name().into(),
            fault,
        }
    }
}

/// Checks that `len` bytes from `base_bytes + offset_bytes` on may be touched, and returns where they start.
pub(crate) fn span(
    buffer: BufferId,
    base_bytes: u64,
    offset_bytes: u64,
    len: usize,
    allowed: &Range<u64>,
) -> Result<u64, CpuBytesError> {
    // A length that does not fit counts as the largest: it is past the end of every buffer.
    let len_bytes = u64::try_from(len).unwrap_or(u64::MAX);
    let overflow = || CpuBytesError::Overflow {
        buffer,
        offset_bytes,
        len_bytes,
    };
    let start_bytes = base_bytes.checked_add(offset_bytes).ok_or_else(overflow)?;
    let end_bytes = start_bytes.checked_add(len_bytes).ok_or_else(overflow)?;
    if start_bytes < allowed.start || end_bytes > allowed.end {
        return Err(CpuBytesError::Outside {
            buffer,
            start_bytes,
            end_bytes,
            allowed: allowed.clone(),
        });
    }
    Ok(start_bytes)
}
