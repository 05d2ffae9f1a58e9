//! Memory and file descriptors in use.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::Role;

/// What a process used at the moment when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUse {
    /// What the process is for.
    pub role: Role,
    /// Its number.
    pub pid: u32,
    /// Memory that it has mapped and touched, in bytes; shared memory counts in full.
    pub resident_bytes: u64,
    /// Its share of that, in bytes: memory shared by n processes counts as one n-th. `None` where the kernel
    /// does not tell.
    pub proportional_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Bytes of frames that Wharf copied while handing them over.
    pub wharf_copied_bytes: u64,
    /// Bytes of frames that the process itself copied out of shared buffers, to work on them.
    pub own_copied_bytes: u64,
}

impl ProcessUse {
    /// Asks the kernel about this process.
    ///
    /// # Errors
    ///
    /// What the system says if `/proc` is not there.
    pub fn of_this_process(role: Role, wharf_copied_bytes: u64, own_copied_bytes: u64) -> io::Result<Self> {
        let rollup = fs::read_to_string("/proc/self/smaps_rollup").ok();
        let field = |name| rollup.as_deref().and_then(|text| kibibytes(text, name));
        let resident_bytes = match field("Rss:") {
            Some(bytes) => bytes,
            None => resident_from_statm(&fs::read_to_string("/proc/self/statm")?),
        };
        // The listing itself needs one descriptor.
        let open_fds = u64::try_from(fs::read_dir("/proc/self/fd")?.count())
            .unwrap_or(u64::MAX)
            .saturating_sub(1);
        Ok(Self {
            role,
            pid: std::process::id(),
            resident_bytes,
            proportional_bytes: field("Pss:"),
            open_fds,
            wharf_copied_bytes,
            own_copied_bytes,
        })
    }
}

/// The value, in bytes, of a line such as `Rss:  1234 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim()
        .strip_suffix("kB")?
        .trim_end()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The second number is resident pages.
fn resident_from_statm(text: &str) -> u64 {
    let pages: u64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages.saturating_mul(u64::try_from(rustix::param::page_size()).unwrap_or(4096))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_kernel_are_read() {
        let text = "55d0-7ffd ---p 00000000 00:00 0 [rollup]\nRss:            1234 kB\nPss:             300 kB\nPss_Dirty: 4 kB\n";
        assert_eq!(
            (kibibytes(text, "Rss:"), kibibytes(text, "Pss:")),
            (Some(1234 * 1024), Some(300 * 1024))
        );
        assert_eq!(kibibytes(text, "Swap:"), None);
        assert_eq!(kibibytes("Rss: -1 kB", "Rss:"), None);
        assert_eq!(kibibytes("Rss: 18446744073709551615 kB", "Rss:"), None);
        let page = u64::try_from(rustix::param::page_size()).unwrap();
        assert_eq!(resident_from_statm("900 17 5 1 0 2 0"), 17 * page);
        assert_eq!(resident_from_statm(""), 0);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = ProcessUse::of_this_process(Role::Camera, 0, 0).unwrap();
        assert_eq!(usage.pid, std::process::id());
        assert!(usage.resident_bytes > 0 && usage.open_fds >= 3, "{usage:?}");
    }
}
