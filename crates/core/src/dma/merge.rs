//! One device's limits out of those of its functions.

use super::limits::NUMBERS;
use super::{Conflict, DmaLimits, Field, Need, Value, validate};
use crate::constraints::merge_numbers;

/// Merges limits that hold in the same address space, as those of the functions of one device.
///
/// The order does not matter, neither for the result nor for the conflict.
///
/// # Errors
/// [`Conflict`]: no memory could suit all, whatever the buffer's size.
///
/// # Examples
/// ```
/// use wharf_core::dma::{self, DmaLimits};
///
/// let scanout = DmaLimits::builder().address_mask(0x3fff_ffff).contiguous().build()?;
/// let overlay = DmaLimits::builder().address_mask(0xffff_ffff).segment_align_bytes(65536).build()?;
/// let both = dma::merge([("scanout", &scanout), ("overlay", &overlay)])?;
/// assert_eq!(both.windows(), scanout.windows());
/// assert_eq!(both.segment_align_bytes(), Some(65536));
/// assert!(both.is_contiguous());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn merge<'a>(parties: impl IntoIterator<Item = (&'a str, &'a DmaLimits)>) -> Result<DmaLimits, Conflict> {
    let needs: Vec<Need> = parties
        .into_iter()
        .flat_map(|(who, limits)| limits.stated_by(who))
        .collect();
    fold(&needs).map_err(|_| Conflict::smallest(needs, None, |needs| fold(needs).err()))
}

impl DmaLimits {
    /// All fields that are set, as needs of `who`.
    pub(super) fn stated_by(&self, who: &str) -> impl Iterator<Item = Need> {
        self.fields().map(move |(field, value)| Need {
            field,
            who: who.into(),
            value,
        })
    }
}

/// Puts limits together; the field in which they contradict each other if they do.
pub(super) fn fold(needs: &[Need]) -> Result<DmaLimits, Field> {
    let mut merged = DmaLimits::default();
    for need in needs {
        add(&mut merged, need)?;
    }
    validate::checked(merged).map_err(|error| error.field())
}

fn add(merged: &mut DmaLimits, need: &Need) -> Result<(), Field> {
    match &need.value {
        Value::Windows(windows) => {
            merged.windows = Some(match &merged.windows {
                Some(others) => others.intersection(windows),
                None => windows.clone(),
            });
        }
        Value::Translation(translation) => {
            if merged.translation.is_some_and(|other| other != *translation) {
                return Err(Field::Translation);
            }
            merged.translation = Some(*translation);
        }
        value => {
            let Some(number) = value.number() else {
                return Ok(());
            };
            let slot = NUMBERS.iter().position(|field| *field == need.field);
            let Some(slot) = slot.map(|slot| &mut merged.numbers[slot]) else {
                return Ok(());
            };
            let kind = need.field.merge_kind();
            let merged = slot.map_or(Some(number), |other| merge_numbers(kind, number, other));
            *slot = Some(merged.ok_or(need.field)?);
        }
    }
    Ok(())
}
