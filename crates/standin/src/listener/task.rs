//! The program's thread that made a call: its memory and its descriptors, which are not trusted.
//!
//! # Races
//! The program's other threads run on. Memory is read once, into a copy, and judged then; a descriptor is fetched once. A program that
//! changes either meanwhile gets what some order of the two gives, as with the kernel, and can only harm itself.

use std::collections::HashMap;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::status::{Status, process_of};
use super::sys::{self, Notification, Place};
use crate::devices::{Caller, FileId};

/// `PIDFD_THREAD` of the kernel, since 6.9: the handle is of a thread, not of its process.
const OF_A_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(OFlags::EXCL.bits());

/// How many handles are kept.
const MAX_HANDLES: usize = 256;

/// Handles to the threads that called lately.
///
/// A handle that was kept is of the thread that it was opened for or of nobody, never of another one with the same number.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    by_thread: Mutex<HashMap<u32, OwnedFd>>,
}

impl Handles {
    /// A descriptor of its own for what thread `thread` has open as `fd`.
    ///
    /// # Errors
    /// `EBADF`: nothing is open there, or a place in the file system only; `ESRCH`: the thread is gone; `EPERM`: it may not be looked at.
    fn fetch(&self, thread: u32, fd: i32) -> Result<OwnedFd, Errno> {
        let mut handles = self.by_thread.lock();
        if let Some(handle) = handles.get(&thread) {
            match fetch_with(handle, fd) {
                Err(Errno::SRCH) => drop(handles.remove(&thread)),
                fetched => return fetched,
            }
        }
        match open_thread(thread) {
            Ok(handle) => {
                let fetched = fetch_with(&handle, fd);
                if handles.len() >= MAX_HANDLES {
                    handles.clear();
                }
                handles.insert(thread, handle);
                fetched
            }
            // Kernels before 6.9 have no handles of threads.
            Err(Errno::INVAL) => reopen(thread, fd),
            Err(errno) => Err(errno),
        }
    }

    /// The same, and which file it is of.
    ///
    /// # Errors
    /// As [`Handles::fetch`].
    pub(crate) fn file(&self, thread: u32, fd: i32) -> Result<(OwnedFd, FileId), Errno> {
        if fd < 0 {
            return Err(Errno::BADF);
        }
        let file = self.fetch(thread, fd)?;
        let id = FileId::of(&file)?;
        Ok((file, id))
    }
}

/// Whether this process may look at the descriptors of process `pid`: what every call depends on.
///
/// # Errors
/// `EPERM`: it may not, or a filter of a container says so.
pub(crate) fn try_to_look_at(pid: u32) -> Result<(), Errno> {
    match Handles::default().fetch(pid, 2) {
        Err(errno @ (Errno::PERM | Errno::NOSYS)) => Err(errno),
        // Nothing need be open there.
        _ => Ok(()),
    }
}

fn fetch_with(handle: &OwnedFd, fd: i32) -> Result<OwnedFd, Errno> {
    let fetched = pidfd_getfd(handle, fd, PidfdGetfdFlags::empty())?;
    let flags = rustix::fs::fcntl_getfl(&fetched)?;
    if flags.contains(OFlags::PATH) {
        return Err(Errno::BADF);
    }
    Ok(fetched)
}

fn open_thread(thread: u32) -> Result<OwnedFd, Errno> {
    pidfd_open(pid(thread)?, OF_A_THREAD)
}

fn pid(thread: u32) -> Result<Pid, Errno> {
    i32::try_from(thread)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(Errno::SRCH)
}

/// Another description of the same file, without opening the file itself: enough to know which one it is.
fn reopen(thread: u32, fd: i32) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/{thread}/fd/{fd}");
    match rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => Err(Errno::BADF),
        opened => opened,
    }
}

/// The thread that made one call.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) listener: BorrowedFd<'a>,
    pub(crate) handles: &'a Handles,
    pub(crate) notification: &'a Notification,
}

impl Task<'_> {
    /// Gives the caller a descriptor; of `flags` only whether it is closed on exec is its own.
    fn add(&self, fd: BorrowedFd<'_>, place: Place, flags: OFlags) -> Result<u32, Errno> {
        let flags = (flags & OFlags::CLOEXEC).bits();
        sys::add_fd(self.listener, self.notification.id, fd, place, flags)
    }
}

