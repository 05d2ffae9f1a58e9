//! What needs come to, field by field, before anything is fixed.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::formats::{Candidate, covers, restricted};
use super::{Failure, FailureKind};
use crate::AccessMode;
use crate::constraints::{
    CpuUse, Extension, ExtensionKey, Field, MergeKind, Record, Scope, Unmergeable, Value, merge,
};
use crate::dma::{Coherency, DmaLimits, Translation, Window};
use crate::negotiation::FieldPath;
use crate::negotiation::needs::{Need, Speaker, Stated, Surroundings};

/// How many formats are laid out in the time of one merge.
const FORMATS_PER_MERGE: usize = 64;

/// How many sizes are laid out in the time that one takes with everything around it.
const SIZES_PER_FORMAT: usize = 8;

/// What a participant has to do with caches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Role {
    pub(super) uses_cpu: bool,
    pub(super) needs_sync: bool,
    pub(super) cannot_sync: bool,
    pub(super) writes: bool,
}

/// What needs come to. Cheap to copy, so that a search can go back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Merged {
    /// Fields of the memory and of the set; but for what is summed up.
    pub(super) fields: Record,
    pub(super) camping: u64,
    pub(super) dedicated_slack: u64,
    pub(super) limits: Rc<BTreeSet<DmaLimits>>,
    /// The formats left; `None` if nobody said that there is a picture.
    pub(super) formats: Option<Vec<Rc<Candidate>>>,
    pub(super) extensions: Rc<BTreeMap<ExtensionKey, Extension>>,
    /// By participant.
    pub(super) roles: Rc<Vec<Role>>,
}

impl Merged {
    /// Adds all that one alternative states.
    pub(crate) fn add<'n>(
        &mut self,
        needs: impl Iterator<Item = &'n Need> + Clone,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), Failure> {
        self.add_formats(needs.clone())?;
        self.add_fields(needs, surroundings)
    }

    /// Adds lists of formats: these come before what is needed of each format.
    pub(super) fn add_formats<'n>(&mut self, needs: impl Iterator<Item = &'n Need>) -> Result<(), Failure> {
        for need in needs {
            if let Stated::Formats(list) = &need.what {
                let left = restricted(self.formats.as_deref(), list);
                if left.is_empty() {
                    return Err(Failure::new(
                        FieldPath::from(Field::Format),
                        FailureKind::Conflict,
                    ));
                }
                self.formats = Some(left);
            }
        }
        Ok(())
    }

    /// Leaves out formats of which not everything is said, if others remain: nobody can lay them out.
    pub(super) fn drop_unsaid_formats(&mut self) {
        if let Some(formats) = &mut self.formats
            && formats.iter().any(|candidate| candidate.key.is_concrete())
        {
            formats.retain(|candidate| candidate.key.is_concrete());
        }
    }

    /// What it takes to work out its points, in merges.
    pub(crate) fn work(&self) -> u64 {
        let formats = self.formats.iter().flatten();
        let layouts: usize = formats.map(|format| 1 + format.sizes() / SIZES_PER_FORMAT).sum();
        u64::try_from(layouts / FORMATS_PER_MERGE).unwrap_or(u64::MAX)
    }

    /// Adds everything else, in the order of speakers.
    pub(super) fn add_fields<'n>(
        &mut self,
        needs: impl Iterator<Item = &'n Need>,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), Failure> {
        let mut device: Option<(Speaker, Vec<(Field, &Value)>)> = None;
        for need in needs {
            match &need.what {
                Stated::Formats(_) => {}
                Stated::Extension(extension) => self.add_extension(need, extension)?,
                Stated::Value(value) if need.path.format.is_some() => self.add_of_format(need, value)?,
                Stated::Value(value) if need.path.field.scope() == Scope::Device => match &mut device {
                    Some((who, fields)) if *who == need.who => fields.push((need.path.field, value)),
                    _ => {
                        let before = device.replace((need.who, vec![(need.path.field, value)]));
                        self.add_device(before, surroundings)?;
                    }
                },
                Stated::Value(value) => self.add_value(need, value, surroundings)?,
            }
        }
        self.add_device(device, surroundings)
    }

    fn add_value(
        &mut self,
        need: &Need,
        value: &Value,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), Failure> {
        let field = need.path.field;
        if field.merge_kind() == MergeKind::Sum {
            let sum = if field == Field::Camping {
                &mut self.camping
            } else {
                &mut self.dedicated_slack
            };
            let more = value.number().unwrap_or(0);
            *sum = sum
                .checked_add(more)
                .ok_or_else(|| Failure::new(need.path.clone(), FailureKind::Overflow))?;
            return Ok(());
        }
        match value {
            Value::CpuUse(CpuUse::Rarely | CpuUse::Often) => {
                self.role(need.who, surroundings, |role| role.uses_cpu = true);
            }
            _ if field == Field::NoSync => self.role(need.who, surroundings, |role| role.cannot_sync = true),
            _ => {}
        }
        join(&mut self.fields, field, value, || need.path.clone())
    }

    fn add_extension(&mut self, need: &Need, extension: &Extension) -> Result<(), Failure> {
        let merged = match self.extensions.get(&extension.key) {
            Some(before) => before
                .merged(extension)
                .map_err(|error| Failure::unmergeable(need.path.clone(), &error))?,
            None => extension.clone(),
        };
        Rc::make_mut(&mut self.extensions).insert(extension.key.clone(), merged);
        Ok(())
    }

    /// A format in which nothing satisfies everybody is left out; that is a failure when none remains.
    fn add_of_format(&mut self, need: &Need, value: &Value) -> Result<(), Failure> {
        let (Some(formats), Some(key)) = (&mut self.formats, &need.path.format) else {
            return Ok(());
        };
        let mut failure = None;
        if key.is_concrete() {
            // The list is in the order of keys.
            if let Ok(place) = formats.binary_search_by(|candidate| candidate.key.cmp(key))
                && let Err(why) = Rc::make_mut(&mut formats[place]).join(need, value)
            {
                formats.remove(place);
                failure = Some(why);
            }
        } else {
            formats.retain_mut(|candidate| {
                if !covers(key, &candidate.key) {
                    return true;
                }
                let outcome = Rc::make_mut(candidate).join(need, value);
                outcome.map_err(|why| failure = Some(why)).is_ok()
            });
        }
        match failure {
            Some(failure) if formats.is_empty() => Err(failure),
            _ => Ok(()),
        }
    }

    fn add_device(
        &mut self,
        device: Option<(Speaker, Vec<(Field, &Value)>)>,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), Failure> {
        let Some((who, fields)) = device else {
            return Ok(());
        };
        let needs_sync = Value::Coherency(Coherency::NeedsSync);
        if fields.contains(&(Field::Coherency, &needs_sync)) {
            self.role(who, surroundings, |role| role.needs_sync = true);
        }
        let fact = translation_of(who, surroundings).map(Value::Translation);
        let addressing = fields.into_iter().filter(|(field, _)| *field != Field::Coherency);
        let stated = fact
            .iter()
            .map(|fact| (Field::Translation, fact))
            .chain(addressing);
        let limits = DmaLimits::default()
            .with_fields(stated)
            .map_err(|error| Failure::new(FieldPath::from(error.field()), FailureKind::Conflict))?;
        if !self.limits.contains(&limits) {
            Rc::make_mut(&mut self.limits).insert(limits);
        }
        Ok(())
    }

    fn role(&mut self, who: Speaker, surroundings: &Surroundings<'_>, change: impl FnOnce(&mut Role)) {
        let roles = Rc::make_mut(&mut self.roles);
        if roles.len() <= who.participant {
            roles.resize(
                surroundings.participants.len().max(who.participant + 1),
                Role::default(),
            );
        }
        let participant = surroundings.participants.get(who.participant);
        roles[who.participant].writes =
            participant.is_some_and(|participant| participant.access == AccessMode::ReadWrite);
        change(&mut roles[who.participant]);
    }
}

