//! The pool of reserved huge pages.

use std::fs;
use std::path::Path;

use wharf_memory::CHUNK_BYTES;

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";

/// Bytes of huge pages of 2 MiB that can be taken now; nothing where the kernel has no such pool or `/sys` is missing.
pub(super) fn free_bytes() -> Option<u64> {
    free_in(Path::new(POOL))
}

fn free_in(pool: &Path) -> Option<u64> {
    let count = |name: &str| {
        let text = fs::read_to_string(pool.join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let free = count("free_hugepages")?.saturating_sub(count("resv_hugepages")?);
    // Beyond the pool the kernel may make more, if it finds room.
    let extra = count("nr_overcommit_hugepages")?.saturating_sub(count("surplus_hugepages")?);
    // CAST: 2 MiB.
    free.saturating_add(extra).checked_mul(CHUNK_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_that_is_not_there_has_nothing_to_say() {
        assert_eq!(free_in(Path::new("/nowhere/at/all")), None);
    }
}
