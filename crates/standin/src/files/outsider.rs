//! Callers that are not trapped: processes outside of the run that hold a buffer.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_uapi::Ioctl;

use crate::devices::{Caller, FileId};
use crate::listener::status::process_of;
use crate::listener::task::{Handles, read_memory};

/// The argument of a call, as the file system got it or where the caller has it.
#[derive(Debug)]
pub(super) enum Argument {
    /// A copy of it, which begins at address 0.
    Copy(Vec<u8>),
    /// In the caller's memory.
    Remote,
}

/// A thread that made a call on a file of ours.
#[derive(Debug)]
pub(super) struct Outsider {
    pub(super) thread: u32,
    pub(super) handles: Arc<Handles>,
    pub(super) argument: Argument,
}

impl Outsider {
    /// The address that the thread passed with the call it is waiting in, which the file system is not told.
    ///
    /// # Errors
    /// `EFAULT`: the thread cannot be looked at, or is in another call.
    pub(super) fn address_of(&self, request: Ioctl) -> Result<u64, Errno> {
        // It can be seen from when it sleeps, which is a moment after it has asked.
        for _ in 0..100 {
            let path = format!("/proc/{}/syscall", self.thread);
            let text = std::fs::read_to_string(path).map_err(|_| Errno::FAULT)?;
            if text.trim_end() != "running" {
                return address_in(&text, request).ok_or(Errno::FAULT);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Errno::FAULT)
    }
}

/// The third argument of a call whose second is `request`, in a line of `/proc/…/syscall`: the call's number, its arguments and two more.
fn address_in(line: &str, request: Ioctl) -> Option<u64> {
    let mut words = line.split_whitespace().skip(2);
    let mut number = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let second = number()?;
    // CAST: the kernel takes 32 bits of it.
    (second as u32 == request.raw()).then(number)?
}

/// What has to do with descriptors that are given: the file system cannot.
const NO_DESCRIPTORS: Errno = Errno::NOTTY;

impl Caller for Outsider {
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        match &self.argument {
            Argument::Copy(copy) => {
                let base = usize::try_from(address).map_err(|_| Errno::FAULT)?;
                let end = base.checked_add(bytes.len()).ok_or(Errno::FAULT)?;
                bytes.copy_from_slice(copy.get(base..end).ok_or(Errno::FAULT)?);
                Ok(())
            }
            Argument::Remote => read_memory(self.thread, address, bytes),
        }
    }

    fn write(&self, _address: u64, _bytes: &[u8]) -> Result<(), Errno> {
        Err(NO_DESCRIPTORS)
    }

    fn file(&self, fd: i32) -> Result<(OwnedFd, FileId), Errno> {
        self.handles.file(self.thread, fd)
    }

    fn is_closed_on_exec(&self, _fd: i32) -> bool {
        false
    }

    fn install(&self, _fd: BorrowedFd<'_>, _flags: OFlags) -> Result<u32, Errno> {
        Err(NO_DESCRIPTORS)
    }

    fn replace(&self, _number: i32, _fd: BorrowedFd<'_>, _flags: OFlags) -> Result<(), Errno> {
        Err(NO_DESCRIPTORS)
    }

    fn return_fd(&self, _fd: BorrowedFd<'_>, _flags: OFlags) -> Result<(), Errno> {
        Err(NO_DESCRIPTORS)
    }

    fn can_be_made_to_map(&self) -> bool {
        false
    }

    fn name(&self) -> String {
        String::new()
    }

    fn process(&self) -> u32 {
        process_of(self.thread)
    }
}

#[cfg(test)]
mod tests {
    use wharf_uapi::dma_buf::{SET_NAME_B, SYNC};

    use super::*;

    #[test]
    fn address_is_the_calls_third_argument() {
        let line =
            "16 0x9 0x40086201 0x55bb7dff6a0b 0x101010101010100 0x0 0x0 0x7ffd46147b60 0x7fdd7a682d6b\n";
        assert_eq!(address_in(line, SET_NAME_B), Some(0x55bb_7dff_6a0b));
        assert_eq!(address_in(line, SYNC), None, "another call");
        for other in [
            "",
            "running",
            "-1 0x7ffd46147b60 0x7fdd7a682d6b",
            "16 0x9 0x40086201",
        ] {
            assert_eq!(address_in(other, SET_NAME_B), None, "{other}");
        }
    }

    #[test]
    fn copies_end_where_they_end() {
        let caller = Outsider {
            thread: 0,
            handles: Arc::default(),
            argument: Argument::Copy(vec![1, 2, 3]),
        };
        let mut bytes = [0; 2];
        assert_eq!((caller.read(1, &mut bytes), bytes), (Ok(()), [2, 3]));
        assert_eq!(caller.read(2, &mut bytes), Err(Errno::FAULT));
        assert_eq!(caller.read(u64::MAX, &mut bytes), Err(Errno::FAULT));
    }
}
