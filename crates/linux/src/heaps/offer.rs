//! What heaps promise, in the words of negotiation.

use wharf_core::constraints::Names;
use wharf_core::negotiation::{Guarantees, HeapOffer};

use super::{HeapGuarantees, Heaps};

impl From<HeapGuarantees> for Guarantees {
    /// Where memory files lie in physical memory nobody here knows, so no addresses are promised, and one run only for what fits a
    /// chunk.
    fn from(heap: HeapGuarantees) -> Self {
        let cached = heap.cached.then_some("cached");
        Self {
            chunk_bytes: heap.chunk_bytes,
            base_align_bytes: heap.chunk_bytes,
            cache_modes: cached.into_iter().collect::<Names>(),
            zeroed: heap.zeroed,
            locked: heap.locked,
            ..Self::default()
        }
    }
}

impl Heaps {
    /// What the heaps have to offer to a negotiation, at this moment.
    ///
    /// # Blocking
    /// No, but heaps may read files of `/proc` and `/sys`.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use wharf_linux::{Heaps, SystemHeap};
    ///
    /// let mut heaps = Heaps::default();
    /// heaps.add(Arc::new(SystemHeap))?;
    /// let offers = heaps.offers();
    /// assert_eq!(&*offers[0].name, "memfd");
    /// assert_eq!(offers[0].guarantees.windows, None);
    /// # Ok::<(), wharf_linux::DuplicateHeap>(())
    /// ```
    pub fn offers(&self) -> Vec<HeapOffer> {
        let offer = |heap: &std::sync::Arc<dyn super::Heap>| {
            let guarantees = heap.guarantees();
            HeapOffer {
                name: heap.name().into(),
                cost: guarantees.cost,
                capacity_bytes: guarantees.capacity_bytes,
                guarantees: guarantees.into(),
            }
        };
        self.heaps.iter().map(offer).collect()
    }
}
