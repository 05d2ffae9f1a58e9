//! Going back through a chain.

use super::super::Fence;
use super::body::before;

/// Begins a walk at a link, or at a fence that is none.
pub(super) fn walk(fence: &Fence) -> FenceChainWalk {
    FenceChainWalk {
        next: Step::First(fence.clone()),
    }
}

/// The links of a chain, the latest first; see [`FenceChain::walk`](super::FenceChain::walk).
///
/// The first is given as it is, later ones only if the fence in them is not signaled. The last may be a fence that is no link.
#[derive(Debug, Clone)]
pub struct FenceChainWalk {
    next: Step,
}

#[derive(Debug, Clone)]
enum Step {
    First(Fence),
    After(Fence),
    Done,
}

impl Iterator for FenceChainWalk {
    type Item = Fence;

    fn next(&mut self) -> Option<Fence> {
        let found = match std::mem::replace(&mut self.next, Step::Done) {
            Step::First(fence) => Some(fence),
            Step::After(fence) => before(&fence),
            Step::Done => None,
        };
        if let Some(fence) = &found {
            self.next = Step::After(fence.clone());
        }
        found
    }
}
