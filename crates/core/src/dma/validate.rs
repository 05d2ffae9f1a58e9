//! Limits that nothing could satisfy.

use crate::{Errno, PAGE_BYTES};

use super::limits::NUMBERS;
use super::{DmaLimits, Field, Translation, Value, Windows};

/// Why limits are impossible by themselves, whatever the memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// A value means nothing.
    #[error("{field} of {value}; use {need}")]
    Invalid {
        /// The field.
        field: Field,
        /// Its value.
        value: Value,
        /// What it has to be.
        need: &'static str,
    },
    /// Two fields contradict each other.
    #[error("{field} of {value} leaves nothing to {other} of {other_value}; {need}")]
    Impossible {
        /// One field.
        field: Field,
        /// Its value.
        value: Value,
        /// The other field.
        other: Field,
        /// Its value.
        other_value: Value,
        /// What they have to be.
        need: &'static str,
    },
}

impl LimitsError {
    /// Returns EINVAL.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }

    /// Returns the field that is wrong; of two that contradict each other, the first in the order of [`Field`].
    pub fn field(&self) -> Field {
        match self {
            Self::Invalid { field, .. } => *field,
            Self::Impossible { field, other, .. } => (*field).min(*other),
        }
    }
}

/// Checks limits and brings them into their one form: windows in whole pages.
pub(super) fn checked(mut limits: DmaLimits) -> Result<DmaLimits, LimitsError> {
    if let Some(windows) = &mut limits.windows {
        let pages = windows.pages();
        if pages.is_empty() {
            let value = Value::Windows(windows.clone());
            return Err(invalid(Field::Windows, value, "at least one whole page"));
        }
        *windows = pages;
    }
    for field in NUMBERS {
        if let Some(number) = limits.number(field) {
            check_number(field, number)?;
        }
    }
    if let Some(translation) = limits.translation {
        check_translation(translation)?;
    }
    check_lengths(&limits)?;
    check_offset(&limits)?;
    check_reach(&limits)?;
    Ok(limits)
}

fn invalid(field: Field, value: Value, need: &'static str) -> LimitsError {
    LimitsError::Invalid { field, value, need }
}

fn check_number(field: Field, number: u64) -> Result<(), LimitsError> {
    let (good, need) = match field {
        Field::MaxSegments => (number > 0, "at least 1"),
        Field::MaxSegmentBytes => (number >= PAGE_BYTES, "at least a page of 4096 bytes"),
        Field::BoundaryMask => (
            number >= PAGE_BYTES - 1 && number.wrapping_add(1) & number == 0,
            "2^k - 1 of at least 0xfff",
        ),
        Field::BaseAlign | Field::SegmentAlign | Field::LengthGranule => {
            (number.is_power_of_two(), "a power of two")
        }
        _ => (true, ""),
    };
    if good {
        return Ok(());
    }
    let value = Value::of_number(field, number).unwrap_or(Value::Needed);
    Err(invalid(field, value, need))
}

fn check_translation(translation: Translation) -> Result<(), LimitsError> {
    let (good, need) = match translation {
        Translation::Direct { offset_bytes } => (
            offset_bytes.unsigned_abs().is_multiple_of(PAGE_BYTES),
            "an offset in whole pages of 4096 bytes",
        ),
        Translation::Iommu { page_bytes, .. } if !page_bytes.is_power_of_two() || page_bytes < PAGE_BYTES => {
            (false, "pages of a power of two, at least 4096 bytes")
        }
        Translation::Iommu { aperture, .. } => (
            aperture.room(PAGE_BYTES, PAGE_BYTES) > 0,
            "an aperture of at least one whole page",
        ),
    };
    if good {
        return Ok(());
    }
    Err(invalid(Field::Translation, Value::Translation(translation), need))
}

/// A segment must be able to hold one unit of length.
fn check_lengths(limits: &DmaLimits) -> Result<(), LimitsError> {
    let block_bytes = limits.boundary_mask().map(|mask| mask.saturating_add(1));
    for (bound, length) in [
        (Field::MaxSegmentBytes, limits.max_segment_bytes()),
        (Field::BoundaryMask, block_bytes),
    ] {
        if length.is_some_and(|length| length < limits.length_granule()) {
            let need = "a segment has to be at least as long as its unit";
            return Err(impossible(limits, bound, Field::LengthGranule, need));
        }
    }
    Ok(())
}

/// What is aligned, or divides evenly, in memory has to do so for the device.
fn check_offset(limits: &DmaLimits) -> Result<(), LimitsError> {
    let Some(Translation::Direct { offset_bytes }) = limits.translation else {
        return Ok(());
    };
    for align in [Field::BaseAlign, Field::SegmentAlign, Field::LengthGranule] {
        let number = limits.number(align).unwrap_or(1);
        if !offset_bytes.unsigned_abs().is_multiple_of(number) {
            let need = "the offset has to be a multiple of the alignment";
            return Err(impossible(limits, Field::Translation, align, need));
        }
    }
    Ok(())
}

/// Something has to be reached at all.
fn check_reach(limits: &DmaLimits) -> Result<(), LimitsError> {
    let reach = match limits.translation_or_physical() {
        Translation::Direct { .. } => limits.physical_windows().unwrap_or_else(Windows::all),
        Translation::Iommu { .. } => limits.reach(),
    };
    let need = "some memory has to be reached";
    if reach.is_empty() {
        return Err(impossible(limits, Field::Windows, Field::Translation, need));
    }
    let bounding = if limits.windows.is_some() {
        Field::Windows
    } else {
        Field::Translation
    };
    for (align, field) in [
        (limits.base_align(), Field::BaseAlign),
        (limits.segment_align(), Field::SegmentAlign),
    ] {
        let room = |granule| reach.rooms(align, granule).any(|room| room > 0);
        if !room(PAGE_BYTES) {
            let by = if limits.number(field).is_some() {
                field
            } else {
                Field::SegmentAlign
            };
            return Err(impossible(limits, bounding, by, need));
        }
        if !room(limits.length_granule()) {
            return Err(impossible(limits, bounding, Field::LengthGranule, need));
        }
    }
    Ok(())
}

fn impossible(limits: &DmaLimits, field: Field, other: Field, need: &'static str) -> LimitsError {
    let value_of = |wanted| {
        limits
            .fields()
            .find_map(|(field, value)| (field == wanted).then_some(value))
            .unwrap_or_else(|| match wanted {
                Field::Translation => Value::Translation(Translation::PHYSICAL),
                _ => Value::Windows(Windows::all()),
            })
    };
    LimitsError::Impossible {
        field,
        value: value_of(field),
        other,
        other_value: value_of(other),
        need,
    }
}
