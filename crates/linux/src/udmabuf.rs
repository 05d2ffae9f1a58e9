//! Dma-bufs made of memory files: `/dev/udmabuf`.
//!
//! Every memory file of this crate can become one, as long as nobody has sealed it against writing: it has the seal against shrinking that the
//! kernel asks for. Both are the same pages. They are pinned while the dma-buf lives, and whoever has it can write them, whatever
//! seals the memory file gets later; so it is for those who may write anyway, above all for devices.
//!
//! Reference: drivers/dma-buf/udmabuf.c, v6.12.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
pub use wharf_memory::ioctl::MemoryPart;
use wharf_memory::ioctl::{make_of_part, make_of_parts};

use crate::dma_buf::KernelBuffer;
use crate::dma_heap::advice;
use crate::kernel_error::KernelError;
use crate::{Memfd, MemfdError};

/// Where the device is.
pub const PATH: &str = "/dev/udmabuf";

/// Where the module tells how large a buffer may be, in MiB.
const SIZE_LIMIT_MIB: &str = "/sys/module/udmabuf/parameters/size_limit_mb";

/// The open device.
///
/// # Examples
/// ```no_run
/// use wharf_linux::{Memfd, udmabuf::Udmabuf};
///
/// let memory = Memfd::create("frame", 1 << 20)?;
/// let buffer = Udmabuf::open()?.create(&memory)?;
/// assert_eq!(buffer.size_bytes(), 1 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Udmabuf {
    fd: OwnedFd,
}

impl Udmabuf {
    /// Opens it.
    ///
    /// # Errors
    /// [`KernelError`]: ENOENT when there is none, EACCES when this user may not.
    pub fn open() -> Result<Self, KernelError> {
        let opened = rustix::fs::open(PATH, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        match opened {
            Ok(fd) => Ok(Self { fd }),
            Err(source) => Err(KernelError::new("open", PATH, source).with_advice(advice(source))),
        }
    }

    /// Makes a dma-buf of all of a memory file, which must not be sealed against writing.
    ///
    /// # Blocking
    /// While the kernel finds and zeroes pages that are missing.
    ///
    /// # Errors
    /// [`KernelError`]: EINVAL when it is sealed against writing or larger than [`size_limit_bytes`], ENOMEM, EMFILE.
    pub fn create(&self, memory: &Memfd) -> Result<KernelBuffer, KernelError> {
        let unusable = |error: MemfdError| failed(error.errno());
        let info = memory.inspect().map_err(unusable)?;
        let part = MemoryPart {
            memory: memory.as_fd(),
            offset_bytes: 0,
            len_bytes: info.size_bytes,
        };
        self.create_of_part(part)
    }

    /// Makes a dma-buf of part of a memory file.
    ///
    /// # Blocking
    /// As [`Udmabuf::create`].
    ///
    /// # Errors
    /// [`KernelError`]: as [`Udmabuf::create`]; EINVAL also when it can shrink or the part is not whole pages within it, EBADFD when it is no
    /// memory file.
    pub fn create_of_part(&self, part: MemoryPart<'_>) -> Result<KernelBuffer, KernelError> {
        taken_in(make_of_part(&self.fd, part))
    }

    /// Makes one dma-buf of several parts, one behind the other.
    ///
    /// # Blocking
    /// As [`Udmabuf::create`].
    ///
    /// # Errors
    /// [`KernelError`]: as [`Udmabuf::create_of_part`]; EINVAL also for no parts, for more than the module allows (1024), and under
    /// `wharf run`, which cannot show one memory file's pages in another.
    pub fn create_list(&self, parts: &[MemoryPart<'_>]) -> Result<KernelBuffer, KernelError> {
        taken_in(make_of_parts(&self.fd, parts))
    }
}

impl AsFd for Udmabuf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn taken_in(made: Result<OwnedFd, Errno>) -> Result<KernelBuffer, KernelError> {
    KernelBuffer::from_fd(made.map_err(failed)?).map_err(|error| failed(error.errno()))
}

fn failed(source: Errno) -> KernelError {
    let advice = match source {
        Errno::INVAL => Some(
            "the memory must be sealed against shrinking and not against writing, in whole pages, and not larger than the module allows (size_limit_mb)",
        ),
        Errno::BADFD => Some("only memory files can become dma-bufs"),
        _ => None,
    };
    KernelError::new("UDMABUF_CREATE", PATH, source).with_advice(advice)
}

/// How large a buffer may be, in bytes: what the module says, or what it says unless told otherwise.
pub fn size_limit_bytes() -> u64 {
    let text = std::fs::read_to_string(SIZE_LIMIT_MIB).ok();
    text.and_then(|text| limit_of(&text))
        .unwrap_or(wharf_uapi::udmabuf::SIZE_LIMIT_BYTES)
}

fn limit_of(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok()?.checked_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_in_mebibytes() {
        assert_eq!(limit_of("64\n"), Some(64 << 20));
        assert_eq!(limit_of("18446744073709551615"), None);
        assert_eq!(limit_of("-1"), None);
        assert!(size_limit_bytes() >= 1 << 20);
    }
}
