//! Calls without a safe wrapper: all `unsafe` of this program.
//!
//! The kernel writes where it is told. It is told [`Place`]s only, which lie in pages that no reference covers, or nowhere.

#![allow(unsafe_code, reason = "these calls have no safe wrapper in the crates used")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::process::Pid;

pub(crate) use rustix::mm::MapFlags as Share;

/// The size of a page.
pub(crate) const PAGE: usize = 4096;

/// An address to give to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl Place {
    /// Address 0.
    pub(crate) const NULL: Self = Self(0);
    /// An address that no program has.
    pub(crate) const OF_KERNEL: Self = Self(usize::MAX - 0xfff);

    /// As a number, to be put into an argument.
    pub(crate) fn number(self) -> u64 {
        self.0 as u64
    }
}

/// Pages of this process, reached by copies only.
#[derive(Debug)]
pub(crate) struct Pages {
    start: *mut u8,
    length: usize,
    /// What there is to unmap, with the hole after pages of our own.
    mapped: usize,
}

/// What a mapping lets one do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    ReadWrite,
}

impl Access {
    fn protection(self) -> ProtFlags {
        match self {
            Self::Read => ProtFlags::READ,
            Self::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        }
    }
}

impl Pages {
    /// So many pages of zeros, with a hole after them.
    pub(crate) fn new(pages: usize) -> Result<Self, Errno> {
        let (length, mapped) = (pages * PAGE, (pages + 1) * PAGE);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY:
        // * A new mapping at an address that the kernel chooses.
        let start =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), mapped, access, MapFlags::PRIVATE) }?;
        let start = start.cast::<u8>();
        let hole = start.wrapping_add(length).cast();
        // SAFETY:
        // * The last page of the mapping made above, in which nothing is yet.
        unsafe { rustix::mm::mprotect(hole, PAGE, MprotectFlags::empty()) }?;
        Ok(Self {
            start,
            length,
            mapped,
        })
    }

    /// Maps a file.
    pub(crate) fn of(
        file: impl AsFd,
        (offset, length): (u64, usize),
        access: Access,
        share: Share,
    ) -> Result<Self, Errno> {
        let protection = access.protection();
        // SAFETY:
        // * A new mapping at an address that the kernel chooses.
        let start =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, protection, share, file, offset) }?;
        Ok(Self {
            start: start.cast(),
            length,
            mapped: length,
        })
    }

    /// Changes what the pages let one do.
    pub(crate) fn allow(&self, access: Access) -> Result<(), Errno> {
        let protection = match access {
            Access::Read => MprotectFlags::READ,
            Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        };
        // SAFETY:
        // * The whole mapping, which is ours; no reference covers it.
        unsafe { rustix::mm::mprotect(self.start.cast(), self.length, protection) }
    }

    /// The address of the byte at `offset`; at the length, that of the hole.
    pub(crate) fn place(&self, offset: usize) -> Place {
        assert!(offset <= self.length, "{offset} is beyond the pages");
        Place(self.start as usize + offset)
    }

    /// Where the last `bytes` bytes begin.
    pub(crate) fn last(&self, bytes: usize) -> Place {
        self.place(self.length - bytes)
    }

    /// Writes bytes at `offset`.
    pub(crate) fn put(&self, offset: usize, bytes: &[u8]) {
        assert!(
            offset + bytes.len() <= self.length,
            "{offset} is beyond the pages"
        );
        for (index, byte) in bytes.iter().enumerate() {
            let at = self.start.wrapping_add(offset + index);
            // SAFETY:
            // * Inside the mapping, as asserted; volatile, because others may write it, too.
            unsafe { at.write_volatile(*byte) };
        }
    }

    /// Reads `length` bytes at `offset`.
    pub(crate) fn get(&self, offset: usize, length: usize) -> Vec<u8> {
        assert!(offset + length <= self.length, "{offset} is beyond the pages");
        let byte = |index| {
            let at = self.start.wrapping_add(offset + index);
            // SAFETY:
            // * Inside the mapping, as asserted; volatile, because others may write it, too.
            unsafe { at.read_volatile() }
        };
        (0..length).map(byte).collect()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY:
        // * What was mapped, once; no reference covers it.
        let _ = unsafe { rustix::mm::munmap(self.start.cast(), self.mapped) };
    }
}

