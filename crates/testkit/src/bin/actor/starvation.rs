//! Life with few descriptors.

use crate::stage::Failure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeSet;
use wharf_testkit::actor::Report;

/// Lowers the limit so that `free` more descriptors can be opened.
pub(crate) fn starve(free: u64) -> Result<Report, Failure> {
    // The kernel gives out the lowest number that is free and below the limit.
    let open: BTreeSet<u64> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        // What lists them is one of them and gone afterwards.
        .filter(|number| {
            std::fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|to| !to.starts_with("/proc"))
        })
        .collect();
    let is_free = |number: &u64| !open.contains(number);
    // CAST: a count of descriptors.
    let limit = (0..).filter(is_free).nth(free as usize).unwrap_or(u64::MAX);
    set_limit(Some(limit))
}

/// Raises the limit to what it may be.
pub(crate) fn feed() -> Result<Report, Failure> {
    set_limit(getrlimit(Resource::Nofile).maximum)
}

fn set_limit(current: Option<u64>) -> Result<Report, Failure> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    Ok(Report::Done)
}
