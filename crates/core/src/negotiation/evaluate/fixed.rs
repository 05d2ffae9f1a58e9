//! One point out of what needs come to.

use std::cell::RefCell;
use std::rc::Rc;

use super::caches::{Caching, Maintenance};
use super::counts::Counts;
use super::formats::Candidate;
use super::heaps::{Refusal, Wanted, stage};
use super::memory::{Memory, sized};
use super::merged::Merged;
use super::picture::{Layout, Picture};
use super::{Failure, FailureKind};
use crate::constraints::{CpuUse, Field, FormatKey, Record, Value};
use crate::negotiation::needs::Surroundings;
use crate::negotiation::{FieldPath, HeapMisfit, HeapOffer, ImagePlan, MemoryPlan};

/// Added to how scarce a heap is that is known to have too little: it is asked last.
const TOO_LITTLE: u64 = 1 << 32;

/// A point, as far as the search compares it.
#[derive(Debug, Clone)]
pub(crate) struct Fixed<'a> {
    /// How scarce the memory of the heaps is that are asked first, together.
    pub(crate) scarcity: u64,
    /// The bytes of all buffers.
    pub(crate) total_bytes: u64,
    pub(super) counts: Counts,
    candidate: Option<Rc<Candidate>>,
    picture: Option<Picture>,
    memories: Vec<Placed<'a>>,
}

/// A memory, and where it comes from.
#[derive(Debug, Clone)]
struct Placed<'a> {
    size_bytes: u64,
    min_chunk: u64,
    mode: Option<&'static str>,
    /// In the order to ask them.
    heaps: Vec<&'a HeapOffer>,
    /// How scarce the first is.
    scarcity: u64,
}

/// How far needs got before they failed: of several formats, the one that got furthest is reported.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Picture,
    Memory,
    Heaps,
}

/// Which of the points for what needs come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The best, of all that will be stated.
    Best,
    /// One that is at least as good as any when more is stated.
    Bound,
}

/// Works out the points of all formats that are left, the best first as far as `scarcity` and `total_bytes` say.
///
/// There is at least one.
pub(crate) fn points<'a>(
    merged: &Merged,
    surroundings: &Surroundings<'a>,
    asked: Asked,
) -> Result<Vec<Fixed<'a>>, Failure> {
    let counts = Counts::of(merged, surroundings.policy)?;
    let not_understood = merged.extensions.values().find(|extension| {
        let name = extension.key.to_string();
        let mut heaps = surroundings.heaps.iter();
        extension.must_understand && !heaps.any(|heap| heap.guarantees.extensions.contains(&name))
    });
    if let Some(extension) = not_understood {
        let path = FieldPath {
            extension: Some(extension.key.clone()),
            ..FieldPath::from(Field::Extension)
        };
        return Err(Failure::new(
            path,
            FailureKind::NotUnderstood(extension.key.clone()),
        ));
    }
    let fixing = Fixing {
        merged,
        surroundings,
        asked,
        counts,
        maintenance: Maintenance::of(&merged.roles),
        known: RefCell::new(Vec::new()),
    };
    fixing.points()
}

struct Fixing<'m, 'a> {
    merged: &'m Merged,
    surroundings: &'m Surroundings<'a>,
    asked: Asked,
    counts: Counts,
    maintenance: Maintenance,
    /// What was found for memories that are taken so far.
    known: RefCell<Vec<Known<'a>>>,
}

type Known<'a> = (Vec<(Record, u64)>, Vec<Placed<'a>>);

