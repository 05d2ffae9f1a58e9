//! Which received descriptors are fit to be shared pages.
//!
//! A shared page is written by the process that made it, through the mapping it already has, and read by others for as
//! long as the stream lives. That is safe only if nobody can make it shorter (the readers would die of SIGBUS), nobody
//! can map it for writing any more, and nobody can forbid what is still needed. The seals say all of this, and cannot
//! be taken off. Contract: S3, C1.

use wharf_linux::SealFlags;
use wharf_protocol::{BrokerError, Call};

use super::{Inspection, ReceivedFd};

/// The seals every shared page must carry, each with the name its maker knows it by.
const REQUIRED: [(SealFlags, &str); 4] = [
    (SealFlags::SHRINK, "F_SEAL_SHRINK"),
    (SealFlags::GROW, "F_SEAL_GROW"),
    (SealFlags::FUTURE_WRITE, "F_SEAL_FUTURE_WRITE"),
    (SealFlags::SEAL, "F_SEAL_SEAL"),
];

/// Checks that exactly as many descriptors came with `call` as it takes: one or none.
pub(super) fn check_count(call: &Call, count: usize) -> Result<(), BrokerError> {
    match (call.expected_fds(), count) {
        (0, 0) | (1, 1) => Ok(()),
        (0, _) => Err(BrokerError::invalid(
            "fds",
            format!("{count} descriptors came with a call that takes none"),
        )),
        (expected, _) => Err(BrokerError::BadPage {
            reason: format!("{expected} descriptor must come with the call, {count} did"),
        }),
    }
}

/// Checks that `page` came and is a shared page of exactly `size_bytes` bytes.
pub(super) fn check_page(page: Option<&ReceivedFd>, size_bytes: usize) -> Result<&ReceivedFd, BrokerError> {
    let bad = |reason: String| BrokerError::BadPage { reason };
    let page = page.ok_or_else(|| bad("none came with the call".to_owned()))?;
    let (actual_bytes, seals) = match &page.inspection {
        Inspection::Memfd { size_bytes, seals } => (*size_bytes, *seals),
        Inspection::Unusable { reason } => return Err(bad(reason.clone())),
    };
    let missing: Vec<&str> = REQUIRED
        .into_iter()
        .filter(|(seal, _)| !seals.contains(*seal))
        .map(|(_, name)| name)
        .collect();
    if !missing.is_empty() {
        return Err(bad(format!(
            "it lacks the seals {}; add them after mapping it",
            missing.join(", ")
        )));
    }
    if u64::try_from(size_bytes) != Ok(actual_bytes) {
        return Err(bad(format!(
            "it has {actual_bytes} bytes instead of {size_bytes}"
        )));
    }
    Ok(page)
}
