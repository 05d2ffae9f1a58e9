//! The process's limit on open file descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit on open descriptors to the hard limit, and returns the limit now in force (`None`: unlimited).
///
/// A broker holds descriptors for every process it serves, while the usual soft limit of 1024 is meant for programs
/// that still use `select`. A failure is logged and leaves the limit as it was: the broker then refuses clients
/// earlier, with a clear error.
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    ) {
        Ok(()) => limit.maximum,
        Err(errno) => {
            tracing::warn!(%errno, "cannot raise the limit on open file descriptors");
            limit.current
        }
    }
}