impl<'a> Fixing<'_, 'a> {
    fn points(&self) -> Result<Vec<Fixed<'a>>, Failure> {
        let Some(formats) = &self.merged.formats else {
            if self.merged.fields.number(Field::MinSize).is_none() {
                return Err(self.unsaid(Field::MinSize));
            }
            let point = self.point(None).map_err(|(_, failure)| failure)?;
            return Ok(vec![point]);
        };
        let is_said = |candidate: &&Rc<Candidate>| candidate.key.is_concrete();
        if !formats.iter().any(|candidate| is_said(&candidate))
            || (self.asked == Asked::Bound && !formats.iter().all(|candidate| is_said(&candidate)))
        {
            return Err(self.unsaid(Field::Format));
        }
        let (mut points, mut failed) = (Vec::new(), None);
        for candidate in formats.iter().filter(is_said) {
            match self.point(Some(candidate)) {
                Ok(point) => points.push(point),
                // Somebody else could say it.
                Err((_, failure)) if failure.kind == FailureKind::Underconstrained => {
                    return Err(self.unsaid(failure.path.field));
                }
                Err((stage, failure)) => {
                    if failed.as_ref().is_none_or(|(furthest, _)| stage > *furthest) {
                        failed = Some((stage, failure));
                    }
                }
            }
        }
        match failed {
            Some((_, failure)) if points.is_empty() => Err(failure),
            _ => {
                points.sort_by_key(|point| (point.scarcity, point.total_bytes));
                Ok(points)
            }
        }
    }

    /// The failure of needs that somebody has to add to. What fails whatever the size of the buffer is said first.
    fn unsaid(&self, field: Field) -> Failure {
        match self.point(None) {
            Err((_, failure)) if field != Field::Protection => failure,
            _ => underconstrained(field),
        }
    }

    fn point(&self, candidate: Option<&Rc<Candidate>>) -> Result<Fixed<'a>, (Stage, Failure)> {
        let picture = match candidate {
            Some(candidate) => Some(
                Layout::of(candidate)
                    .and_then(|layout| layout.picture())
                    .map_err(|failure| (Stage::Picture, failure))?,
            ),
            None => None,
        };
        let plain = [(Record::new(), 1)];
        let taken = picture.as_ref().map_or(&plain[..], |picture| &picture.memories);
        let memories = self.memories(taken, candidate)?;
        let size_bytes = memories.iter().map(|memory| memory.size_bytes).sum();
        Ok(Fixed {
            scarcity: memories.iter().map(|memory| memory.scarcity).sum(),
            // It was worked out before.
            total_bytes: u64::saturating_mul(size_bytes, self.counts.total.into()),
            counts: self.counts,
            candidate: candidate.cloned(),
            picture,
            memories,
        })
    }

    /// Finds the sizes of memories and where they come from. Formats whose pictures are equally large have the same.
    fn memories(
        &self,
        taken: &[(Record, u64)],
        candidate: Option<&Rc<Candidate>>,
    ) -> Result<Vec<Placed<'a>>, (Stage, Failure)> {
        if let Some((_, known)) = self.known.borrow().iter().find(|(of, _)| of == taken) {
            return Ok(known.clone());
        }
        let of_memory = |failure| (Stage::Memory, failure);
        let memories = sized(self.merged, taken, self.surroundings).map_err(of_memory)?;
        let size_bytes = memories.iter().map(|memory| memory.size_bytes).sum();
        self.counts
            .check_total(self.merged, self.surroundings, size_bytes)
            .map_err(of_memory)?;
        let placed: Result<Vec<Placed<'a>>, Failure> = memories
            .iter()
            .map(|memory| self.placed(memory, candidate))
            .collect();
        let placed = placed.map_err(|failure| (Stage::Heaps, failure))?;
        self.known.borrow_mut().push((taken.to_vec(), placed.clone()));
        Ok(placed)
    }

    /// Finds the heaps that suit: those that have enough first, the cheaper before the dearer, then by name.
    fn placed(&self, memory: &Memory<'_>, candidate: Option<&Rc<Candidate>>) -> Result<Placed<'a>, Failure> {
        let wanted = Wanted {
            memory,
            caching: self.caching(memory),
            extensions: &self.merged.extensions,
            is_complete: self.asked == Asked::Best,
        };
        let requested_bytes = memory.size_bytes.saturating_mul(self.counts.total.into());
        let mut suiting = Vec::new();
        let mut misfits = Vec::new();
        for heap in self.surroundings.heaps.iter().copied() {
            match wanted.of(heap) {
                Ok(mode) => {
                    let has_enough = heap.capacity_bytes.is_none_or(|bytes| bytes >= requested_bytes);
                    let scarcity = u64::from(heap.cost) + if has_enough { 0 } else { TOO_LITTLE };
                    suiting.push((scarcity, heap, mode));
                }
                Err(refusal) => misfits.push(misfit(heap, refusal)),
            }
        }
        suiting.sort_by(|one, other| (one.0, &one.1.name).cmp(&(other.0, &other.1.name)));
        let Some(&(scarcity, _, mode)) = suiting.first() else {
            return Err(no_heap(misfits, memory, candidate));
        };
        suiting.retain(|(.., other)| *other == mode);
        Ok(Placed {
            size_bytes: memory.size_bytes,
            min_chunk: memory
                .physical
                .min_chunk
                .max(memory.fields.number(Field::MinChunk).unwrap_or(0)),
            mode,
            heaps: suiting.into_iter().map(|(_, heap, _)| heap).collect(),
            scarcity,
        })
    }

    fn caching<'m>(&self, memory: &'m Memory<'_>) -> Caching<'m> {
        Caching {
            modes: match memory.fields.get(Field::CacheModes) {
                Some(Value::Names(modes)) => Some(modes),
                _ => None,
            },
            cpu: match memory.fields.get(Field::CpuAccess) {
                Some(Value::CpuUse(cpu_use)) => *cpu_use,
                _ => CpuUse::Never,
            },
            maintenance: self.maintenance,
        }
    }
}

