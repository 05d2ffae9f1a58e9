//! How people read names, fields and values.

use std::fmt;

use super::Role;
use super::page::Spans;
use crate::constraints::{Field, MergeKind, Value};
use crate::dma::Windows;
use crate::negotiation::{Blame, FieldPath, Member, Reason};

/// How many items of a list are told.
const LISTED: usize = 6;
/// From how many bytes on a number is told in larger units, too.
const LARGE: u64 = 4096;

impl fmt::Display for Blame {
    /// Writes the label, with the function and the alternative where they are known: `display.scanout (copy)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)?;
        if let Some(function) = &self.function {
            write!(f, ".{function}")?;
        }
        if let Some(alternative) = &self.alternative {
            write!(f, " ({alternative})")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldPath {
    /// Writes the field, and what it is of: `min_stride_bytes of plane 1 of NV12:linear`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.extension {
            Some(key) => write!(f, "{key}")?,
            None => self.field.fmt(f)?,
        }
        if let Some(plane) = self.plane {
            write!(f, " of plane {plane}")?;
        }
        match &self.format {
            Some(format) => write!(f, " of {format}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Member {
    /// Writes who needs what: `encoder.encode needs max_segments at most 4 segments`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} needs ", self.who)?;
        stated(f, &self.path, &self.value)
    }
}

impl fmt::Display for Reason {
    /// Writes what it came to: `windows inside 0x0..=0x3fffffff (0 to 1 GiB)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        stated(f, &self.path, &self.value)
    }
}

/// Writes a field and what is demanded of it.
fn stated(f: &mut fmt::Formatter<'_>, path: &FieldPath, value: &Value) -> fmt::Result {
    write!(f, "{path}")?;
    let phrase = phrase(path.field, value);
    if phrase.is_empty() {
        return Ok(());
    }
    write!(f, " {phrase}")
}

/// The value with its unit, in larger units too where that is exact.
pub(super) fn amount(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => bytes_told(*bytes),
        Value::Windows(windows) => windows_told(windows),
        Value::Names(names) => {
            let all: Vec<&str> = names.iter().collect();
            match all.len().checked_sub(LISTED + 1) {
                Some(more) => format!("{} and {} more", all[..LISTED].join(", "), more + 1),
                None => value.to_string(),
            }
        }
        other => other.to_string(),
    }
}

/// What a value demands, in the words of the table: `at most 4 segments`. Empty if the field says it all.
pub(super) fn phrase(field: Field, value: &Value) -> String {
    match (field.merge_kind(), value) {
        (_, Value::Needed) => String::new(),
        (MergeKind::Sum, value)
        | (_, value @ (Value::Translation(_) | Value::Coherency(_) | Value::CpuUse(_))) => amount(value),
        (_, value) => format!("{} {}", field.relation(), amount(value)),
    }
}

/// A number of bytes: `2097152 bytes (2 MiB)`.
pub(super) fn bytes_told(bytes: u64) -> String {
    let plain = Value::Bytes(bytes);
    match large(bytes).filter(|_| bytes >= LARGE) {
        Some(large) => format!("{plain} ({large})"),
        None => plain.to_string(),
    }
}

/// The number in the largest unit in which it is whole; `None` if it is not whole in any.
fn large(bytes: u64) -> Option<String> {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let (shift, unit) = units
        .into_iter()
        .find(|(shift, _)| bytes >> shift > 0 && bytes.trailing_zeros() >= *shift)?;
    Some(format!("{} {unit}", bytes >> shift))
}

/// Addresses: `0x0..=0x3fffffff (0 to 1 GiB)`.
fn windows_told(windows: &Windows) -> String {
    let [window] = windows.as_slice() else {
        return windows.to_string();
    };
    let edge = |bytes: u64| {
        if bytes == 0 {
            Some("0".to_owned())
        } else {
            large(bytes)
        }
    };
    let end = window.last.checked_add(1).and_then(edge);
    match edge(window.first).zip(end) {
        Some((first, end)) => format!("{window} ({first} to {end})"),
        None => window.to_string(),
    }
}

/// A participant, a heap or the system, by name.
pub(super) fn name(who: &Blame) -> Spans {
    Spans::of(Role::Name, who)
}

/// Several of them.
pub(super) fn names(who: &[Blame]) -> Spans {
    Spans::joined(who.iter().map(name), ", ")
}

/// How to find who it is: process, device, place of description.
pub(super) fn details(who: &Blame) -> Spans {
    let known = [
        who.pid.map(|pid| format!("pid {pid}")),
        who.device.as_ref().map(|device| format!("device {device}")),
        who.source.as_ref().map(|source| source.to_string()),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    Spans::of(Role::Detail, known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constraints::Names;

    #[test]
    fn bytes_are_told_in_larger_units_where_that_is_exact() {
        let told = [
            0,
            1,
            64,
            2048,
            4096,
            3_133_440,
            3_133_441,
            1 << 21,
            3 << 30,
            1 << 40,
        ]
        .map(bytes_told);
        let expected = [
            "0 bytes",
            "1 byte",
            "64 bytes",
            "2048 bytes",
            "4096 bytes (4 KiB)",
            "3133440 bytes (3060 KiB)",
            "3133441 bytes",
            "2097152 bytes (2 MiB)",
            "3221225472 bytes (3 GiB)",
            "1099511627776 bytes (1 TiB)",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn addresses_are_told_by_their_ends_where_these_are_round() {
        let told = |ranges: &[(u64, u64)]| {
            let windows: Windows = ranges.iter().map(|(first, last)| *first..=*last).collect();
            amount(&Value::Windows(windows))
        };
        assert_eq!(told(&[(0, 0x3fff_ffff)]), "0x0..=0x3fffffff (0 to 1 GiB)");
        assert_eq!(
            told(&[(0x4000_0000, 0xffff_ffff)]),
            "0x40000000..=0xffffffff (1 GiB to 4 GiB)"
        );
        assert_eq!(told(&[(0, u64::MAX)]), "0x0..=0xffffffffffffffff");
        assert_eq!(told(&[(0, 9), (20, 29)]), "0x0..=0x9 and 0x14..=0x1d");
    }

    #[test]
    fn long_lists_are_cut() {
        let list = |count: u32| {
            let names: Names = (0..count).map(|number| number.to_string()).collect();
            amount(&Value::Names(names))
        };
        assert_eq!(list(6), "0, 1, 2, 3, 4, 5");
        assert_eq!(list(8), "0, 1, 2, 3, 4, 5 and 2 more");
    }
}
