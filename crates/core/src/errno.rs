//! Error numbers without the system they come from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Linux error number, as in `asm-generic/errno.h` (x86, Arm, RISC-V).
///
/// Every error type of Wharf has an `errno()`: what the kernel answers for the same mistake.
///
/// ```
/// use wharf_core::Errno;
/// assert_eq!(Errno::EINVAL.to_string(), "EINVAL (22)");
/// assert_eq!(Errno::new(4000).to_string(), "error 4000");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Errno(i32);

/// The largest number that the kernel can return as an error.
const MAX_ERRNO: i32 = 4095;

macro_rules! errnos {
    ($($name:ident = $number:literal, $meaning:literal;)*) => {
        impl Errno {
            $(#[doc = $meaning] pub const $name: Self = Self($number);)*

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    Self(_) => None,
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Not permitted.";
    ENOENT = 2, "No such thing.";
    EINTR = 4, "Interrupted.";
    EIO = 5, "Input or output failed.";
    ENXIO = 6, "No such device.";
    E2BIG = 7, "Too much to work through.";
    EAGAIN = 11, "Not now.";
    ENOMEM = 12, "Out of memory.";
    EACCES = 13, "Permission denied.";
    EBUSY = 16, "In use by others.";
    ENODEV = 19, "The device is gone.";
    EINVAL = 22, "Invalid argument.";
    EMFILE = 24, "Out of descriptors.";
    ENOTTY = 25, "No such call.";
    ENOSPC = 28, "No space left.";
    ERANGE = 34, "Number out of range.";
    EDEADLK = 35, "Would deadlock.";
    ENOSYS = 38, "No such system call.";
    EOVERFLOW = 75, "Number too large.";
    EOPNOTSUPP = 95, "Not supported.";
    ETIMEDOUT = 110, "Timed out.";
    EALREADY = 114, "Already so.";
    ESTALE = 116, "Of an earlier generation.";
    EDQUOT = 122, "More than its share.";
    ECANCELED = 125, "Called off.";
    EOWNERDEAD = 130, "Whoever should have done it has died.";
}

impl Errno {
    /// Wraps any number; see [`Errno::is_error`] for those that mean an error.
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// Returns the positive number.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// Says whether the number is one the kernel can report: from 1 to 4095, both inclusive.
    pub const fn is_error(self) -> bool {
        self.0 >= 1 && self.0 <= MAX_ERRNO
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
