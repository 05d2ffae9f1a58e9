//! Calls on a buffer.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use wharf_uapi::dma_buf;

use super::raw::{call, name, new_descriptor};

/// Begins or ends access by the CPU, as `flags` (of [`wharf_uapi::dma_buf`]) say.
///
/// # Blocking
/// At a beginning until the fences of others are signaled.
///
/// # Errors
/// `EINVAL` for flags that mean nothing, `EINTR` and `EAGAIN` to be tried again, what the exporter answers; `ENOTTY` if it is no buffer.
pub fn begin_or_end_access(buffer: impl AsFd, flags: u32) -> Result<(), Errno> {
    let mut argument = dma_buf::Sync {
        flags: u64::from(flags),
    };
    call(buffer.as_fd(), &mut argument).map(drop)
}

/// Gives the buffer a name, for everybody who has it.
///
/// # Errors
/// `EINVAL` for more than 31 bytes; `ENOTTY` if it is no buffer.
pub fn set_name(buffer: impl AsFd, text: &CStr) -> Result<(), Errno> {
    name(buffer.as_fd(), text).map(drop)
}

/// Returns those fences of the buffer, as they are now, that an access with `flags` has to wait for: a file, closed on exec.
///
/// # Errors
/// `EINVAL` for flags that mean nothing, `EMFILE`, `ENOMEM`; `ENOTTY` if it is no buffer, or the kernel is older than 6.0.
pub fn take_fences(buffer: impl AsFd, flags: u32) -> Result<OwnedFd, Errno> {
    let mut argument = dma_buf::ExportSyncFile { flags, fd: -1 };
    call(buffer.as_fd(), &mut argument)?;
    new_descriptor(argument.fd)
}

/// Has everybody who accesses the buffer later wait for the fences of a file: those of a writer, or of a reader.
///
/// # Errors
/// `EINVAL` for flags that mean nothing and for a file that is none of fences, `ENOMEM`; `ENOTTY` as for [`take_fences`].
pub fn add_fences(buffer: impl AsFd, flags: u32, fences: impl AsFd) -> Result<(), Errno> {
    let mut argument = dma_buf::ImportSyncFile {
        flags,
        fd: fences.as_fd().as_raw_fd(),
    };
    call(buffer.as_fd(), &mut argument).map(drop)
}
