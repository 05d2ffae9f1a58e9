//! What the devices and descriptors do: the kernel's checks in the kernel's order.
//!
//! Here is no system call: who called is a [`Caller`], and where memory and bells come from is in `memory`. So each device can be tried
//! with a caller of a test's own.

pub(crate) mod dma_buf;
pub(crate) mod dma_heap;
mod objects;
pub(crate) mod sw_sync;
pub(crate) mod sync_file;
#[cfg(test)]
pub(crate) mod test_caller;
pub(crate) mod udmabuf;
pub(crate) mod vgem;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;

pub(crate) use objects::{Buffer, END_OF_PLACES, Exactness, FIRST_PLACE, Object, Objects};

/// Which file it is: equal for all descriptors of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    /// Asks the kernel.
    pub(crate) fn of(file: impl AsFd) -> Result<Self, Errno> {
        use rustix::fs::{AtFlags, StatxFlags, makedev, statx};
        // What the kernel knows already, without asking a file system of ours: who serves it must never wait for it.
        let known = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let stat = statx(file, "", known, StatxFlags::INO)?;
        Ok(Self {
            device: makedev(stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
        })
    }
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It returns this.
    Value(i64),
    /// The kernel does it; the number is not known to this descriptor.
    Native,
    /// It has been answered.
    Answered,
}

/// A call that succeeds with nothing to say.
pub(crate) const DONE: Result<Answer, Errno> = Ok(Answer::Value(0));

/// Who made a call.
pub(crate) trait Caller {
    /// Reads the caller's memory. `EFAULT`.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno>;
    /// Writes the caller's memory. `EFAULT`.
    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno>;
    /// What the caller has open as `fd`. `EBADF`.
    fn file(&self, fd: i32) -> Result<(OwnedFd, FileId), Errno>;
    /// Whether the caller's `fd` is closed on exec.
    fn is_closed_on_exec(&self, fd: i32) -> bool;
    /// Gives the caller a descriptor, closed on exec if `flags` say so. `EMFILE`.
    fn install(&self, fd: BorrowedFd<'_>, flags: OFlags) -> Result<u32, Errno>;
    /// Puts a descriptor in place of the caller's `number`.
    fn replace(&self, number: i32, fd: BorrowedFd<'_>, flags: OFlags) -> Result<(), Errno>;
    /// Gives the caller a descriptor and returns its number from the call. `EMFILE`.
    fn return_fd(&self, fd: BorrowedFd<'_>, flags: OFlags) -> Result<(), Errno>;
    /// Whether the caller can be made to map something else than it asked for.
    fn can_be_made_to_map(&self) -> bool;
    /// What the caller calls itself.
    fn name(&self) -> String;
    /// Which process it is of.
    fn process(&self) -> u32;
}

/// Reads an argument of `SIZE` bytes.
pub(crate) fn argument<const SIZE: usize>(caller: &dyn Caller, address: u64) -> Result<[u8; SIZE], Errno> {
    let mut bytes = [0; SIZE];
    caller.read(address, &mut bytes)?;
    Ok(bytes)
}

/// Gives the caller a descriptor whose number goes into the argument at `address`.
///
/// There is no way to take a descriptor back, so it is tried first whether the argument can be written: `unchanged` is what it was.
pub(crate) fn install_and_tell(
    caller: &dyn Caller,
    (fd, flags): (BorrowedFd<'_>, OFlags),
    address: u64,
    unchanged: &[u8],
    with_number: impl FnOnce(u32) -> Vec<u8>,
) -> Result<Answer, Errno> {
    caller.write(address, unchanged)?;
    let number = caller.install(fd, flags)?;
    let mut changed = with_number(number);
    changed.truncate(unchanged.len());
    caller.write(address, &changed)?;
    DONE
}
