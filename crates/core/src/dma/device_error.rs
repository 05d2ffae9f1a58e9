//! Why there is no such device.

use crate::Errno;

use super::Conflict;

/// Why there is no such device, or no such use of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A label or name is empty or has control characters.
    #[error("device or function named {name:?}; use visible characters, at least one")]
    Name {
        /// The name refused.
        name: Box<str>,
    },
    /// Two functions have one name.
    #[error("device {device} has two functions {function}; name each once")]
    Twice {
        /// The device.
        device: Box<str>,
        /// The name.
        function: Box<str>,
    },
    /// The device has no such function.
    #[error("device {device} has no function {function}; it has: {known}")]
    Unknown {
        /// The device.
        device: Box<str>,
        /// The name asked for.
        function: Box<str>,
        /// The names there are.
        known: Box<str>,
    },
    /// No function was named.
    #[error("no function of device {device} named; it has: {known}")]
    NoFunction {
        /// The device.
        device: Box<str>,
        /// The names there are.
        known: Box<str>,
    },
    /// No memory could suit the functions together.
    #[error("functions of device {device} cannot share a buffer: {conflict}")]
    Conflict {
        /// The device.
        device: Box<str>,
        /// What they cannot have together.
        conflict: Conflict,
    },
}

impl DeviceError {
    /// Returns ENODEV for a function that is not there, EOPNOTSUPP for functions that cannot share a buffer, and EINVAL for
    /// names that cannot be.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Name { .. } | Self::Twice { .. } | Self::NoFunction { .. } => Errno::EINVAL,
            Self::Unknown { .. } => Errno::ENODEV,
            Self::Conflict { conflict, .. } => conflict.errno(),
        }
    }
}
