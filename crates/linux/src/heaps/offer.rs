//! What heaps promise, in the words of negotiation.

use wharf_core::constraints::{Extension, ExtensionKey, MergeKind, Names, Value};
use wharf_core::negotiation::{Guarantees, HeapOffer};

use super::{HeapGuarantees, Heaps};

/// The extension that heaps understand whose memory can be a dma-buf of the kernel.
pub const DMA_BUF: &str = "wharf/dma-buf";

/// What a participant states that needs a dma-buf of the kernel, for a driver of it.
///
/// # Examples
/// ```
/// use wharf_core::constraints::Constraints;
///
/// let for_a_driver = Constraints::builder().extension(wharf_linux::needs_dma_buf()).build()?;
/// assert_eq!(for_a_driver.extensions().count(), 1);
/// # Ok::<(), wharf_core::constraints::InvalidConstraint>(())
/// ```
pub fn needs_dma_buf() -> Extension {
    let (vendor, name) = DMA_BUF.split_once('/').unwrap_or((DMA_BUF, ""));
    Extension {
        key: ExtensionKey {
            vendor: vendor.into(),
            name: name.into(),
        },
        kind: MergeKind::Or,
        must_understand: true,
        value: Value::Needed,
    }
}

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
            max_size_bytes: heap.max_size_bytes,
            extensions: heap.dma_buf.then_some(DMA_BUF).into_iter().collect::<Names>(),
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