/// Calls `ioctl`, whatever the descriptor is, with an address.
///
/// Addresses inside the argument are those of [`Place`]s, too.
pub(crate) fn ioctl(fd: RawFd, request: u32, place: Place) -> Result<i32, Errno> {
    // SAFETY:
    // * The kernel reads and writes at `place` and at the places named there, which no reference covers.
    let result = unsafe { libc::ioctl(fd, request.into(), place.0) };
    if result == -1 {
        return Err(last());
    }
    Ok(result)
}

/// Owns a descriptor that the kernel told the number of.
pub(crate) fn adopt(number: u32) -> Result<OwnedFd, Errno> {
    let fd = RawFd::try_from(number).map_err(|_| Errno::BADF)?;
    // SAFETY:
    // * Takes numbers only.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
        return Err(last());
    }
    // SAFETY:
    // * It is open, and new: a call has just returned it, and nothing else here owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Calls `lseek`, with any `whence`.
pub(crate) fn seek(fd: impl AsFd, offset: i64, whence: i32) -> Result<i64, Errno> {
    // SAFETY:
    // * Takes numbers only.
    let result = unsafe { libc::lseek(fd.as_fd().as_raw_fd(), offset, whence) };
    if result == -1 {
        return Err(last());
    }
    Ok(result)
}

/// Whether two descriptors are copies of each other.
pub(crate) fn is_same(one: impl AsFd, other: impl AsFd) -> Result<bool, Errno> {
    let this = libc::c_long::from(std::process::id().cast_signed());
    let (one, other) = (one.as_fd().as_raw_fd(), other.as_fd().as_raw_fd());
    // SAFETY:
    // * Takes numbers only; 0 is KCMP_FILE.
    let order = unsafe {
        libc::syscall(
            libc::SYS_kcmp,
            this,
            this,
            0,
            libc::c_long::from(one),
            libc::c_long::from(other),
        )
    };
    if order == -1 {
        return Err(last());
    }
    Ok(order == 0)
}

/// Makes a copy of this process; `None` in the copy.
///
/// For processes without other threads only.
pub(crate) fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY:
    // * Nothing in this program makes a thread before it has forked, so that the copy finds no lock taken.
    let number = unsafe { libc::fork() };
    if number == -1 {
        return Err(last());
    }
    Ok(Pid::from_raw(number))
}

extern "C" fn nothing(_signal: libc::c_int) {}

/// Who gets a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// The thread that asks for it.
    Thread,
    /// Any thread of the process.
    Process,
}

/// Sends SIGALRM after a while, and again every second; its handler does nothing. `restart`: calls go on after it.
pub(crate) fn ring_after(while_: Duration, who: Rung, restart: bool) -> Result<(), Errno> {
    handle_alarm(restart)?;
    let mut event = sigevent(who);
    let mut timer: libc::timer_t = std::ptr::null_mut();
    // SAFETY:
    // * Both live through the call, which reads the first and writes the second.
    if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) } == -1 {
        return Err(last());
    }
    let time = |duration: Duration| libc::timespec {
        tv_sec: duration.as_secs().cast_signed(),
        tv_nsec: duration.subsec_nanos().into(),
    };
    let times = libc::itimerspec {
        it_interval: time(Duration::from_secs(1)),
        it_value: time(while_),
    };
    // SAFETY:
    // * The timer was made above; `times` lives through the call, which only reads it.
    if unsafe { libc::timer_settime(timer, 0, &raw const times, std::ptr::null_mut()) } == -1 {
        return Err(last());
    }
    Ok(())
}

fn sigevent(who: Rung) -> libc::sigevent {
    // SAFETY:
    // * All zeros are a valid `sigevent`.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_signo = libc::SIGALRM;
    event.sigev_notify = match who {
        Rung::Thread => libc::SIGEV_THREAD_ID,
        Rung::Process => libc::SIGEV_SIGNAL,
    };
    event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_nonzero().get();
    event
}

fn handle_alarm(restart: bool) -> Result<(), Errno> {
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY:
    // * All zeros are a valid `sigaction`: no handler, no flags, no signals blocked.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = if restart { libc::SA_RESTART } else { 0 };
    // SAFETY:
    // * The handler does nothing, which is safe at any time; `action` lives through the call.
    if unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) } == -1 {
        return Err(last());
    }
    Ok(())
}

fn last() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
