//! Whether memory that is there suits a participant: field by field, with nothing in common with how it was negotiated.
//!
//! It is the test of a late joiner, of a buffer that somebody brings along, and of plans. What a heap does not promise, and nobody
//! knows better, is not there.

mod actual;
mod counts;
mod image;
mod matching;
mod memory;
mod promise;

use super::{Alternative, Blame, Choice, FieldPath, Function, Misfit, Participant};
use crate::constraints::{Field, FormatKey, Value};

pub use actual::{ActualBuffer, ActualMemory, Neighbor};
pub use matching::{exactly, must_match};

/// What there is and what is needed instead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unsuitable {
    path: FieldPath,
    have: Value,
    need: Value,
}

type Verdict = Result<(), Box<Unsuitable>>;

/// Checks whether a buffer suits a participant as it is, and returns in which way each of its functions would work: the first that
/// suits, as long as there are buffers enough for all of them.
///
/// # Errors
/// [`Misfit`]: some function works in no way. It is that of the way the function would like best. EBUSY to the kernel's callers.
///
/// # References
/// Reference 4.4.1. Contract: N5.
///
/// # Examples
/// ```
/// use wharf_core::constraints::{Constraints, Field};
/// use wharf_core::dma::{DmaLimits, PhysicalRun, Storage};
/// use wharf_core::negotiation::{ActualBuffer, ActualMemory, Function, Guarantees, Participant, ParticipantId, suits};
///
/// let display = DmaLimits::builder().address_mask(0x3fff_ffff).build()?;
/// let display = Participant::new(ParticipantId(1), "display")
///     .function(Function::new("primary", Constraints::builder().dma(display).build()?));
/// let storage = Storage::new([PhysicalRun { address: 0x8000_0000, length_bytes: 0x10000 }])?;
/// let system = Guarantees::default();
/// let mut memory = ActualMemory::new("system", &system, 0x10000);
/// memory.storage = Some(&storage);
/// let misfit = suits(&ActualBuffer::new(vec![memory], 4), &display).unwrap_err();
/// assert_eq!((misfit.who.label.as_ref(), misfit.path.field), ("display", Field::Windows));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn suits(buffer: &ActualBuffer<'_>, participant: &Participant) -> Result<Vec<Choice>, Box<Misfit>> {
    let functions: Vec<Ways<'_>> = participant
        .functions
        .iter()
        .map(|function| Ways::of(buffer, participant, function))
        .collect::<Result<_, _>>()?;
    let mut left = counts::left_for(&functions);
    let mut free = u64::from(buffer.free);
    let mut choices = Vec::with_capacity(functions.len());
    for function in &functions {
        left -= function.fewest();
        let chosen = function.first_within(free.saturating_sub(left));
        let (way, need) = chosen.ok_or_else(|| function.too_few(participant, free.saturating_sub(left)))?;
        free -= need;
        choices.push(Choice {
            participant: participant.id,
            function: function.function.name.clone(),
            alternative: way.label.clone(),
        });
    }
    Ok(choices)
}

/// The ways of a function that a buffer suits, each with how many buffers it counts on; never none.
struct Ways<'a> {
    function: &'a Function,
    suitable: Vec<(&'a Alternative, u64)>,
}

impl<'a> Ways<'a> {
    fn of(
        buffer: &ActualBuffer<'_>,
        participant: &Participant,
        function: &'a Function,
    ) -> Result<Self, Box<Misfit>> {
        let mut suitable = Vec::new();
        let mut best_misfit = None;
        for alternative in &function.alternatives {
            match check(buffer, alternative) {
                Ok(()) => suitable.push((alternative, counts::counted_on(buffer, alternative))),
                Err(unsuitable) if best_misfit.is_none() => {
                    best_misfit = Some(unsuitable.of(blame(participant, function, Some(alternative))));
                }
                Err(_) => {}
            }
        }
        match best_misfit {
            Some(misfit) if suitable.is_empty() => Err(misfit),
            _ => Ok(Self { function, suitable }),
        }
    }

    fn fewest(&self) -> u64 {
        self.suitable.iter().map(|(_, need)| *need).min().unwrap_or(0)
    }

    fn first_within(&self, free: u64) -> Option<(&'a Alternative, u64)> {
        self.suitable.iter().copied().find(|(_, need)| *need <= free)
    }

    fn too_few(&self, participant: &Participant, free: u64) -> Box<Misfit> {
        let fewest = self.suitable.iter().min_by_key(|(_, need)| *need);
        let unsuitable = Unsuitable::new(
            Field::Camping,
            Value::Buffers(free),
            Value::Buffers(self.fewest()),
        );
        unsuitable.of(blame(participant, self.function, fewest.map(|(way, _)| *way)))
    }
}

/// Checks everything that one way of working needs, but for the buffers that it shares with other functions.
fn check(buffer: &ActualBuffer<'_>, alternative: &Alternative) -> Verdict {
    let constraints = &alternative.constraints;
    for memory in &buffer.memories {
        memory::check_device(memory, constraints.dma())?;
        memory::check_fields(memory, constraints.memory())?;
        memory::check_extensions(memory, constraints)?;
    }
    memory::check_size(buffer.size_bytes(), constraints.memory())?;
    memory::check_sync(buffer, constraints)?;
    image::check(buffer, constraints)?;
    counts::check(buffer, constraints.set())
}

impl Unsuitable {
    fn new(field: Field, have: Value, need: Value) -> Box<Self> {
        Box::new(Self {
            path: FieldPath {
                field,
                format: None,
                plane: None,
                extension: None,
            },
            have,
            need,
        })
    }

    /// The same of one format, and of a plane of it.
    fn in_image(mut self: Box<Self>, format: &FormatKey, plane: Option<usize>) -> Box<Self> {
        self.path.format = Some(format.clone());
        self.path.plane = plane;
        self
    }

    fn of(self, who: Blame) -> Box<Misfit> {
        Box::new(Misfit {
            who,
            path: self.path,
            have: self.have,
            need: self.need,
        })
    }
}

/// Fails with what there is and what is needed, unless it is `good`.
fn ensure(good: bool, field: Field, have: impl FnOnce() -> Value, need: impl FnOnce() -> Value) -> Verdict {
    if good {
        return Ok(());
    }
    Err(Unsuitable::new(field, have(), need()))
}

fn blame(participant: &Participant, function: &Function, alternative: Option<&Alternative>) -> Blame {
    let several = alternative.filter(|_| function.alternatives.len() > 1);
    Blame {
        function: Some(function.name.clone()),
        alternative: several.map(|alternative| alternative.label.clone()),
        ..participant.into()
    }
}
