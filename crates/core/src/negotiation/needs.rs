//! What participants state, one statement at a time.

use std::ops::Range;

use super::{FieldPath, HeapOffer, Participant, Policy};
use crate::constraints::{
    Constraints, Extension, Field, FormatKey, ImageConstraints, MAX_ENTRIES, Record, Value,
};
use crate::dma::Translation;

/// How many values are merged in the time of one merge.
const VALUES_PER_MERGE: usize = 256;

/// Who states something: indices into the participants sorted by number, their functions and the alternatives of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Speaker {
    pub(crate) participant: usize,
    pub(crate) function: usize,
    pub(crate) alternative: usize,
}

/// One statement: what is merged, blamed and relaxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) who: Speaker,
    pub(crate) path: FieldPath,
    pub(crate) what: Stated,
}

/// What is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stated {
    /// A value of a field.
    Value(Value),
    /// The formats to choose from, best first. What is needed of each is stated besides.
    Formats(Vec<FormatKey>),
    /// A vendor's field.
    Extension(Extension),
}

/// All that an outcome depends on besides needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// All participants, sorted by number.
    pub(crate) participants: &'a [&'a Participant],
    /// The heaps, sorted by name.
    pub(crate) heaps: &'a [&'a HeapOffer],
    /// What the provider allows.
    pub(crate) policy: &'a Policy,
}

/// The needs of several participants.
#[derive(Debug)]
pub(crate) struct Needs {
    all: Vec<Need>,
    speakers: Vec<(Speaker, Range<usize>)>,
}

impl Need {
    /// What it takes to merge it, in single values. What is said of formats that are not said whole is merged into each of them.
    pub(crate) fn weight(&self) -> usize {
        let values = match &self.what {
            Stated::Formats(list) => {
                let parts = list.iter().filter(|key| !key.is_concrete()).count();
                return list.len() + parts.saturating_mul(MAX_ENTRIES);
            }
            Stated::Value(value) => value.weight(),
            Stated::Extension(extension) => extension.value.weight(),
        };
        let in_part = self.path.format.as_ref().is_some_and(|key| !key.is_concrete());
        values.saturating_mul(if in_part { MAX_ENTRIES } else { 1 })
    }
}

/// What it takes to merge needs besides the first few, in merges.
pub(crate) fn work<'n>(needs: impl IntoIterator<Item = &'n Need>) -> u64 {
    let values = needs.into_iter().map(Need::weight);
    let values = values.fold(0, usize::saturating_add);
    u64::try_from(values / VALUES_PER_MERGE).unwrap_or(u64::MAX)
}

impl Needs {
    /// Returns all needs of all alternatives.
    pub(crate) fn all(&self) -> &[Need] {
        &self.all
    }

    /// Returns the needs of one alternative.
    pub(crate) fn of(&self, who: Speaker) -> &[Need] {
        match self.speakers.binary_search_by_key(&who, |(speaker, _)| *speaker) {
            Ok(found) => &self.all[self.speakers[found].1.clone()],
            Err(_) => &[],
        }
    }

    /// Returns the needs as they would be if each were another, or none.
    pub(crate) fn edited(&self, edit: impl Fn(&Need) -> Option<Need>) -> Self {
        let mut edited = Self {
            all: Vec::with_capacity(self.all.len()),
            speakers: Vec::with_capacity(self.speakers.len()),
        };
        for (speaker, range) in &self.speakers {
            let first = edited.all.len();
            edited
                .all
                .extend(self.all[range.clone()].iter().filter_map(&edit));
            edited.speakers.push((*speaker, first..edited.all.len()));
        }
        edited
    }

    /// Returns all alternatives of all functions, in order.
    pub(crate) fn speakers(&self) -> impl Iterator<Item = Speaker> {
        self.speakers.iter().map(|(speaker, _)| *speaker)
    }
}

/// Takes apart what participants state. They are sorted by number.
///
/// How a device's addresses come from physical ones is no need but a fact, which [`Surroundings`] have: without it a device would
/// be another. What an IOMMU reaches, and its pages, are needs; so is that what an offset moves stays within 64 bits.
pub(crate) fn needs_of(participants: &[&Participant]) -> Needs {
    let mut needs = Needs {
        all: Vec::new(),
        speakers: Vec::new(),
    };
    for (participant, what) in participants.iter().enumerate() {
        for (function, does) in what.functions.iter().enumerate() {
            for (alternative, way) in does.alternatives.iter().enumerate() {
                let who = Speaker {
                    participant,
                    function,
                    alternative,
                };
                let first = needs.all.len();
                statements(who, &way.constraints, &mut needs.all);
                needs.speakers.push((who, first..needs.all.len()));
            }
        }
    }
    needs
}

fn statements(who: Speaker, constraints: &Constraints, needs: &mut Vec<Need>) {
    let mut state = |path: FieldPath, what| needs.push(Need { who, path, what });
    for (field, value) in constraints.dma().fields() {
        if value != Value::Translation(Translation::PHYSICAL) {
            state(FieldPath::from(field), Stated::Value(value));
        }
    }
    for (field, value) in constraints.memory().iter().chain(constraints.set().iter()) {
        state(FieldPath::from(field), Stated::Value(value.clone()));
    }
    if !constraints.images().is_empty() {
        let formats = constraints.images().iter().map(|image| image.key.clone());
        state(FieldPath::from(Field::Format), Stated::Formats(formats.collect()));
    }
    for image in constraints.images() {
        of_image(image, &mut state);
    }
    for extension in constraints.extensions() {
        let path = FieldPath {
            extension: Some(extension.key.clone()),
            ..FieldPath::from(Field::Extension)
        };
        state(path, Stated::Extension(extension.clone()));
    }
}

fn of_image(image: &ImageConstraints, state: &mut impl FnMut(FieldPath, Stated)) {
    let mut record = |record: &Record, plane| {
        for (field, value) in record.iter() {
            let path = FieldPath {
                field,
                format: Some(image.key.clone()),
                plane,
                extension: None,
            };
            state(path, Stated::Value(value.clone()));
        }
    };
    record(&image.image, None);
    record(&image.every_plane, None);
    for (number, plane) in image.planes.iter().enumerate() {
        record(plane, Some(number));
    }
}

impl From<Field> for FieldPath {
    /// The path of a field that is stated of everything alike.
    fn from(field: Field) -> Self {
        Self {
            field,
            format: None,
            plane: None,
            extension: None,
        }
    }
}
