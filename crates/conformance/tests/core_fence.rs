//! The fence suites against `wharf-core`.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::time::Duration;

use wharf_conformance::fence::{Callback, ChainSut, FenceSut, UnwrapSut};
use wharf_core::{
    CallbackHandle, CallbackOutcome, Deadline, Errno, Fence, FenceArray, FenceChain, FenceContext,
    FenceStatus, UniqueFence, Wait, WaitError, fence,
};

struct Core;

impl FenceSut for Core {
    type Context = FenceContext;
    type Owner = UniqueFence;
    type Fence = Fence;
    type Handle = CallbackHandle;

    fn context(&self) -> FenceContext {
        FenceContext::new("mock", "mock")
    }

    fn create(&self, context: &FenceContext, seqno: u64) -> UniqueFence {
        context.fence(seqno)
    }

    fn fence(&self, owner: &UniqueFence) -> Fence {
        owner.fence()
    }

    fn signal(&self, owner: UniqueFence, error: Option<Errno>) {
        match error {
            None => owner.signal(),
            Some(errno) => owner.signal_error(errno).unwrap(),
        }
    }

    fn status(&self, fence: &Fence) -> FenceStatus {
        fence.status()
    }

    fn wait(&self, fence: &Fence, timeout: Duration) -> Result<(), Errno> {
        let bounds = Wait::until(Deadline::after(timeout));
        fence.wait(&bounds).map_err(|error: WaitError| error.errno())
    }

    fn add_callback(&self, fence: &Fence, callback: Callback) -> Result<CallbackHandle, Callback> {
        match fence.add_callback(move |_| callback()) {
            CallbackOutcome::Added(handle) => Ok(handle),
            CallbackOutcome::AlreadySignaled(callback) => {
                let fence = fence.clone();
                Err(Box::new(move || callback(&fence)))
            }
        }
    }

    fn remove_callback(&self, handle: &CallbackHandle) -> bool {
        handle.remove()
    }

    fn stub(&self) -> Fence {
        Fence::stub()
    }
}

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
