//! The table itself, against the list of kinds that the algebra has.

use std::collections::BTreeSet;

use proptest::prelude::*;
use wharf_core::constraints::{Field, MergeKind};

use crate::random::{for_every_field, value};

/// Fields by how they merge. A kind that is wrong in the table is wrong here, too, or this test fails.
const KINDS: [(MergeKind, &[&str]); 10] = [
    (
        MergeKind::Min,
        &[
            "max_segments",
            "max_segment_bytes",
            "max_size_bytes",
            "max_width",
            "max_height",
            "max_pixels",
            "max_stride_bytes",
            "max_buffers",
            "max_total_bytes",
        ],
    ),
    (
        MergeKind::Max,
        &[
            // Lower bounds.
            "min_size_bytes",
            "min_width",
            "min_height",
            "min_stride_bytes",
            "tail_pad_bytes",
            "min_buffers",
            "min_chunk_bytes",
            // Divisors that are powers of two.
            "base_align_bytes",
            "segment_align_bytes",
            "length_granule_bytes",
            "page_granule_bytes",
            // Shared.
            "shared_slack",
            // The most demanding of a scale.
            "coherency",
            "cpu_access",
        ],
    ),
    (
        MergeKind::Lcm,
        &[
            "size_align_bytes",
            "width_align",
            "height_align",
            "rows_align",
            "stride_align_bytes",
            "offset_align_bytes",
            "plane_size_align_bytes",
        ],
    ),
    (MergeKind::And, &["boundary_mask"]),
    (
        MergeKind::Intersection,
        &["windows", "heaps", "cache_modes", "color_spaces", "format"],
    ),
    (
        MergeKind::Or,
        &["contiguous", "no_bounce", "no_sync", "zeroed", "locked"],
    ),
    (
        MergeKind::Equal,
        &[
            "translation",
            "size_bytes",
            "protection",
            "alpha",
            "plane_memory",
            "extension",
        ],
    ),
    (MergeKind::Sum, &["camping", "dedicated_slack"]),
    (MergeKind::Union, &["required_sizes"]),
    (MergeKind::Rules, &["stride_rules"]),
];

#[test]
fn kinds_are_those_of_the_algebra() {
    for (kind, names) in KINDS {
        let of_kind: BTreeSet<&str> = Field::ALL
            .iter()
            .filter(|field| field.merge_kind() == kind)
            .map(|field| field.name())
            .collect();
        assert_eq!(of_kind, names.iter().copied().collect(), "{kind:?}");
    }
    let listed: usize = KINDS.iter().map(|(_, names)| names.len()).sum();
    assert_eq!(listed, Field::ALL.len());
}

#[test]
fn names_lead_to_their_fields() {
    let names: BTreeSet<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    assert_eq!(names.len(), Field::ALL.len());
    for field in Field::ALL.iter().copied() {
        assert_eq!(Field::from_name(field.name()), Some(field));
        assert_eq!(field.to_string(), field.name());
        assert!(
            field
                .name()
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '_')
        );
    }
    assert_eq!(Field::from_name("stride"), None);
    assert_eq!(Field::from_name(""), None);
}

#[test]
fn values_are_shown_in_one_line() {
    for_every_field(value, |_, value| {
        let shown = value.to_string();
        prop_assert!(
            !shown.is_empty() && !shown.contains(char::is_control),
            "{:?}",
            shown
        );
        Ok(())
    });
}

#[test]
fn fields_of_bytes_say_so_in_their_names() {
    for field in Field::ALL.iter().copied() {
        let counts_bytes = matches!(field.value_type(), wharf_core::constraints::ValueType::Bytes);
        assert_eq!(field.name().ends_with("_bytes"), counts_bytes, "{field}");
    }
}
