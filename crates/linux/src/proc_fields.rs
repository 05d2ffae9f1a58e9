//! Amounts of memory as the kernel tells them in `/proc`.

/// How much memory can be had without swapping, in bytes, as the kernel estimates (`MemAvailable`); nothing where `/proc` does not tell.
pub fn available_memory_bytes() -> Option<u64> {
    field_bytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// The amount in the line of `text` that begins with `name`.
pub(crate) fn field_bytes(text: &str, name: &str) -> Option<u64> {
    kib_in_bytes(text.lines().find_map(|line| line.strip_prefix(name))?)
}

/// An amount such as ` 12 kB`.
pub(crate) fn kib_in_bytes(value: &str) -> Option<u64> {
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_memory_is_read_from_status() {
        let locked = |status| field_bytes(status, "VmLck:");
        assert_eq!(
            locked("Name:\tx\nVmLck:\t     12 kB\nVmPin:\t0 kB\n"),
            Some(12 * 1024)
        );
        for odd in [
            "",
            "Name:\tx\n",
            "VmLck:\t12\n",
            "VmLck:\tmany kB\n",
            "VmLck:\t18446744073709551615 kB",
        ] {
            assert_eq!(locked(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn available_memory_is_read() {
        let available = |text| field_bytes(text, "MemAvailable:");
        let text = "MemTotal: 16 kB\nMemAvailable:   12 kB\n";
        assert_eq!(available(text), Some(12 << 10));
        for odd in [
            "",
            "MemAvailable: 12\n",
            "MemAvailable: 18446744073709551615 kB\n",
        ] {
            assert_eq!(available(odd), None, "{odd:?}");
        }
        assert!(available_memory_bytes().is_none_or(|bytes| bytes > 0));
    }
}
