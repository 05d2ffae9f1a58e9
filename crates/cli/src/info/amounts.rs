//! Amounts as people read them.

/// An amount of memory, in the largest binary unit of which there is one, to a tenth.
pub(crate) fn memory(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return format!("{bytes} B");
    };
    // Cannot overflow: u128 has room for ten times any u64.
    let tenths = (u128::from(bytes) * 10) >> shift;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shown_in_the_largest_unit_that_fits() {
        let shown = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (4 << 30, "4 GiB"),
            (8_294_400, "7.9 MiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (bytes, text) in shown {
            assert_eq!(memory(bytes), text);
        }
    }
}
