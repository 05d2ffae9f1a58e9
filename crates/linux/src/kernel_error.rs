//! Why the kernel's own buffers, heaps and fences could not be used.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

/// A call on a device or descriptor of the kernel that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} on {object} failed: {source}{}", advice.map(|advice| format!("; {advice}")).unwrap_or_default())]
pub struct KernelError {
    pub(crate) call: &'static str,
    /// What it was made on, for people.
    pub(crate) object: String,
    pub(crate) source: Errno,
    /// What to do about it.
    pub(crate) advice: Option<&'static str>,
}

impl KernelError {
    /// The call `call`, made on `object`, failed.
    pub fn new(call: &'static str, object: impl Into<String>, source: Errno) -> Self {
        Self {
            call,
            object: object.into(),
            source,
            advice: None,
        }
    }

    pub(crate) fn with_advice(mut self, advice: Option<&'static str>) -> Self {
        self.advice = advice;
        self
    }

    /// The call.
    pub fn call(&self) -> &'static str {
        self.call
    }

    /// What it was made on, for people.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// What the kernel answered.
    pub fn errno(&self) -> Errno {
        self.source
    }

    /// What to do about it, where that is known.
    pub fn advice(&self) -> Option<&'static str> {
        self.advice
    }
}

/// A descriptor that is not what it was taken for.
#[derive(Debug, thiserror::Error)]
#[error("the descriptor is no {wanted} ({source}); whoever sent it must send one")]
pub struct WrongDescriptor {
    pub(crate) wanted: &'static str,
    pub(crate) source: Errno,
    pub(crate) fd: OwnedFd,
}

impl WrongDescriptor {
    /// EINVAL for what is open but something else, EBADF for what cannot be used at all.
    pub fn errno(&self) -> Errno {
        match self.source {
            Errno::BADF => Errno::BADF,
            _ => Errno::INVAL,
        }
    }

    /// Gives the refused descriptor back.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}
