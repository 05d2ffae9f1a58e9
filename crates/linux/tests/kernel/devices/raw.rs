//! Calls on drivers that this crate does not serve.
#![allow(unsafe_code, reason = "drivers of the tests, whose calls nobody else makes")]

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// The number of a call whose argument is a `T` that the kernel reads and writes.
pub(crate) const fn code<T>(magic: u8, number: u8) -> u32 {
    // CAST: all arguments here are small.
    (3 << 30) | ((size_of::<T>() as u32) << 16) | ((magic as u32) << 8) | number as u32
}

/// Makes the call `code` with `argument`, a structure of plain numbers.
pub(crate) fn call<T: Copy>(device: impl AsFd, code: u32, argument: &mut T) -> Result<i32, Errno> {
    assert_eq!((code >> 16) & 0x3fff, u32::try_from(size_of::<T>()).unwrap());
    let address: *mut T = argument;
    // SAFETY:
    // * The argument is live, writable and as large as the number says, which is all that drivers access.
    let returned = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), code as _, address) };
    if returned < 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap());
    }
    Ok(returned)
}
