//! `wharf-core` as the system that suites are run against: what they all need.

use std::time::Duration;

use wharf_conformance::fence::{Callback, FenceSut};
use wharf_core::{
    CallbackHandle, CallbackOutcome, Deadline, Errno, Fence, FenceContext, FenceStatus, UniqueFence, Wait,
    WaitError,
};

pub(crate) struct Core;

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

    fn remove_callback(&self, handle: CallbackHandle) -> bool {
        handle.remove()
    }

    fn stub(&self) -> Fence {
        Fence::stub()
    }
}
