//! Whether the kernel has mechanisms that can only be found out by calls without a name elsewhere.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::mm::{UserfaultfdFlags, userfaultfd};

/// `UFFDIO_API`: reads and writes a [`Handshake`].
const UFFDIO_API: u32 = (3 << 30) | (24 << 16) | (0xaa << 8) | 0x3f;
/// `UFFD_API`.
const UFFD_API: u64 = 0xaa;
/// `UFFD_FEATURE_MISSING_SHMEM`.
const MISSING_SHMEM: u64 = 1 << 5;
/// `UFFD_FEATURE_WP_HUGETLBFS_SHMEM`.
const WRITE_PROTECT_SHMEM: u64 = 1 << 12;
/// `UFFD_USER_MODE_ONLY`, for which rustix has no name.
const USER_MODE_ONLY: UserfaultfdFlags = UserfaultfdFlags::from_bits_retain(1);
/// `SECCOMP_GET_NOTIF_SIZES`.
const GET_NOTIF_SIZES: libc::c_ulong = 3;

/// Which faults of its own a process may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserFaults {
    /// Also those that the kernel has while it works for the process.
    pub of_the_kernel: bool,
    /// Of shared memory: pages that are missing.
    pub missing_shared: bool,
    /// Of shared memory: pages that were made read-only.
    pub read_only_shared: bool,
}

/// `struct uffdio_api`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Handshake {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// Finds out by opening a descriptor for them, of which nothing comes.
///
/// # Errors
/// `ENOSYS` where the kernel is built without, `EPERM` where this user or container may not.
pub fn user_faults() -> Result<UserFaults, Errno> {
    match open_user_faults(UserfaultfdFlags::empty()) {
        Ok(fd) => features(&fd, true),
        Err(Errno::PERM) => features(&open_user_faults(USER_MODE_ONLY)?, false),
        Err(errno) => Err(errno),
    }
}

fn open_user_faults(flags: UserfaultfdFlags) -> Result<OwnedFd, Errno> {
    // SAFETY:
    // * The descriptor is closed again without a range registered with it, so that no memory of anybody behaves differently.
    unsafe { userfaultfd(flags | UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK) }
}

fn features(fd: &OwnedFd, of_the_kernel: bool) -> Result<UserFaults, Errno> {
    const { assert!(size_of::<Handshake>() == 24) };
    let mut handshake = Handshake {
        api: UFFD_API,
        features: 0,
        ioctls: 0,
    };
    let address: *mut Handshake = &raw mut handshake;
    // SAFETY:
    // * The argument is live, writable, nobody else's, and as large as the number says; any bits are valid numbers.
    let returned = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), UFFDIO_API as _, address) };
    if returned < 0 {
        return Err(last_error());
    }
    Ok(UserFaults {
        of_the_kernel,
        missing_shared: handshake.features & MISSING_SHMEM != 0,
        read_only_shared: handshake.features & WRITE_PROTECT_SHMEM != 0,
    })
}

/// Finds out whether system calls can be passed to a listener (seccomp user notification), by asking for the sizes of its messages.
///
/// # Errors
/// `ENOSYS` or `EINVAL` where the kernel has none, `EPERM` where this container forbids to ask.
pub fn system_call_listener() -> Result<(), Errno> {
    let mut sizes = [0_u16; 3];
    let address: *mut u16 = sizes.as_mut_ptr();
    // SAFETY:
    // * The kernel writes three 16-bit numbers, for which there is room.
    let returned = unsafe { libc::syscall(libc::SYS_seccomp, GET_NOTIF_SIZES, 0_usize, address) };
    if returned < 0 {
        return Err(last_error());
    }
    Ok(())
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
