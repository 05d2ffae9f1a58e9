//! Participants and reports to try things with.

use wharf_core::constraints::{Field, FormatKey, Tiling, Value};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{Blame, FieldPath, Member, ParticipantId, Report, ReportKind};

/// A modifier that is not linear.
pub(crate) const TILED: Modifier = Modifier::from_raw(0x0100_0000_0000_0002);

pub(crate) fn format(fourcc: Fourcc, modifier: Modifier) -> FormatKey {
    FormatKey {
        fourcc: Some(fourcc),
        tiling: Some(Tiling::Explicit(modifier)),
    }
}

pub(crate) fn names<const N: usize>(names: [&str; N]) -> Value {
    Value::Names(names.into_iter().collect())
}

pub(crate) fn addresses(first: u64, last: u64) -> Value {
    Value::Windows([first..=last].into_iter().collect())
}

/// Somebody with a function.
pub(crate) fn who(id: u64, label: &str, function: &str) -> Blame {
    Blame {
        participant: Some(ParticipantId(id)),
        label: label.into(),
        pid: Some(4000 + u32::try_from(id).expect("small")),
        device: None,
        function: Some(function.into()),
        alternative: None,
        source: None,
    }
}

pub(crate) fn path(field: Field) -> FieldPath {
    FieldPath {
        field,
        format: None,
        plane: None,
        extension: None,
    }
}

pub(crate) fn member(who: Blame, field: Field, value: Value) -> Member {
    Member {
        who,
        path: path(field),
        value,
    }
}

pub(crate) fn only(kind: ReportKind) -> Report {
    Report::from(kind)
}
