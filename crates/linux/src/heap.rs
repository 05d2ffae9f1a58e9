//! Buffers out of this process's own memory files.

use rustix::io::Errno;
use wharf_core::{AccessMode, BufferName, DmaBuf, ExportError, ExportInfo, Exporter};
use wharf_memory::{Access, MapError, Mapping};

use crate::heaps::{HeapMemory, Residency};
use crate::sizes::{max_bytes, page_bytes, round_up};
use crate::{Memfd, MemfdError};

/// What `/proc` shows for buffers that have no name.
const UNNAMED: &str = "wharf-buffer";

/// Allocates buffers from memory files of this process: the heap that every Linux machine has.
///
/// Each buffer has a memory file of its own, zeroed by the kernel, whose pages go back to the kernel when the buffer is
/// released and are never handed out again from here. Contract: B3, B4.
///
/// # Examples
/// ```
/// use wharf_core::BufferName;
/// use wharf_linux::{MemfdExporter, MemfdHeap};
///
/// let buffer = MemfdHeap.allocate(10_000, Some(BufferName::new("scratch")?))?;
/// assert!(buffer.size_bytes() >= 10_000);
/// let memory = buffer.exporter::<MemfdExporter>().map(MemfdExporter::mapping).ok_or("another exporter")?;
/// memory.view_mut()?.copy_from(0, b"hello")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MemfdHeap;

/// The exporter behind buffers that are memory files: the file, and its mapping into this process.
///
/// The memory is cached and coherent, so CPU access needs no work in begin and end.
#[derive(Debug)]
pub struct MemfdExporter {
    memfd: Memfd,
    mapping: Mapping,
    size_bytes: u64,
    access: AccessMode,
    /// What keeps its pages in RAM.
    _residency: Residency,
}

/// The reason why a buffer could not be made of a memory file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeapError {
    /// The size is zero, or too large to be rounded up to whole pages.
    #[error("cannot allocate a buffer of {size_bytes} bytes; ask for 1 to {max_bytes} bytes")]
    Size {
        /// The size asked for, in bytes.
        size_bytes: u64,
        /// The largest size, in bytes.
        max_bytes: u64,
    },
    /// The memory is larger than this process can address.
    #[error("cannot map {size_bytes} bytes, more than this process can address")]
    AddressSpace {
        /// Size of the memory in bytes.
        size_bytes: u64,
    },
    /// The memory file could not be made or is not usable.
    #[error(transparent)]
    Memfd(#[from] MemfdError),
    /// The memory file could not be mapped.
    #[error("cannot map the {size_bytes} bytes of memfd '{memfd}' for {access:?} access: {source}")]
    Map {
        /// What the memfd is known as.
        memfd: String,
        /// Size of the memory in bytes.
        size_bytes: u64,
        /// The access wanted.
        access: AccessMode,
        /// What went wrong.
        source: MapError,
    },
    /// The framework refused the buffer.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl HeapError {
    /// Returns the error number of the cause: EINVAL for bad sizes as a dma-heap answers, ENOMEM for what cannot be
    /// addressed, and otherwise that of the call that failed.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Size { .. } => Errno::INVAL,
            Self::AddressSpace { .. } => Errno::NOMEM,
            Self::Memfd(error) => error.errno(),
            Self::Map { source, .. } => source.errno(),
            Self::Export(error) => Errno::from_raw_os_error(error.errno().raw()),
        }
    }
}

impl MemfdHeap {
    /// Allocates a zeroed buffer of at least `size_bytes`, rounded up to whole pages, and maps it.
    ///
    /// # Blocking
    /// No. Pages are allocated when first touched.
    ///
    /// # Errors
    /// [`HeapError::Size`]: EINVAL. [`HeapError::Memfd`]: EMFILE and ENFILE when out of descriptors. [`HeapError::Map`]:
    /// ENOMEM when out of address space or mappings.
    pub fn allocate(&self, size_bytes: u64, name: Option<BufferName>) -> Result<DmaBuf, HeapError> {
        let page_bytes = page_bytes();
        let rounded_bytes = round_up(size_bytes, page_bytes).ok_or(HeapError::Size {
            size_bytes,
            max_bytes: max_bytes(page_bytes),
        })?;
        let memfd = Memfd::create(name.as_ref().map_or(UNNAMED, BufferName::as_str), rounded_bytes)?;
        MemfdExporter::map(memfd, AccessMode::ReadWrite)?.export(name)
    }
}

impl MemfdExporter {
    /// Maps the whole of `memfd`, whose size must be fixed by seals.
    ///
    /// Who maps memory of reserved huge pages for writing, becomes its only writer: the seal that ends the writing of others is
    /// also what keeps the pages.
    ///
    /// # Errors
    /// [`HeapError::Memfd`]: EINVAL when the memory can still be resized. [`HeapError::Map`]: EACCES or EPERM when it
    /// may not be written and `access` says so, ENOMEM when out of address space or mappings.
    /// [`HeapError::AddressSpace`]: ENOMEM on 32-bit machines.
    pub fn map(memfd: Memfd, access: AccessMode) -> Result<Self, HeapError> {
        let info = memfd.inspect()?;
        info.require_seals(Memfd::FIXED_SIZE)?;
        let size_bytes = info.size_bytes;
        let len_bytes = usize::try_from(size_bytes).map_err(|_| HeapError::AddressSpace { size_bytes })?;
        let protection = match access {
            AccessMode::ReadOnly => Access::ReadOnly,
            AccessMode::ReadWrite => Access::ReadWrite,
        };
        let mapping = match Mapping::map(&memfd, len_bytes, protection) {
            Err(MapError::HugePages) if access == AccessMode::ReadWrite => {
                Mapping::map_as_last_writer(&memfd, len_bytes)
            }
            mapped => mapped,
        };
        let mapping = mapping.map_err(|source| HeapError::Map {
            memfd: memfd.label().to_owned(),
            size_bytes,
            access,
            source,
        })?;
        Ok(Self {
            memfd,
            mapping,
            size_bytes,
            access,
            _residency: Residency::Swappable,
        })
    }

    /// Maps what a [`Heap`](crate::Heap) gave, and keeps its pages locked if they are.
    ///
    /// # Errors
    /// As [`MemfdExporter::map`].
    pub fn map_heap_memory(memory: HeapMemory, access: AccessMode) -> Result<Self, HeapError> {
        let (memfd, residency) = memory.into_parts();
        let mapped = Self::map(memfd, access)?;
        Ok(Self {
            _residency: residency,
            ..mapped
        })
    }

    /// Makes a buffer of it; its handles allow what the mapping does.
    ///
    /// # Errors
    /// [`HeapError::Export`]: EINVAL when the memory came from elsewhere and is not page-granular.
    pub fn export(self, name: Option<BufferName>) -> Result<DmaBuf, HeapError> {
        let (size_bytes, access) = (self.size_bytes, self.access);
        Ok(DmaBuf::export(ExportInfo {
            name,
            access,
            ..ExportInfo::new(self, size_bytes)
        })?)
    }

    /// Returns the memory file, to pass it on.
    pub fn memfd(&self) -> &Memfd {
        &self.memfd
    }

    /// Returns the mapping of the whole buffer into this process.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}

impl Exporter for MemfdExporter {
    fn name(&self) -> &str {
        "memfd"
    }
}
