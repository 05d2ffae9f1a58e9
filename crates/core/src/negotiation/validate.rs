//! Participants and heaps that make no sense by themselves.

use crate::text::is_name;
use std::collections::HashSet;

use super::{HeapOffer, Participant};
use crate::constraints::{CACHE_MODES, MAX_NAME_BYTES, Value};
use crate::{Errno, PAGE_BYTES};

/// Most functions of one participant.
pub const MAX_FUNCTIONS: usize = 64;
/// Most alternatives of one function.
pub const MAX_ALTERNATIVES: usize = 64;

/// Why a participant makes no sense by itself. Blame: who declares it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidParticipant {
    /// A label or name is empty, too long, or has control characters.
    #[error("{what} {name:?}: use 1 to {MAX_NAME_BYTES} bytes without control characters")]
    Name {
        /// What it names.
        what: &'static str,
        /// The name.
        name: Box<str>,
    },
    /// It does nothing, or nothing in no way.
    #[error("{what} of {label} is empty; give at least one")]
    Nothing {
        /// The list that is empty.
        what: &'static str,
        /// Of whom.
        label: Box<str>,
    },
    /// A list is too long.
    #[error("{label} has {count} {what}; at most {most} are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// Of whom.
        label: Box<str>,
        /// How many.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two functions of a participant have one name.
    #[error("{label} has two functions named {function}")]
    FunctionTwice {
        /// Whose.
        label: Box<str>,
        /// Their name.
        function: Box<str>,
    },
    /// Two alternatives of a function have one label.
    #[error("{label} has two alternatives {alternative} of {function}")]
    AlternativeTwice {
        /// Whose.
        label: Box<str>,
        /// The function.
        function: Box<str>,
        /// Their label.
        alternative: Box<str>,
    },
    /// It has no number.
    #[error("{label:?} has no id; give each participant one of its own")]
    NoId {
        /// Who.
        label: Box<str>,
    },
    /// It is said to be late where there is nobody else to be later than.
    #[error("{label} cannot be late by itself; only the file of a set can say who is")]
    Late {
        /// Who.
        label: Box<str>,
    },
    /// Two participants have one number.
    #[error("two participants have the number {id}")]
    SameId {
        /// The number.
        id: u64,
    },
}

impl InvalidParticipant {
    /// Returns EINVAL.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

/// Why a heap makes no sense by itself. Blame: who offers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHeap {
    /// Its name is empty, too long, or has control characters.
    #[error("the heap {name:?}: use 1 to {MAX_NAME_BYTES} bytes without control characters")]
    Name {
        /// The name.
        name: Box<str>,
    },
    /// A promise means nothing.
    #[error("the heap {heap} promises {promise} of {value}; use {need}")]
    Promise {
        /// Whose.
        heap: Box<str>,
        /// Which.
        promise: &'static str,
        /// What it says.
        value: Value,
        /// What it has to be.
        need: &'static str,
    },
    /// Two heaps have one name.
    #[error("two heaps are named {name}")]
    SameName {
        /// Their name.
        name: Box<str>,
    },
}

impl InvalidHeap {
    /// Returns EINVAL.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

impl HeapOffer {
    /// Checks that it has a name and that its promises mean something.
    ///
    /// # Errors
    /// [`InvalidHeap`], EINVAL.
    pub fn checked(self) -> Result<Self, InvalidHeap> {
        heap(&self)?;
        Ok(self)
    }
}

pub(super) fn participants<'a>(
    participants: impl IntoIterator<Item = &'a Participant>,
) -> Result<(), InvalidParticipant> {
    let mut ids = HashSet::new();
    for one in participants {
        participant(one)?;
        if !ids.insert(one.id) {
            return Err(InvalidParticipant::SameId { id: one.id.0 });
        }
    }
    Ok(())
}

pub(super) fn heaps(heaps: &[HeapOffer]) -> Result<(), InvalidHeap> {
    let mut names = HashSet::with_capacity(heaps.len());
    for one in heaps {
        heap(one)?;
        if !names.insert(&one.name) {
            return Err(InvalidHeap::SameName {
                name: one.name.clone(),
            });
        }
    }
    Ok(())
}

fn heap(heap: &HeapOffer) -> Result<(), InvalidHeap> {
    if !is_name(&heap.name) {
        return Err(InvalidHeap::Name {
            name: heap.name.clone(),
        });
    }
    let promise = |promise, value, need| {
        Err(InvalidHeap::Promise {
            heap: heap.name.clone(),
            promise,
            value,
            need,
        })
    };
    let guarantees = &heap.guarantees;
    let units = [
        ("chunks", guarantees.chunk_bytes),
        ("an alignment", guarantees.base_align_bytes),
    ];
    for (what, bytes) in units {
        if !bytes.is_power_of_two() || bytes < PAGE_BYTES {
            return promise(
                what,
                Value::Bytes(bytes),
                "a power of two of at least a page of 4096 bytes",
            );
        }
    }
    if guarantees.max_size_bytes < PAGE_BYTES {
        let size = Value::Bytes(guarantees.max_size_bytes);
        return promise("buffers", size, "at least a page of 4096 bytes");
    }
    if let Some(windows) = guarantees.windows.as_ref().filter(|windows| windows.is_empty()) {
        return promise(
            "windows",
            Value::Windows(windows.clone()),
            "at least one, or none at all",
        );
    }
    if !guarantees
        .cache_modes
        .iter()
        .all(|mode| CACHE_MODES.contains(&mode))
    {
        let modes = Value::Names(guarantees.cache_modes.clone());
        return promise("cache modes", modes, "cached, write_combined and uncached");
    }
    if !is_name(&guarantees.protection) {
        let scheme = Value::Text(guarantees.protection.clone());
        return promise("protection", scheme, "1 to 256 bytes without control characters");
    }
    Ok(())
}

pub(super) fn participant(participant: &Participant) -> Result<(), InvalidParticipant> {
    let label = &participant.label;
    name("the label", label)?;
    if let Some(device) = &participant.device {
        name("the device", device)?;
    }
    if let Some(source) = &participant.source {
        name("the source", source)?;
    }
    list("functions", label, participant.functions.len(), MAX_FUNCTIONS)?;
    let mut names = HashSet::new();
    for function in &participant.functions {
        name("the function", &function.name)?;
        if !names.insert(&function.name) {
            return Err(InvalidParticipant::FunctionTwice {
                label: label.clone(),
                function: function.name.clone(),
            });
        }
        let alternatives = &function.alternatives;
        list("alternatives", label, alternatives.len(), MAX_ALTERNATIVES)?;
        let mut labels = HashSet::new();
        for alternative in alternatives {
            name("the alternative", &alternative.label)?;
            if !labels.insert(&alternative.label) {
                return Err(InvalidParticipant::AlternativeTwice {
                    label: label.clone(),
                    function: function.name.clone(),
                    alternative: alternative.label.clone(),
                });
            }
        }
    }
    Ok(())
}

pub(crate) fn name(what: &'static str, name: &str) -> Result<(), InvalidParticipant> {
    if is_name(name) {
        return Ok(());
    }
    Err(InvalidParticipant::Name {
        what,
        name: name.into(),
    })
}

fn list(what: &'static str, label: &str, count: usize, most: usize) -> Result<(), InvalidParticipant> {
    let label = label.into();
    match count {
        0 => Err(InvalidParticipant::Nothing { what, label }),
        count if count > most => Err(InvalidParticipant::TooMany {
            what,
            label,
            count,
            most,
        }),
        _ => Ok(()),
    }
}
