//! Looking into containers.

use super::{Fence, array, chain};

/// Goes over the fences that a fence consists of: through a chain, its latest link first, and through the arrays in it. A fence that is
/// no container consists of itself.
///
/// Signaled links are left out and collected on the way, except the first.
///
/// # Examples
/// ```
/// use wharf_core::{FenceArray, FenceChain, FenceContext, fence};
///
/// let context = FenceContext::new("soft-gpu", "render");
/// let work: Vec<_> = (1..=3).map(|seqno| context.fence(seqno)).collect();
/// let array = FenceArray::new([work[0].fence(), work[1].fence()])?;
/// let first = FenceChain::link(None, array.into(), 1)?;
/// let head = FenceChain::link(Some(first.into()), work[2].fence(), 2)?;
/// let seqnos: Vec<u64> = fence::unwrap(&head).map(|fence| fence.seqno()).collect();
/// assert_eq!(seqnos, [3, 1, 2]);
/// # Ok::<(), wharf_core::ContainerError>(())
/// ```
///
/// # References
/// `dma_fence_unwrap_for_each` (include/linux/dma-fence-unwrap.h, v6.12).
pub fn unwrap(fence: &Fence) -> FenceUnwrap {
    FenceUnwrap {
        link: Some(fence.clone()),
        index: 0,
    }
}

/// The fences in a fence; see [`unwrap`].
#[derive(Debug, Clone)]
pub struct FenceUnwrap {
    link: Option<Fence>,
    index: usize,
}

impl Iterator for FenceUnwrap {
    type Item = Fence;

    fn next(&mut self) -> Option<Fence> {
        loop {
            let link = self.link.as_ref()?;
            let contained = chain::contained(link);
            let fences = array::members(contained).unwrap_or(std::slice::from_ref(contained));
            if let Some(fence) = fences.get(self.index) {
                self.index += 1;
                return Some(fence.clone());
            }
            // DIFFERENCE: in the kernel an array without members ends the whole iteration.
            self.link = chain::before(link);
            self.index = 0;
        }
    }
}
