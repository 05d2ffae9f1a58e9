//! The needs of all participants together.

use std::fmt;

use crate::Errno;

use super::physical::Physical;
use super::{Coherency, DmaLimits, Field, Need, Place, Storage, Value, Violation, Windows};

/// What the memory of a buffer has to be like to suit all participants, with who needs what. Made by
/// [`collate`](super::collate).
///
/// Addresses are physical. Memory is right when [`Requirements::allows`] says so; the other methods guide to it. Chunks of
/// [`Requirements::min_chunk_bytes`], the first of them at a multiple of [`Requirements::base_align_bytes`], in
/// [`Requirements::windows`] are always right.
///
/// # Examples
/// ```
/// use wharf_core::dma::{self, DmaLimits, Field, PhysicalRun, Storage};
///
/// let gpu = DmaLimits::builder().max_segments(16).build()?;
/// let display = DmaLimits::builder().address_mask(0x3fff_ffff).build()?;
/// let needs = dma::collate([("gpu", &gpu), ("display", &display)], 3_133_440)?;
/// assert_eq!(needs.min_chunk_bytes(), Some(256 * 1024));
/// assert!(needs.needs(Field::MinChunk).all(|need| &*need.who == "gpu"));
///
/// let high = Storage::new([PhysicalRun { address: 0x4000_0000, length_bytes: 3_133_440 }])?;
/// let unsuitable = needs.allows(&high).unwrap_err();
/// assert_eq!(
///     unsuitable.to_string(),
///     "memory does not suit display: windows: segment 0 at 0x40000000..=0x402fcfff is not inside 0x0..=0x3fffffff"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    size_bytes: u64,
    parties: Box<[(Box<str>, DmaLimits)]>,
    needs: Box<[Need]>,
    physical: Physical,
    chunks_suffice: bool,
}

/// Memory that does not suit a participant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("memory does not suit {who}: {violation}")]
pub struct Unsuitable {
    /// Whom.
    pub who: Box<str>,
    /// In what.
    pub violation: Violation,
}

impl Unsuitable {
    /// Returns EBUSY, as [`Violation::errno`] does.
    pub fn errno(&self) -> Errno {
        self.violation.errno()
    }
}

impl Requirements {
    pub(super) fn new(
        size_bytes: u64,
        parties: &[(&str, &DmaLimits)],
        mut needs: Vec<Need>,
        chunks_suffice: bool,
    ) -> Self {
        needs.sort_unstable();
        needs.dedup();
        Self {
            size_bytes,
            parties: parties
                .iter()
                .map(|(who, limits)| (Box::from(*who), (*limits).clone()))
                .collect(),
            physical: Physical::of(&needs),
            needs: needs.into_boxed_slice(),
            chunks_suffice,
        }
    }

    /// Returns the size of the buffer, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the physical addresses that all reach; `None` for all of 64 bits.
    pub fn windows(&self) -> Option<&Windows> {
        self.physical.windows.as_ref()
    }

    /// Returns how many runs the memory may have at most.
    pub fn max_segments(&self) -> Option<u64> {
        self.physical.runs.map(|(_, most)| most)
    }

    /// Says whether the memory has to be one run.
    pub fn is_contiguous(&self) -> bool {
        self.max_segments() == Some(1)
    }

    /// Returns what the first run's address is a multiple of, in bytes.
    pub fn base_align_bytes(&self) -> u64 {
        self.physical.base_align
    }

    /// Returns what every run's address is a multiple of, in bytes.
    pub fn segment_align_bytes(&self) -> u64 {
        self.physical.run_align
    }

    /// Returns what every run's length is a multiple of, in bytes.
    pub fn length_granule_bytes(&self) -> u64 {
        self.physical.run_granule
    }

    /// Returns a power of two of bytes: memory in chunks of it, or of a multiple, each at a multiple of it and only the last one
    /// shorter, becomes no more segments than anybody allows. `None`: there is none, but memory in other chunks may do.
    pub fn min_chunk_bytes(&self) -> Option<u64> {
        self.chunks_suffice.then_some(self.physical.min_chunk)
    }

    /// Returns whether somebody does not see the CPU's caches.
    pub fn coherency(&self) -> Coherency {
        let needs_sync = self
            .needs(Field::Coherency)
            .any(|need| need.value == Value::Coherency(Coherency::NeedsSync));
        if needs_sync {
            Coherency::NeedsSync
        } else {
            Coherency::Snoops
        }
    }

    /// Returns who needs something of `field`, and what.
    pub fn needs(&self, field: Field) -> impl Iterator<Item = &Need> {
        self.needs.iter().filter(move |need| need.field == field)
    }

    /// Says whether memory suits everybody.
    ///
    /// # Errors
    /// [`Unsuitable`], EBUSY: whom it does not suit, and in what; of several, the first in the alphabet.
    pub fn allows(&self, storage: &Storage) -> Result<(), Unsuitable> {
        if storage.size_bytes() != self.size_bytes {
            let violation = Violation {
                field: Field::Size,
                have: Value::Bytes(storage.size_bytes()),
                need: Value::Bytes(self.size_bytes),
                place: Place::Whole,
            };
            return Err(Unsuitable {
                who: "the buffer".into(),
                violation,
            });
        }
        for (who, limits) in &self.parties {
            let outcome = limits.check_storage(storage);
            outcome.map_err(|violation| Unsuitable {
                who: who.clone(),
                violation,
            })?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.size_bytes)?;
        for need in self.needs.iter().filter(|need| need.field != Field::MinChunk) {
            write!(f, "; {need}")?;
        }
        Ok(())
    }
}
