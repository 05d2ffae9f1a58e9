//! Fences that were always signaled.

use std::time::Instant;

use super::Fence;
use super::inner::Inner;

impl Fence {
    /// Returns the fence that was always signaled; there is one in the process.
    ///
    /// # References
    /// `dma_fence_get_stub` (drivers/dma-buf/dma-fence.c, v6.12).
    pub fn stub() -> Self {
        #[cfg(not(any(loom, shuttle)))]
        {
            static STUB: std::sync::OnceLock<Fence> = std::sync::OnceLock::new();
            STUB.get_or_init(|| Self::new(Inner::stub(None))).clone()
        }
        // Model checkers do not allow their locks to outlive one run.
        #[cfg(any(loom, shuttle))]
        Self::new(Inner::stub(None))
    }

    /// Makes a fence of its own that is signaled, and was at `signaled_at` if that is known.
    ///
    /// # References
    /// `dma_fence_allocate_private_stub` (drivers/dma-buf/dma-fence.c, v6.12).
    pub fn private_stub(signaled_at: Option<Instant>) -> Self {
        Self::new(Inner::stub(signaled_at))
    }
}
