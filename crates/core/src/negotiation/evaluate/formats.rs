//! Which formats are left, and what is needed of each.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Failure;
use super::merged::join;
use crate::constraints::{Field, FormatKey, Record, Scope, Value};
use crate::negotiation::FieldPath;
use crate::negotiation::needs::Need;

/// A format that suits everybody's list so far.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) key: FormatKey,
    /// What is needed of the picture.
    pub(super) image: Record,
    /// What is needed of every plane.
    every_plane: Record,
    /// What is needed of single planes besides.
    planes: Vec<Record>,
}

impl Candidate {
    fn of(key: FormatKey) -> Self {
        Self {
            key,
            image: Record::new(),
            every_plane: Record::new(),
            planes: Vec::new(),
        }
    }

    /// Adds what is needed of this format.
    pub(super) fn join(&mut self, need: &Need, value: &Value) -> Result<(), Failure> {
        let field = need.path.field;
        let record = match (need.path.plane, field.scope()) {
            (Some(plane), _) => {
                if self.planes.len() <= plane {
                    self.planes.resize(plane + 1, Record::new());
                }
                &mut self.planes[plane]
            }
            (None, Scope::Plane) => &mut self.every_plane,
            (None, _) => &mut self.image,
        };
        join(record, field, value, || FieldPath {
            format: Some(self.key.clone()),
            ..need.path.clone()
        })
    }

    /// How many sizes pictures have to have room for.
    pub(super) fn sizes(&self) -> usize {
        self.image.get(Field::RequiredSizes).map_or(0, Value::weight)
    }

    /// What is needed of one plane altogether.
    pub(super) fn plane(&self, plane: usize) -> Result<Record, Failure> {
        let mut record = self.every_plane.clone();
        for (field, value) in self.planes.get(plane).into_iter().flat_map(Record::iter) {
            join(&mut record, field, value, || FieldPath {
                field,
                format: Some(self.key.clone()),
                plane: Some(plane),
                extension: None,
            })?;
        }
        Ok(record)
    }
}

/// The formats that are also in a list, in the order of their keys.
pub(super) fn restricted(formats: Option<&[Rc<Candidate>]>, list: &[FormatKey]) -> Vec<Rc<Candidate>> {
    let Some(formats) = formats else {
        let keys: BTreeSet<&FormatKey> = list.iter().collect();
        return keys
            .into_iter()
            .map(|key| Rc::new(Candidate::of(key.clone())))
            .collect();
    };
    let mut left = Vec::with_capacity(formats.len());
    for candidate in formats {
        if candidate.key.is_concrete() {
            if list.iter().any(|key| covers(key, &candidate.key)) {
                left.push(Rc::clone(candidate));
            }
        } else {
            let common = list.iter().filter_map(|key| key.common(&candidate.key));
            left.extend(common.map(|key| {
                Rc::new(Candidate {
                    key,
                    ..Candidate::clone(candidate)
                })
            }));
        }
    }
    left.sort_by(|one, other| one.key.cmp(&other.key));
    left
}

/// Says whether everything that is said of one key holds for another.
pub(super) fn covers(general: &FormatKey, key: &FormatKey) -> bool {
    let same_format = general.fourcc.is_none() || general.fourcc == key.fourcc;
    same_format && (general.tiling.is_none() || general.tiling == key.tiling)
}
