//! Whether what a heap promises implies what is needed, field by field.

use std::collections::BTreeMap;

use super::caches::Caching;
use super::memory::Memory;
use crate::constraints::{CpuUse, Extension, ExtensionKey, Field, Names, Value};
use crate::dma::Windows;
use crate::negotiation::{Guarantees, HeapOffer};

/// A field in which a heap does not suit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) field: Field,
    pub(super) have: Option<Value>,
    pub(super) need: Value,
}

/// What is asked of heaps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) memory: &'a Memory<'a>,
    pub(super) caching: Caching<'a>,
    pub(super) extensions: &'a BTreeMap<ExtensionKey, Extension>,
    /// Whether everything that will be stated is stated: protected memory is for those who ask for it.
    pub(super) is_complete: bool,
}

/// How far a heap got that does not suit in a field: what is looked at later comes closer to a heap that suits.
pub(super) fn stage(field: Field) -> usize {
    const ORDER: [&[Field]; 5] = [
        &[Field::Heaps],
        &[
            Field::Contiguous,
            Field::MinChunk,
            Field::MaxSegments,
            Field::MaxSegmentBytes,
            Field::BoundaryMask,
        ],
        &[Field::Windows],
        &[Field::SegmentAlign, Field::BaseAlign],
        &[
            Field::CpuAccess,
            Field::CacheModes,
            Field::NoSync,
            Field::Coherency,
        ],
    ];
    let known = ORDER.iter().position(|fields| fields.contains(&field));
    known.unwrap_or(ORDER.len() + usize::from(field == Field::Protection))
}

impl Wanted<'_> {
    /// Says how the CPU's mapping would be cached in memory of the heap.
    ///
    /// # Errors
    /// The first field in which the heap does not suit. Protection comes last.
    pub(super) fn of(&self, heap: &HeapOffer) -> Result<Option<&'static str>, Refusal> {
        self.name(heap)?;
        let promises = &heap.guarantees;
        self.runs(promises)?;
        self.windows(promises)?;
        self.alignment(promises)?;
        let mode = self.caching.mode(promises);
        let mode = mode.map_err(|(field, have, need)| Refusal { field, have, need })?;
        self.kind(promises)?;
        self.size(promises)?;
        self.extensions(promises)?;
        self.protection(promises)?;
        Ok(mode)
    }

    fn name(&self, heap: &HeapOffer) -> Result<(), Refusal> {
        match self.memory.fields.get(Field::Heaps) {
            Some(need @ Value::Names(names)) if !names.contains(&heap.name) => {
                let have: Names = [heap.name.clone()].into_iter().collect();
                refuse(Field::Heaps, Value::Names(have), need.clone())
            }
            _ => Ok(()),
        }
    }

    /// Chunks that are long enough, or one run that nobody has to cut in too many pieces.
    fn runs(&self, heap: &Guarantees) -> Result<(), Refusal> {
        let Memory {
            physical,
            size_bytes,
            limits,
            fields,
            chunks_suffice,
        } = self.memory;
        if let Some(chunk) = fields.number(Field::MinChunk) {
            let have = longest_chunk(heap);
            if have < chunk {
                return refuse(Field::MinChunk, Value::Bytes(have), Value::Bytes(chunk));
            }
        }
        if *chunks_suffice && heap.chunk_bytes >= physical.min_chunk {
            return Ok(());
        }
        if heap.contiguous {
            let failing = limits.iter().find_map(|limits| {
                let field = limits.failing_run(*size_bytes, base_align(heap), heap.windows.as_ref())?;
                Some((field, limits))
            });
            return match failing {
                None => Ok(()),
                Some((field, limits)) => {
                    let need = limits.fields().find(|(stated, _)| *stated == field);
                    let need = need.map_or(Value::Bytes(physical.run_align), |(_, need)| need);
                    refuse(field, Value::Bytes(base_align(heap)), need)
                }
            };
        }
        if *chunks_suffice && !physical.is_one_run() {
            let (have, need) = (heap.chunk_bytes, physical.min_chunk);
            return refuse(Field::MinChunk, Value::Bytes(have), Value::Bytes(need));
        }
        Err(Refusal {
            field: Field::Contiguous,
            have: None,
            need: Value::Needed,
        })
    }

    fn windows(&self, heap: &Guarantees) -> Result<(), Refusal> {
        let Some(need) = &self.memory.physical.windows else {
            return Ok(());
        };
        let all = Windows::all();
        let have = heap.windows.as_ref().unwrap_or(&all);
        if have.intersection(need) == *have {
            return Ok(());
        }
        Err(Refusal {
            field: Field::Windows,
            have: heap.windows.clone().map(Value::Windows),
            need: Value::Windows(need.clone()),
        })
    }

    fn alignment(&self, heap: &Guarantees) -> Result<(), Refusal> {
        let physical = &self.memory.physical;
        let base = base_align(heap);
        for (field, need) in [
            (Field::SegmentAlign, physical.run_align),
            (Field::BaseAlign, physical.base_align),
        ] {
            if base < need {
                return refuse(field, Value::Bytes(base), Value::Bytes(need));
            }
        }
        Ok(())
    }

    fn kind(&self, heap: &Guarantees) -> Result<(), Refusal> {
        for (field, has) in [
            (Field::NoBounce, !heap.bounces),
            (Field::Zeroed, heap.zeroed),
            (Field::Locked, heap.locked),
        ] {
            if self.memory.fields.needs(field) && !has {
                return Err(Refusal {
                    field,
                    have: None,
                    need: Value::Needed,
                });
            }
        }
        Ok(())
    }

    fn size(&self, heap: &Guarantees) -> Result<(), Refusal> {
        if self.memory.size_bytes <= heap.max_size_bytes {
            return Ok(());
        }
        let (have, need) = (heap.max_size_bytes, self.memory.size_bytes);
        refuse(Field::MaxSize, Value::Bytes(have), Value::Bytes(need))
    }

    fn extensions(&self, heap: &Guarantees) -> Result<(), Refusal> {
        for (key, extension) in self.extensions {
            let name = key.to_string();
            if extension.must_understand && !heap.extensions.contains(&name) {
                let have = Value::Names(heap.extensions.clone());
                return refuse(Field::Extension, have, Value::Text(name.into()));
            }
        }
        Ok(())
    }

    fn protection(&self, heap: &Guarantees) -> Result<(), Refusal> {
        let stated = match self.memory.fields.get(Field::Protection) {
            Some(Value::Text(scheme)) => Some(&**scheme),
            _ => None,
        };
        let by_cpu = self.caching.cpu != CpuUse::Never;
        let need = match stated {
            Some(scheme) if *scheme != *heap.protection => scheme,
            None if self.is_complete => "none",
            _ if by_cpu => "none",
            _ => return Ok(()),
        };
        if *heap.protection == *need {
            return Ok(());
        }
        let have = Value::Text(heap.protection.clone());
        refuse(Field::Protection, have, Value::Text(need.into()))
    }
}

fn refuse<T>(field: Field, have: Value, need: Value) -> Result<T, Refusal> {
    Err(Refusal {
        field,
        have: Some(have),
        need,
    })
}

/// What the first byte of a buffer lies at a multiple of.
fn base_align(heap: &Guarantees) -> u64 {
    heap.base_align_bytes.max(heap.chunk_bytes)
}

/// The longest chunks that the memory surely consists of: one run is as many of them as its alignment allows.
fn longest_chunk(heap: &Guarantees) -> u64 {
    if heap.contiguous {
        base_align(heap)
    } else {
        heap.chunk_bytes
    }
}
