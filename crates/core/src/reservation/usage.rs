//! What a fence on a reservation means for others.

use crate::DataDirection;

/// What the work behind a fence does to the buffer; stronger first.
///
/// # References
/// `enum dma_resv_usage` (include/linux/dma-resv.h, v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Usage {
    /// Management of the memory itself: moving, clearing. Everybody always waits for it.
    Kernel,
    /// It writes.
    Write,
    /// It reads.
    Read,
    /// It only needs the memory to stay where it is; it orders nobody's access.
    Bookkeep,
}

impl Usage {
    /// All usages, stronger first.
    pub const ALL: [Self; 4] = [Self::Kernel, Self::Write, Self::Read, Self::Bookkeep];

    /// Returns the usage whose fences the CPU must wait for before it accesses a buffer in this direction: a writer for
    /// readers and writers, a reader for writers.
    ///
    /// ```
    /// use wharf_core::{DataDirection, Usage};
    /// assert_eq!(Usage::before_cpu_access(DataDirection::ToDevice), Usage::Read);
    /// assert_eq!(Usage::before_cpu_access(DataDirection::FromDevice), Usage::Write);
    /// ```
    ///
    /// # References
    /// `dma_resv_usage_rw` (include/linux/dma-resv.h, v6.12).
    pub fn before_cpu_access(direction: DataDirection) -> Self {
        if direction.cpu_writes() {
            Self::Read
        } else {
            Self::Write
        }
    }
}
