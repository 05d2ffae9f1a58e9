//! Sizes in whole pages.

use wharf_core::PAGE_BYTES;

/// Size of a page of this machine in bytes, at least the unit of buffer sizes.
pub(crate) fn page_bytes() -> u64 {
    PAGE_BYTES.max(u64::try_from(rustix::param::page_size()).unwrap_or(PAGE_BYTES))
}

/// The largest size of a file that is a multiple of `unit_bytes`, a power of two.
pub(crate) fn max_bytes(unit_bytes: u64) -> u64 {
    (u64::MAX >> 1) / unit_bytes * unit_bytes
}

/// Rounds up to whole units; nothing when the size is zero or no file could have it.
pub(crate) fn round_up(size_bytes: u64, unit_bytes: u64) -> Option<u64> {
    if size_bytes == 0 || size_bytes > max_bytes(unit_bytes) {
        return None;
    }
    Some(size_bytes.next_multiple_of(unit_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_at_the_limits() {
        assert_eq!(round_up(0, 4096), None);
        assert_eq!(round_up(1, 4096), Some(4096));
        assert_eq!(round_up(4097, 2 << 20), Some(2 << 20));
        assert_eq!(round_up(max_bytes(4096), 4096), Some(max_bytes(4096)));
        assert_eq!(round_up(max_bytes(4096) + 1, 4096), None);
        assert_eq!(round_up(u64::MAX, 2 << 20), None);
    }
}
