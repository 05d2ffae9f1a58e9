//! Amounts in a few characters.

/// A number with three digits that count.
pub(super) fn number(value: f64) -> String {
    if value < 0.05 {
        "0".to_owned()
    } else if value < 9.95 {
        format!("{value:.1}")
    } else if value < 9_999.5 {
        format!("{value:.0}")
    } else if value < 999_500.0 {
        format!("{:.0}k", value / 1e3)
    } else if value < 999_500_000.0 {
        format!("{:.1}M", value / 1e6)
    } else {
        format!("{:.1}G", value / 1e9)
    }
}

/// A duration in the unit that suits it.
pub(super) fn duration(ns: u64) -> String {
    // CAST: shown with three digits.
    let value = ns as f64;
    let (value, unit) = if ns < 1_000 {
        return format!("{ns} ns");
    } else if ns < 1_000_000 {
        (value / 1e3, "µs")
    } else if ns < 1_000_000_000 {
        (value / 1e6, "ms")
    } else if ns < 100_000_000_000 {
        (value / 1e9, "s")
    } else {
        return format!("{:.0} s", value / 1e9);
    };
    let digits = if value < 9.995 {
        2
    } else {
        usize::from(value < 99.95)
    };
    format!("{value:.digits$} {unit}")
}

/// A part of a whole, of 100.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_five_characters() {
        let shown = [
            (0.0, "0"),
            (0.04, "0"),
            (0.25, "0.2"),
            (9.94, "9.9"),
            (29.97, "30"),
            (9_999.0, "9999"),
            (123_456.0, "123k"),
            (10_500_000.0, "10.5M"),
            (1.8e19, "18000000000.0G"),
        ];
        for (value, text) in shown {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn durations_have_three_digits() {
        let shown = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_234, "1.23 µs"),
            (43_210, "43.2 µs"),
            (999_000, "999 µs"),
            (16_700_000, "16.7 ms"),
            (2_500_000_000, "2.50 s"),
            (3_600_000_000_000, "3600 s"),
        ];
        for (ns, text) in shown {
            assert_eq!(duration(ns), text);
        }
        assert_eq!(percent(0.505), "50 %");
    }
}