impl Fixed<'_> {
    pub(crate) fn format(&self) -> Option<&FormatKey> {
        self.candidate.as_ref().map(|candidate| &candidate.key)
    }

    pub(super) fn is_cached(&self) -> bool {
        let cached = Some(crate::constraints::CACHE_MODES[0]);
        self.memories.iter().any(|memory| memory.mode == cached)
    }

    pub(super) fn memories(&self) -> Vec<MemoryPlan> {
        let plan = |memory: &Placed<'_>| MemoryPlan {
            size_bytes: memory.size_bytes,
            min_chunk_bytes: memory.min_chunk,
            cache_mode: memory.mode.map(Box::from),
            heaps: memory.heaps.iter().map(|heap| heap.name.clone()).collect(),
        };
        self.memories.iter().map(plan).collect()
    }

    pub(super) fn image(&self) -> Option<ImagePlan> {
        let (candidate, picture) = (self.candidate.as_ref()?, self.picture.as_ref()?);
        Some(ImagePlan {
            format: candidate.key.clone(),
            size: picture.size,
            required: picture.required.clone(),
            planes: picture.planes.clone(),
            color_space: match candidate.image.get(Field::ColorSpaces) {
                Some(Value::Names(names)) => names.iter().next().map(Box::from),
                _ => None,
            },
            alpha: match candidate.image.get(Field::Alpha) {
                Some(Value::Text(alpha)) => Some(alpha.clone()),
                _ => None,
            },
        })
    }
}

fn underconstrained(field: Field) -> Failure {
    Failure::new(FieldPath::from(field), FailureKind::Underconstrained)
}

fn misfit(heap: &HeapOffer, refusal: Refusal) -> HeapMisfit {
    HeapMisfit {
        heap: heap.name.clone(),
        field: refusal.field,
        have: refusal.have,
        need: refusal.need,
        who: Vec::new(),
    }
}

/// Protected memory is there, but nobody asks for it: somebody has to.
fn no_heap(misfits: Vec<HeapMisfit>, memory: &Memory<'_>, candidate: Option<&Rc<Candidate>>) -> Failure {
    let is_open = !memory.fields.needs(Field::Protection) && !memory.fields.needs(Field::CpuAccess);
    if is_open && misfits.iter().any(|misfit| misfit.field == Field::Protection) {
        return underconstrained(Field::Protection);
    }
    let closest = misfits.iter().rev().max_by_key(|misfit| stage(misfit.field));
    let field = closest.map_or(Field::Heaps, |misfit| misfit.field);
    let path = FieldPath {
        format: candidate.map(|candidate| candidate.key.clone()),
        ..FieldPath::from(field)
    };
    Failure::new(path, FailureKind::NoHeap(misfits))
}
