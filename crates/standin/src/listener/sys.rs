//! The system calls of the trap: all `unsafe` of this crate.
//!
//! Each function is one system call with its arguments made from safe types, so that each block can be judged by itself.

#![allow(unsafe_code, reason = "these calls have no safe wrapper in the crates used")]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use wharf_memory::{Access, Mapping};

/// One instruction of a filter.
pub(crate) type Instruction = libc::sock_filter;

/// A call of the program that waits for an answer.
pub(crate) type Notification = libc::seccomp_notif;

/// Not in the `libc` crate: switches to the program at once when it is answered, and to the supervisor when it calls.
const SYNC_WAKE_UP: u64 = 1;

/// The result of a call of the C library, -1 being an error.
fn checked(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result == -1 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    }
    Ok(result)
}

/// Installs a filter for this thread and everything it starts, and returns the listener.
///
/// # Errors
/// `EINVAL`: the kernel is older than 5.19 or the filter is malformed; `EACCES`: neither `no_new_privs` nor `CAP_SYS_ADMIN`;
/// `EBUSY`: this process already has a filter with a listener.
pub(crate) fn install_filter(instructions: &mut [Instruction]) -> Result<OwnedFd, Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).map_err(|_| Errno::INVAL)?,
        filter: instructions.as_mut_ptr(),
    };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY:
    // * `program` and the instructions it points to live through the call, and `len` is their number; the kernel only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
            flags,
            &raw const program,
        )
    };
    let fd = checked(result)?;
    // CAST: descriptors are ints.
    // SAFETY:
    // * With NEW_LISTENER the call returns a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Asks the kernel to hand the processor over directly between program and supervisor. Older kernels cannot.
pub(crate) fn wake_synchronously(listener: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY:
    // * This request takes its argument by value.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
            SYNC_WAKE_UP,
        )
    };
    checked(result.into()).map(drop)
}

/// Shared memory into which the kernel writes the call that is received, at the beginning: so there is no moment at which a call was received and
/// who looks there does not see its number.
#[derive(Debug)]
pub(crate) struct Inbox(Mapping);

impl Inbox {
    /// Its size in bytes.
    pub(crate) const BYTES: usize = size_of::<Notification>();

    /// Maps that of a memory file that nobody can shorten.
    pub(crate) fn map(file: BorrowedFd<'_>) -> Result<Self, Errno> {
        let mapping = Mapping::map(file, Self::BYTES, Access::ReadWrite);
        mapping.map(Self).map_err(|error| error.errno())
    }

    /// The kernel takes an empty one only.
    fn clear(&self) -> Result<(), Errno> {
        let view = self.0.view_mut().map_err(|_| Errno::ACCESS)?;
        view.fill(0, Self::BYTES, 0).map_err(|_| Errno::INVAL)
    }

    fn read(&self) -> Result<Notification, Errno> {
        let mut bytes = [0; Self::BYTES];
        self.0.view().copy_to(0, &mut bytes).map_err(|_| Errno::INVAL)?;
        let [id, caller, call, instruction_pointer, args @ ..] = words(&bytes);
        // CAST: halves of words, as the structure has them, the first one low.
        Ok(Notification {
            id,
            pid: caller as u32,
            flags: (caller >> 32) as u32,
            data: libc::seccomp_data {
                nr: call as i32,
                arch: (call >> 32) as u32,
                instruction_pointer,
                args,
            },
        })
    }
}

/// The words of a notification.
fn words(bytes: &[u8; Inbox::BYTES]) -> [u64; 10] {
    let mut words = [0; 10];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

const _: () = assert!(Inbox::BYTES == 80 && cfg!(target_endian = "little"));

/// Waits for the next call. It stays in the inbox until this is called again.
///
/// # Errors
/// `EINTR`; `ENOENT`: the caller was killed meanwhile, or nobody with the filter is left.
pub(crate) fn receive(listener: BorrowedFd<'_>, inbox: &Inbox) -> Result<Notification, Errno> {
    inbox.clear()?;
    // SAFETY:
    // * The request's number has the size of the structure in it; the kernel writes no more than that, and the mapping is as long.
    // * The mapping lives through the call, and is memory of no Rust object: it is only looked at in volatile copies.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            inbox.0.start_address(),
        )
    };
    checked(result.into())?;
    inbox.read()
}

/// How a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It returns this.
    Value(i64),
    /// It fails.
    Error(Errno),
    /// The kernel does it as if there was no filter.
    Native,
}

/// Answers a call.
///
/// # Errors
/// `ENOENT`: the caller was killed; `EINPROGRESS`: it was answered before.
pub(crate) fn reply(listener: BorrowedFd<'_>, id: u64, reply: Reply) -> Result<(), Errno> {
    let (val, error, flags) = match reply {
        Reply::Value(value) => (value, 0, 0),
        Reply::Error(errno) => (0, -errno.raw_os_error(), 0),
        // CAST: the flag is 1.
        Reply::Native => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
    };
    let mut response = libc::seccomp_notif_resp {
        id,
        val,
        error,
        flags,
    };
    // SAFETY:
    // * The request's number has the size of this structure in it, which the kernel reads.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw mut response,
        )
    };
    checked(result.into()).map(drop)
}

