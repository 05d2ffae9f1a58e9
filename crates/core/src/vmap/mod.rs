//! Mapping a whole buffer for the CPU of this process, counted.
//!
//! | State | Left by | Exporter is called |
//! |---|---|---|
//! | idle | first [`Vmap`] | `vmap` |
//! | mapped, n guards | n + 1st [`Vmap`], or a drop with n > 1 | – |
//! | mapped, 1 guard | the last drop | `vunmap` |

mod count;
mod error;
mod guard;

use crate::{CpuBytes, Refusal, ReservationGuard};

pub(crate) use count::VmapCount;
pub use error::VmapError;
pub use guard::Vmap;

/// Maps whole buffers for the CPU of this process.
///
/// Implementing it is safe, and nothing it does is trusted. The framework counts: `vmap` is asked only while the buffer is not
/// mapped, and `vunmap` once for each `vmap` that succeeded. Contract: C5.
///
/// # Locking
/// The reservation is held during both; its guard is their first argument.
///
/// # Examples
/// See [`DmaBuf::vmap_unlocked`](crate::DmaBuf::vmap_unlocked).
///
/// # References
/// include/linux/dma-buf.h `struct dma_buf_ops`, `vmap` and `vunmap` (v6.12).
pub trait VmapExporter: Send + Sync {
    /// Maps the whole buffer. Devices may access it at the same time.
    ///
    /// # Errors
    /// Any [`Refusal`]; the buffer stays unmapped and the next call tries again.
    fn vmap(&self, guard: &ReservationGuard<'_>) -> Result<Box<dyn CpuBytes>, Refusal>;

    /// Takes the mapping back when its last user is gone. The default drops it.
    fn vunmap(&self, guard: &ReservationGuard<'_>, mapped: Box<dyn CpuBytes>) {
        let _ = guard;
        drop(mapped);
    }
}
