//! Whether a mapping may be made, and how it stays coherent.

use std::ops::Range;

use super::area::{self, Placement};
use super::state::{Claim, Purpose};
use super::{Coherency, SecondRange, UserArea, UserMappingError};
use crate::attachment::ensure_backing_unlocked;
use crate::exporter::call;
use crate::{AccessMode, DmaBuf, Wait};

/// What the exporter declares for both ranges.
#[derive(Clone, Copy)]
struct Rules {
    first: Coherency,
    second: SecondRange,
}

/// A mapping that may be made, while its pages are claimed.
pub(super) struct Agreed<'b> {
    pub(super) placement: Placement,
    pub(super) coherency: Coherency,
    pub(super) claim: Claim<'b>,
}

/// Finds out whether a mapping may be made and how it stays coherent, and claims its pages.
#[track_caller]
pub(super) fn agree<'b>(
    buffer: &'b DmaBuf,
    area: &UserArea,
    first_page: u64,
) -> Result<Agreed<'b>, UserMappingError> {
    if area.access == AccessMode::ReadWrite && buffer.access() == AccessMode::ReadOnly {
        return Err(UserMappingError::ReadOnly { buffer: buffer.id() });
    }
    if buffer.devices().is_revoked() {
        return Err(UserMappingError::Revoked { buffer: buffer.id() });
    }
    let entered = buffer.user_mappings().enter(buffer)?;
    let rules = rules(buffer)?;
    let placement = area::place(buffer, first_page, area.page_count)?;
    ask(buffer, &placement.pages, area.access)?;
    drop(entered);
    ensure_backing_unlocked(buffer, &Wait::forever()).map_err(|source| UserMappingError::Backing {
        buffer: buffer.id(),
        source: Box::new(source),
    })?;
    // Whether ranges mix is a matter of the whole buffer.
    let claimed = match rules.second {
        SecondRange::ExplicitUnlessMixed => 0..area::size_pages(buffer),
        SecondRange::SameAsFirst | SecondRange::Explicit => placement.pages.clone(),
    };
    let claim = buffer.user_mappings().take(buffer, &claimed, Purpose::Change)?;
    if buffer.devices().is_revoked() {
        // Since the first check. From here on revoking waits for the claim, and finds the mapping.
        return Err(UserMappingError::Revoked { buffer: buffer.id() });
    }
    let coherency = grant(buffer, rules, placement.second);
    if coherency != Coherency::Explicit && rules.second == SecondRange::ExplicitUnlessMixed {
        convert_explicit(buffer, coherency)?;
    }
    Ok(Agreed {
        placement,
        coherency,
        claim,
    })
}

fn rules(buffer: &DmaBuf) -> Result<Rules, UserMappingError> {
    let exporter = buffer.exporter_dyn();
    let answer = call(|| {
        let ops = exporter.user_mapping_ops();
        Ok(ops.map(|ops| Rules {
            first: ops.declare().coherency(),
            second: ops.second_range(),
        }))
    });
    match answer {
        Ok(Some(rules)) => Ok(rules),
        Ok(None) => Err(UserMappingError::Unsupported {
            buffer: buffer.id(),
            exporter: buffer.exporter_name().into(),
        }),
        Err(fault) => Err(UserMappingError::exporter(buffer, fault)),
    }
}

fn ask(buffer: &DmaBuf, pages: &Range<u64>, access: AccessMode) -> Result<(), UserMappingError> {
    let exporter = buffer.exporter_dyn();
    let allowed = call(|| {
        exporter
            .user_mapping_ops()
            .map_or(Ok(()), |ops| ops.allow(pages.clone(), access))
    });
    allowed.map_err(|fault| UserMappingError::exporter(buffer, fault))
}

fn grant(buffer: &DmaBuf, rules: Rules, second: bool) -> Coherency {
    let state = buffer.user_mappings().state();
    let mut others = state.entries.values();
    let explicit = match rules.second {
        SecondRange::SameAsFirst => false,
        SecondRange::Explicit => true,
        SecondRange::ExplicitUnlessMixed => others.all(|entry| entry.coherency == Coherency::Explicit),
    };
    match second && explicit {
        true => Coherency::Explicit,
        false => rules.first,
    }
}

/// Makes explicit mappings as those of the first range, because the exporter cannot have both.
fn convert_explicit(buffer: &DmaBuf, coherency: Coherency) -> Result<(), UserMappingError> {
    let mappings = buffer.user_mappings();
    let explicit: Vec<_> = {
        let state = mappings.state();
        let entries = state.entries.iter();
        entries
            .filter(|(_, entry)| entry.coherency == Coherency::Explicit)
            .map(|(number, entry)| {
                (
                    *number,
                    entry.backend.clone(),
                    entry.run(&entry.pages),
                    entry.access,
                )
            })
            .collect()
    };
    for (number, backend, run, access) in explicit {
        let converted = match coherency {
            Coherency::FaultTracked => backend.remove(run),
            Coherency::Coherent | Coherency::Explicit => backend.insert(run, access, coherency),
        };
        converted.map_err(|fault| UserMappingError::backend(buffer, fault))?;
        if let Some(entry) = mappings.state().entries.get_mut(&number) {
            entry.coherency = coherency;
        }
    }
    Ok(())
}
