//! Dma-bufs of the kernel as buffers of the framework.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::io::Errno;
use wharf_core::{
    AccessMode, BufferName, CoherencyDeclaration, CpuBytes, DataDirection, DmaBuf, ExportError, ExportInfo,
    Exporter, Fence, FenceContext, Refusal, Usage, UserMappingExporter,
};
use wharf_memory::{MapError, Mapping};
use wharf_uapi::dma_buf::{SYNC_END, SYNC_START};

use super::KernelBuffer;
use crate::kernel_error::{KernelError, WrongDescriptor};

/// The exporter behind dma-bufs that this process imported.
///
/// CPU access to such a buffer makes the kernel's brackets (`DMA_BUF_IOCTL_SYNC`) around it, and its reservation shows the fences that the
/// kernel's drivers have put on it: before each access, and when [`DmaBuf::refresh_fences`] is called. Fences of the framework do not go
/// the other way by themselves: the kernel takes only its own, see [`KernelBuffer::add_fences`].
///
/// Devices of the framework cannot be attached to it: where its memory is only the kernel knows.
///
/// # Examples
/// ```
/// use std::os::fd::OwnedFd;
/// use wharf_core::DataDirection;
/// use wharf_linux::dma_buf::ImportedBuffer;
///
/// # fn first_bytes(received: OwnedFd) -> Result<[u8; 16], Box<dyn std::error::Error>> {
/// let buffer = ImportedBuffer::import(received)?;
/// let access = buffer.begin_cpu_access(.., DataDirection::FromDevice)?;
/// let imported = buffer.exporter::<ImportedBuffer>().ok_or("another exporter")?;
/// let mut first = [0; 16];
/// imported.mapping()?.view().copy_to(0, &mut first)?;
/// access.end()?;
/// # Ok(first)
/// # }
/// ```
#[derive(Debug)]
pub struct ImportedBuffer {
    buffer: KernelBuffer,
    /// Made at the first use: there are buffers that cannot be mapped.
    mapping: OnceLock<Mapping>,
    mapping_turn: Mutex<()>,
    /// Snapshots of the fences of writers and of all: each stands for those before it.
    writers: Snapshots,
    all: Snapshots,
}

/// Snapshots of fences, numbered upwards. A later one has everything of an earlier one that is still pending.
#[derive(Debug)]
struct Snapshots {
    context: FenceContext,
    last: AtomicU64,
}

impl Snapshots {
    fn new(timeline: &str) -> Self {
        Self {
            context: FenceContext::new("dma-buf", timeline),
            last: AtomicU64::new(0),
        }
    }
}

/// The reason why a descriptor could not become a buffer of the framework.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportBufferError {
    /// It is no dma-buf.
    #[error(transparent)]
    Wrong(#[from] WrongDescriptor),
    /// The framework refused it.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl ImportBufferError {
    /// EINVAL for what is no dma-buf and for odd sizes, EBADF.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Wrong(error) => error.errno(),
            Self::Export(error) => Errno::from_raw_os_error(error.errno().raw()),
        }
    }
}

impl ImportedBuffer {
    /// Makes a buffer of any dma-buf. It has the name that the kernel has for it, if that is a name here.
    ///
    /// # Errors
    /// [`ImportBufferError`]: EINVAL when it is no dma-buf or its size is not whole pages, EBADF.
    pub fn import(fd: OwnedFd) -> Result<DmaBuf, ImportBufferError> {
        Ok(Self::new(KernelBuffer::from_fd(fd)?).export()?)
    }

    /// An exporter for a dma-buf.
    pub fn new(buffer: KernelBuffer) -> Self {
        Self {
            buffer,
            mapping: OnceLock::new(),
            mapping_turn: Mutex::default(),
            writers: Snapshots::new("writers"),
            all: Snapshots::new("all"),
        }
    }

    /// Makes a buffer of it; its handles allow what the descriptor does.
    ///
    /// # Errors
    /// [`ExportError`]: EINVAL when its size is not whole pages.
    pub fn export(self) -> Result<DmaBuf, ExportError> {
        let name = self
            .buffer
            .names()
            .ok()
            .and_then(|names| BufferName::new(&names.name?).ok());
        let (size_bytes, access) = (self.buffer.size_bytes(), self.buffer.access());
        DmaBuf::export(ExportInfo {
            name,
            access,
            ..ExportInfo::new(self, size_bytes)
        })
    }

    /// The dma-buf, to ask the kernel about it.
    pub fn kernel_buffer(&self) -> &KernelBuffer {
        &self.buffer
    }

