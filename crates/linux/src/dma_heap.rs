//! The kernel's heaps: `/dev/dma_heap/*`.
//!
//! A heap is found by its name and allocates dma-bufs that every device driver can import. What its memory is like the kernel does not say;
//! the name `system` means ordinary pages, cached and zeroed, on every machine that has it.
//!
//! Reference: drivers/dma-buf/dma-heap.c, v6.12.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use wharf_core::AccessMode;
use wharf_memory::ioctl;

use crate::dma_buf::KernelBuffer;
use crate::kernel_error::KernelError;
use crate::proc_fields::available_memory_bytes;

/// Where heaps are.
pub const DIRECTORY: &str = "/dev/dma_heap";

/// Allocations up to this size are not compared with the memory that is free: 16 MiB.
const SMALL_BYTES: u64 = 16 << 20;

/// An open heap.
///
/// # Examples
/// ```no_run
/// use wharf_core::AccessMode;
/// use wharf_linux::dma_heap::DmaHeap;
///
/// let heap = DmaHeap::open("system")?;
/// let buffer = heap.allocate(10_000, AccessMode::ReadWrite)?;
/// assert_eq!(buffer.size_bytes(), 12_288);
/// # Ok::<(), wharf_linux::KernelError>(())
/// ```
#[derive(Debug)]
pub struct DmaHeap {
    fd: OwnedFd,
    name: String,
}

/// The names of all heaps, in order; none where there is no such directory.
///
/// # Errors
/// What reading the directory gives.
pub fn names() -> std::io::Result<Vec<String>> {
    names_in(Path::new(DIRECTORY))
}

fn names_in(directory: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is no text is nothing that anybody could ask for.
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

impl DmaHeap {
    /// Opens the heap called `name`.
    ///
    /// # Errors
    /// [`KernelError`]: ENOENT when there is none, EACCES when this user may not, EINVAL when it is no name.
    pub fn open(name: &str) -> Result<Self, KernelError> {
        let path = PathBuf::from(DIRECTORY).join(name);
        let failed = |source| KernelError::new("open", path.display().to_string(), source);
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(failed(Errno::INVAL));
        }
        let fd = rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let fd = fd.map_err(|source| failed(source).with_advice(advice(source)))?;
        Ok(Self {
            fd,
            name: name.to_owned(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Allocates a zeroed buffer of at least `size_bytes`, rounded up to whole pages. `access` is what everybody who has the buffer
    /// can map it for, for ever: a buffer has one open file description.
    ///
    /// A buffer larger than the memory that is free is refused without asking the kernel, which would end the process instead.
    ///
    /// # Blocking
    /// While the kernel finds and zeroes pages.
    ///
    /// # Errors
    /// [`KernelError`]: EINVAL for a size of zero or above all sizes, ENOMEM, EMFILE.
    pub fn allocate(&self, size_bytes: u64, access: AccessMode) -> Result<KernelBuffer, KernelError> {
        // DIFFERENCE: the kernel tries, and ends this process or another when it finds no more memory.
        if size_bytes > SMALL_BYTES
            && available_memory_bytes().is_some_and(|available| size_bytes > available)
        {
            let advice = "ask for less than the memory that is available (MemAvailable in /proc/meminfo)";
            return Err(self.failed(Errno::NOMEM).with_advice(Some(advice)));
        }
        let flags = match access {
            AccessMode::ReadOnly => OFlags::RDONLY,
            AccessMode::ReadWrite => OFlags::RDWR,
        };
        let fd = ioctl::allocate(&self.fd, size_bytes, flags).map_err(|source| self.failed(source))?;
        KernelBuffer::from_fd(fd).map_err(|error| self.failed(error.errno()))
    }

    fn failed(&self, source: Errno) -> KernelError {
        KernelError::new(
            "DMA_HEAP_IOCTL_ALLOC",
            format!("{DIRECTORY}/{}", self.name),
            source,
        )
    }
}

impl AsFd for DmaHeap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What to do when a device cannot be opened.
pub(crate) fn advice(source: Errno) -> Option<&'static str> {
    match source {
        Errno::NOENT => Some(
            "the kernel is built without it, or its module is not loaded, or it is not in this container",
        ),
        Errno::ACCESS | Errno::PERM => {
            Some("give this user access, by a udev rule or membership of the device's group")
        }
        Errno::NODEV | Errno::NXIO => Some("the node is there, and no driver behind it: load its module"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_that_is_not_there_has_no_heaps() {
        let directory = std::env::temp_dir().join("wharf-no-such-directory");
        assert_eq!(names_in(&directory).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_none() {
        for name in ["", ".", "..", "../null", "a/b"] {
            assert_eq!(DmaHeap::open(name).unwrap_err().errno(), Errno::INVAL, "{name:?}");
        }
    }

    #[test]
    fn heap_that_is_not_there_says_what_to_do() {
        let error = DmaHeap::open("wharf-no-such-heap").unwrap_err();
        assert_eq!(error.errno(), Errno::NOENT);
        let text = error.to_string();
        assert!(
            text.starts_with("open on /dev/dma_heap/wharf-no-such-heap failed") && text.contains("module"),
            "{text}"
        );
    }
}