/// Where a descriptor goes in the caller's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// To the lowest free number, which is returned; the call goes on waiting.
    Lowest,
    /// To the lowest free number, which the call returns: it is answered by this.
    Answer,
    /// In place of this descriptor.
    At(u32),
}

/// Gives the caller a descriptor of its own.
///
/// # Errors
/// `EMFILE`: it has no room; `ENOENT`: it was killed; `EBADF`: there is no such place.
pub(crate) fn add_fd(
    listener: BorrowedFd<'_>,
    id: u64,
    fd: BorrowedFd<'_>,
    place: Place,
    flags: u32,
) -> Result<u32, Errno> {
    let (how, newfd) = match place {
        Place::Lowest => (0, 0),
        Place::Answer => (libc::SECCOMP_ADDFD_FLAG_SEND, 0),
        Place::At(number) => (libc::SECCOMP_ADDFD_FLAG_SETFD, number),
    };
    let mut request = libc::seccomp_notif_addfd {
        id,
        // CAST: the flags are 1 and 2.
        flags: how as u32,
        // CAST: open descriptors are not negative.
        srcfd: fd.as_raw_fd() as u32,
        newfd,
        newfd_flags: flags,
    };
    // SAFETY:
    // * The request's number has the size of this structure in it, which the kernel reads.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ADDFD,
            &raw mut request,
        )
    };
    // CAST: a descriptor, not negative.
    checked(result.into()).map(|number| number as u32)
}

/// Whether `fd`, which was opened for writing, is the only open description of its file. Nobody is kept from opening it for longer
/// than this call.
///
/// # Errors
/// `EACCES`: the file belongs to another user.
///
/// # References
/// `fcntl(2)` "Leases".
pub(crate) fn is_sole_description(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    // SAFETY:
    // * This request takes its argument by value.
    let taken = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
    match checked(taken.into()) {
        Err(Errno::AGAIN) => return Ok(false),
        Err(errno) => return Err(errno),
        Ok(_) => {}
    }
    // SAFETY:
    // * This request takes its argument by value.
    let given_back = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    checked(given_back.into()).map(|_| true)
}

/// Takes over a descriptor that this process was started with, and has it closed on exec. `None` if nothing is open there.
pub(crate) fn own(fd: i32) -> Option<OwnedFd> {
    // SAFETY:
    // * This request takes no argument but a number.
    let marked = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    checked(marked.into()).ok()?;
    // SAFETY:
    // * It is open, as the call before has shown.
    // * Nobody else has it: it was passed to this process for this purpose, and is taken over once, before anything is opened.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives this thread descriptors of its own: of those of the process it keeps these, and no others. The process keeps what it has.
///
/// # Errors
/// `EMFILE`, `ENOMEM`; `EPERM`: a filter of a container forbids it.
pub(crate) fn keep_only([first, second]: [BorrowedFd<'_>; 2]) -> Result<[OwnedFd; 2], Errno> {
    let numbers = [first.as_raw_fd(), second.as_raw_fd()];
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).map_err(crate::error::errno_of)?;
    let (low, high) = (numbers[0].min(numbers[1]), numbers[0].max(numbers[1]));
    for (from, to) in [(0, low - 1), (low + 1, high - 1), (high + 1, i32::MAX)] {
        if from <= to {
            close_range(from, to)?;
        }
    }
    // SAFETY:
    // * Both are open in this thread's table, which nobody else has: they were open in the one it is a copy of, and others were closed.
    let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
    Ok(numbers.map(own))
}

/// Closes descriptors of a table that is this thread's alone.
fn close_range(from: i32, to: i32) -> Result<(), Errno> {
    // CAST: descriptors are not negative.
    let (from, to) = (libc::c_long::from(from), libc::c_long::from(to));
    // SAFETY:
    // * Nothing of Rust's refers to descriptors of this thread's table but to those that are kept: it has just been made.
    checked(unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) }).map(drop)
}

/// Which signals a traced thread that has stopped holds off.
///
/// # Errors
/// `ESRCH`: it is not traced by this thread, or has not stopped.
pub(crate) fn blocked_signals(thread: i32) -> Result<u64, Errno> {
    let mut signals: u64 = 0;
    // SAFETY:
    // * The third argument is the size of what the fourth points to, which lives through the call.
    let result = unsafe {
        libc::ptrace(
            libc::PTRACE_GETSIGMASK,
            thread,
            size_of::<u64>(),
            &raw mut signals,
        )
    };
    checked(result).map(|_| signals)
}

/// Has a traced thread that has stopped hold off these signals.
///
/// # Errors
/// As [`blocked_signals`].
pub(crate) fn block_signals(thread: i32, signals: u64) -> Result<(), Errno> {
    // SAFETY:
    // * The third argument is the size of what the fourth points to, which the kernel only reads.
    let result = unsafe {
        libc::ptrace(
            libc::PTRACE_SETSIGMASK,
            thread,
            size_of::<u64>(),
            &raw const signals,
        )
    };
    checked(result).map(drop)
}

/// Has a signal do what it does by default.
pub(crate) fn restore_default(signal: i32) {
    // SAFETY:
    // * The default is a disposition of the kernel's and no function of ours, so nothing can run in a place where it must not.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}