    /// The mapping of all of it into this process, for what its descriptor allows; made at the first call.
    ///
    /// # Errors
    /// [`MapError`]: as [`KernelBuffer::map`].
    pub fn mapping(&self) -> Result<&Mapping, MapError> {
        if let Some(mapping) = self.mapping.get() {
            return Ok(mapping);
        }
        let _turn = self.mapping_turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mapping) = self.mapping.get() {
            return Ok(mapping);
        }
        let mapping = self.buffer.map(self.buffer.access())?;
        Ok(self.mapping.get_or_init(|| mapping))
    }

    /// What is pending of the kernel's fences, as one fence.
    fn pending(&self, usage: Usage, snapshots: &Snapshots) -> Result<Option<Fence>, KernelError> {
        let file = match self.buffer.fences(usage) {
            // Kernels before v6.0 tell of no fences. The bracket itself waits for them.
            Err(error) if error.errno() == Errno::NOTTY => return Ok(None),
            file => file?,
        };
        if file.is_signaled() {
            return Ok(None);
        }
        // ORDERING: Relaxed: only the number matters; what is pending twice is waited for twice.
        let seqno = snapshots.last.fetch_add(1, Ordering::Relaxed) + 1;
        file.fence_in(&snapshots.context, seqno).map(Some)
    }

    fn bracket(&self, direction: DataDirection, which: u32) -> Result<(), Refusal> {
        self.buffer
            .sync(direction, which)
            .map_err(|error| refusal(error.errno(), &error))
    }
}

impl AsFd for ImportedBuffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.buffer.as_fd()
    }
}

impl Exporter for ImportedBuffer {
    fn name(&self) -> &str {
        "dma-buf"
    }

    fn outside_fences(&self) -> Result<Vec<(Fence, Usage)>, Refusal> {
        if self.buffer.is_idle() {
            return Ok(Vec::new());
        }
        let writers = self
            .pending(Usage::Write, &self.writers)
            .map_err(|error| refusal(error.errno(), &error))?;
        let all = self
            .pending(Usage::Read, &self.all)
            .map_err(|error| refusal(error.errno(), &error))?;
        let writers = writers.map(|fence| (fence, Usage::Write));
        Ok(writers
            .into_iter()
            .chain(all.map(|fence| (fence, Usage::Read)))
            .collect())
    }

    fn begin_cpu_access(&self, _range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        self.bracket(direction, SYNC_START)
    }

    fn end_cpu_access(&self, _range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        self.bracket(direction, SYNC_END)
    }

    fn cpu_bytes(&self) -> Option<&dyn CpuBytes> {
        Some(self)
    }

    fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
        Some(self)
    }
}

impl UserMappingExporter for ImportedBuffer {
    /// Whoever maps it makes brackets, as the kernel wants.
    fn declare(&self) -> CoherencyDeclaration<'_> {
        CoherencyDeclaration::Explicit
    }

    fn allow(&self, _pages: Range<u64>, access: AccessMode) -> Result<(), Refusal> {
        if access == AccessMode::ReadWrite && self.buffer.access() == AccessMode::ReadOnly {
            return Err(Refusal::new(
                wharf_core::Errno::EACCES,
                "its descriptor was opened for reading",
            ));
        }
        Ok(())
    }
}

impl CpuBytes for ImportedBuffer {
    fn read_at(&self, offset_bytes: u64, into: &mut [u8]) -> Result<(), Refusal> {
        let view = self
            .mapping()
            .map_err(|error| refusal(error.errno(), &error))?
            .view();
        view.copy_to(position(offset_bytes)?, into)
            .map_err(|error| Refusal::new(wharf_core::Errno::EINVAL, error.to_string()))
    }

    fn write_at(&self, offset_bytes: u64, from: &[u8]) -> Result<(), Refusal> {
        let mapping = self.mapping().map_err(|error| refusal(error.errno(), &error))?;
        let view = mapping
            .view_mut()
            .map_err(|error| Refusal::new(wharf_core::Errno::EACCES, error.to_string()))?;
        view.copy_from(position(offset_bytes)?, from)
            .map_err(|error| Refusal::new(wharf_core::Errno::EINVAL, error.to_string()))
    }
}

fn position(offset_bytes: u64) -> Result<usize, Refusal> {
    usize::try_from(offset_bytes)
        .map_err(|_| Refusal::new(wharf_core::Errno::EINVAL, "more than this process can address"))
}

fn refusal(errno: Errno, error: &dyn std::error::Error) -> Refusal {
    Refusal::new(wharf_core::Errno::new(errno.raw_os_error()), error.to_string())
}
