//! The fence suites against `wharf-core`.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod core_sut;

use wharf_conformance::fence::{ChainSut, UnwrapSut};
use wharf_core::{Errno, Fence, FenceArray, FenceChain, fence};

use core_sut::Core;

impl ChainSut for Core {
    fn chain(&self, prev: Option<&Fence>, fence: &Fence, seqno: u64) -> Fence {
        FenceChain::link(prev.cloned(), fence.clone(), seqno)
            .unwrap()
            .into()
    }

    fn find_seqno(&self, chain: &Fence, seqno: u64) -> Result<Option<Fence>, Errno> {
        let chain = FenceChain::from_fence(chain).ok_or(Errno::EINVAL)?;
        chain.find_seqno(seqno).map_err(|error| error.errno())
    }

    fn seqno(&self, fence: &Fence) -> u64 {
        fence.seqno()
    }
}

impl UnwrapSut for Core {
    fn array(&self, fences: &[Fence]) -> Fence {
        FenceArray::new(fences.iter().cloned()).unwrap().into()
    }

    fn unwrap(&self, fence: &Fence) -> Vec<Fence> {
        fence::unwrap(fence).collect()
    }

    fn merge(&self, fences: &[Fence]) -> Fence {
        fence::merge(fences.iter().cloned())
    }

    fn dedup(&self, fences: &[Fence]) -> Vec<Fence> {
        fence::dedup(fences.to_vec())
    }
}

mod fence_basic {
    wharf_conformance::fence_basic_cases!(super::Core);
}

mod fence_chain {
    wharf_conformance::fence_chain_cases!(super::Core);
}

mod fence_unwrap {
    wharf_conformance::fence_unwrap_cases!(super::Core);
}