/// All of it or nothing.
fn complete(moved: nix::Result<usize>, length: usize) -> Result<(), Errno> {
    match moved {
        Ok(moved) if moved == length => Ok(()),
        _ => Err(Errno::FAULT),
    }
}

/// A thread as those calls name whose memory it is.
fn owner(thread: u32) -> nix::unistd::Pid {
    // CAST: process numbers are positive ints.
    nix::unistd::Pid::from_raw(thread as i32)
}

/// The address in this process's type for addresses; no address of a program is larger.
fn remote(address: u64, len: usize) -> Result<[RemoteIoVec; 1], Errno> {
    let base = usize::try_from(address).map_err(|_| Errno::FAULT)?;
    Ok([RemoteIoVec { base, len }])
}

/// Reads a thread's memory.
///
/// # Errors
/// `EFAULT`: not all of it is there, or it may not be looked at.
pub(crate) fn read_memory(thread: u32, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
    let length = bytes.len();
    if length == 0 {
        return Ok(());
    }
    let moved = process_vm_readv(
        owner(thread),
        &mut [IoSliceMut::new(bytes)],
        &remote(address, length)?,
    );
    complete(moved, length)
}

impl Caller for Task<'_> {
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        read_memory(self.notification.pid, address, bytes)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        if bytes.is_empty() {
            return Ok(());
        }
        let moved = process_vm_writev(
            owner(self.notification.pid),
            &[IoSlice::new(bytes)],
            &remote(address, bytes.len())?,
        );
        complete(moved, bytes.len())
    }

    fn file(&self, fd: i32) -> Result<(OwnedFd, FileId), Errno> {
        self.handles.file(self.notification.pid, fd)
    }

    fn is_closed_on_exec(&self, fd: i32) -> bool {
        let path = format!("/proc/{}/fdinfo/{fd}", self.notification.pid);
        let info = std::fs::read_to_string(path).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        flags.is_some_and(|flags| flags & OFlags::CLOEXEC.bits() != 0)
    }

    fn install(&self, fd: BorrowedFd<'_>, flags: OFlags) -> Result<u32, Errno> {
        self.add(fd, Place::Lowest, flags)
    }

    fn replace(&self, number: i32, fd: BorrowedFd<'_>, flags: OFlags) -> Result<(), Errno> {
        let place = Place::At(u32::try_from(number).map_err(|_| Errno::BADF)?);
        self.add(fd, place, flags).map(drop)
    }

    fn return_fd(&self, fd: BorrowedFd<'_>, flags: OFlags) -> Result<(), Errno> {
        self.add(fd, Place::Answer, flags).map(drop)
    }

    fn can_be_made_to_map(&self) -> bool {
        super::injection::is_possible(self.notification)
    }

    fn name(&self) -> String {
        let path = format!("/proc/{}/comm", self.notification.pid);
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    }

    fn process(&self) -> u32 {
        process_of(self.notification.pid)
    }
}

/// `ERESTARTSYS`, which no program sees: with a signal to be handled, the kernel ends the call with `EINTR` or begins it again, as the
/// program chose for that signal.
const RESTART: Errno = Errno::from_raw_os_error(512);

/// How a waiting call of the thread ends now, if a signal interrupts it.
///
/// A signal to a process of several threads may be another one's to handle. Then nothing would turn the error that no program sees into one
/// that it may, so that the call ends with `EINTR` whatever the program chose.
pub(crate) fn interruption(thread: u32) -> Option<Errno> {
    let status = Status::of(thread)?;
    // What is ignored is never pending.
    let unblocked = !status.signals("SigBlk")?;
    if status.signals("SigPnd")? & unblocked != 0 {
        return Some(RESTART);
    }
    let is_alone = status.number("Threads")? == 1;
    (status.signals("ShdPnd")? & unblocked != 0).then_some(if is_alone { RESTART } else { Errno::INTR })
}

/// Opens the file anew: another description of it.
///
/// # Errors
/// `EACCES`: it belongs to another user who forbids it; `ENXIO`: it cannot be opened twice.
pub(crate) fn open_again(file: impl AsFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    // Without NONBLOCK a lease that somebody holds would make us wait for them.
    let opened = rustix::fs::open(path, flags | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    rustix::fs::fcntl_setfl(&opened, OFlags::empty())?;
    Ok(opened)
}

/// Somewhere that reads nothing and forgets everything.
pub(crate) fn nowhere() -> std::io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}
