//! What the kernel says about the pages behind a mapping.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use wharf_memory::Mapping;

use crate::proc_fields::kib_in_bytes;

/// Bytes of the mapping that are in huge pages, each mapped by one entry of the page table: proof that they are physically
/// contiguous and naturally aligned. Needs no privilege.
///
/// # Errors
/// When `/proc` is not mounted, or does not list the mapping.
///
/// # References
/// `proc_pid_smaps(5)`, ShmemPmdMapped.
pub(super) fn bytes_in_huge_pages(mapping: &Mapping) -> io::Result<u64> {
    let smaps = BufReader::new(File::open("/proc/self/smaps")?);
    let start = mapping.start_address();
    find(smaps, start, start.saturating_add(mapping.len_bytes()))
}

/// The field of the entry of exactly this range.
fn find(smaps: impl BufRead, start: usize, end: usize) -> io::Result<u64> {
    let header = format!("{start:08x}-{end:08x} ");
    let mut is_ours = false;
    for line in smaps.lines() {
        let line = line?;
        if line.starts_with(&header) {
            is_ours = true;
        } else if is_ours && let Some(value) = line.strip_prefix("ShmemPmdMapped:") {
            return kib_in_bytes(value).ok_or_else(|| invalid("a size that is no number of kB"));
        }
    }
    Err(invalid("no entry with ShmemPmdMapped for the mapping"))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
00400000-00600000 rw-s 00000000 00:01 7 /memfd:other (deleted)
Size:               2048 kB
ShmemPmdMapped:     2048 kB
7f0000000000-7f0000400000 r--s 00000000 00:01 8 /memfd:ours (deleted)
Size:               4096 kB
ShmemPmdMapped:     2048 kB
VmFlags: rd
7f0000400000-7f0000401000 r--s 00000000 00:01 8 /memfd:bare (deleted)
Size:                  4 kB
";

    #[test]
    fn entry_of_the_range_is_found() {
        let found = find(SMAPS.as_bytes(), 0x7f00_0000_0000, 0x7f00_0040_0000);
        assert_eq!(found.unwrap(), 2 << 20);
        assert_eq!(find(SMAPS.as_bytes(), 0x40_0000, 0x60_0000).unwrap(), 2 << 20);
    }

    #[test]
    fn part_of_an_entry_proves_nothing() {
        for (start, end) in [
            (0x7f00_0000_0000, 0x7f00_0020_0000),
            (0x7f00_0020_0000, 0x7f00_0040_0000),
            (0x1000, 0x2000),
        ] {
            assert!(find(SMAPS.as_bytes(), start, end).is_err());
        }
    }

    #[test]
    fn kernel_without_the_field_proves_nothing() {
        assert!(find(SMAPS.as_bytes(), 0x7f00_0040_0000, 0x7f00_0040_1000).is_err());
        assert_eq!(kib_in_bytes(" many kB"), None);
        assert_eq!(kib_in_bytes(" 12"), None);
    }
}