/// How a device's addresses come from physical ones, without what it needs for that.
fn translation_of(who: Speaker, surroundings: &Surroundings<'_>) -> Option<Translation> {
    let participant = surroundings.participants.get(who.participant)?;
    let alternative = participant
        .functions
        .get(who.function)?
        .alternatives
        .get(who.alternative)?;
    Some(match alternative.constraints.dma().translation()? {
        Translation::Iommu { coalesce, .. } => Translation::Iommu {
            aperture: Window {
                first: 0,
                last: u64::MAX,
            },
            page_bytes: crate::PAGE_BYTES,
            coalesce,
        },
        direct @ Translation::Direct { .. } => direct,
    })
}

/// Puts one more value into a record; `path` says where it is stated.
pub(super) fn join(
    record: &mut Record,
    field: Field,
    value: &Value,
    path: impl FnOnce() -> FieldPath,
) -> Result<(), Failure> {
    match record.get(field) {
        Some(before) if before == value => return Ok(()),
        Some(before) => {
            let merged = merge(field, before, value).map_err(|error| Failure::unmergeable(path(), &error))?;
            record.set(field, merged);
        }
        None => record.set(field, value.clone()),
    }
    Ok(())
}

impl Failure {
    pub(super) fn new(path: FieldPath, kind: FailureKind) -> Self {
        Self {
            path: Box::new(path),
            kind,
        }
    }

    fn unmergeable(path: FieldPath, error: &Unmergeable) -> Self {
        let kind = if error.overflow {
            FailureKind::Overflow
        } else {
            FailureKind::Conflict
        };
        Self::new(path, kind)
    }
}
