//! Fences of which one half costs next to nothing.
//!
//! Of two threads that each store a word and then look at the other's, one at least must see the other's store. Ordinarily each has a
//! fence between the two steps, which waits until its store has reached the cache; and if another processor is looking at that line, until the
//! line is back. Where one side goes that way seldom, such as who is about to sleep, it can pay for both: the kernel makes every
//! processor that runs a thread of a process that asked for it execute a fence ([`fence_heavy`]). The other side then only has to keep
//! the compiler from reordering ([`fence_light`]).
//!
//! A light fence is a real one until the kernel has noted this process, so nobody has to know who asked. Who makes a heavy fence and cannot reach
//! others (an old kernel, a sandbox) is told so.
//!
//! # References
//!
//! membarrier(2): `MEMBARRIER_CMD_GLOBAL_EXPEDITED` (Linux 4.16). P1202, "Asymmetric Fences".

use crate::sync::{Ordering, fence};
#[cfg(not(any(loom, shuttle, miri)))]
pub use imp::{heavy_fences_reach_others, lighten_fences};
#[cfg(not(any(loom, shuttle, miri)))]
use imp::{is_light, reach_others};

/// The cheap half of a pair: a sequentially consistent fence towards every [`fence_heavy`] that reaches this process, and towards
/// nothing else.
#[inline]
pub fn fence_light() {
    if is_light() {
        // ORDERING: the kernel's fence, at whichever point of this thread it comes, orders what the processor does; the compiler must keep
        // to it.
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The dear half: a sequentially consistent fence, here and in every process that made its fences light. Returns whether it reached the others;
/// if not, look again after a while, for something stored before a light fence may have gone unseen. A system call, below a microsecond
/// while no such process runs on another processor, a few with.
#[must_use]
pub fn fence_heavy() -> bool {
    fence(Ordering::SeqCst);
    reach_others()
}

#[cfg(not(any(loom, shuttle, miri)))]
mod imp {
    use rustix::thread::{MembarrierCommand, membarrier};
    use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

    /// How far this process has come in making its fences light.
    static STATE: AtomicU8 = AtomicU8::new(UNASKED);
    const UNASKED: u8 = 0;
    const ASKED: u8 = 1;
    const LIGHT: u8 = 2;

    /// Whether a heavy fence failed to reach others.
    static IN_VAIN: AtomicBool = AtomicBool::new(false);
    /// Enough for a system call.
    const STACK_BYTES: usize = 64 << 10;

    /// Asks the kernel to have this process take part in the heavy fences of others, so that its own light ones become light. Returns at once: in a
    /// process with several threads the kernel takes some ten milliseconds, for which one more waits. Until then, and if the kernel
    /// refuses, light fences are real ones.
    pub fn lighten_fences() {
        // ORDERING: relaxed, both: one thread gets to ask; nothing else follows from it.
        if STATE.load(Ordering::Relaxed) != UNASKED || STATE.swap(ASKED, Ordering::Relaxed) != UNASKED {
            return;
        }
        let ask = || {
            if membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok() {
                // ORDERING: relaxed: when the call returns, the kernel has seen to it on every processor that runs a thread of this process.
                STATE.store(LIGHT, Ordering::Relaxed);
            }
        };
        if is_only_thread() {
            return ask();
        }
        let named = std::thread::Builder::new().name("wharf-barriers".into());
        // Without a thread the fences stay as they are.
        let _ = named.stack_size(STACK_BYTES).spawn(ask);
    }

    /// Whether this process has just this thread, for certain: the kernel then answers at once, and starting another would cost more.
    fn is_only_thread() -> bool {
        // Two for the directory itself, and one for each thread.
        rustix::fs::stat("/proc/self/task").is_ok_and(|tasks| tasks.st_nlink == 3)
    }

    #[inline]
    pub(super) fn is_light() -> bool {
        STATE.load(Ordering::Relaxed) == LIGHT
    }

    pub(super) fn reach_others() -> bool {
        let reached = membarrier(MembarrierCommand::GlobalExpedited).is_ok();
        if !reached {
            IN_VAIN.store(true, Ordering::Relaxed);
        }
        reached
    }

    /// Whether no [`fence_heavy`](super::fence_heavy) of this process has failed to reach others so far.
    pub fn heavy_fences_reach_others() -> bool {
        !IN_VAIN.load(Ordering::Relaxed)
    }
}

/// In a model both halves are the fences that they stand for. Models of those who make full ones of their own accord do without.
#[cfg(any(loom, shuttle, miri))]
mod modelled {
    use std::cell::Cell;

    thread_local! {
        /// Threads of a model take turns on one thread of the system.
        static GONE: Cell<bool> = const { Cell::new(false) };
    }

    /// From here on the models of this thread do without (or with) asymmetric fences: light ones order nothing, and heavy ones are a mistake.
    pub fn forbid_asymmetric_fences(forbid: bool) {
        GONE.set(forbid);
    }

    pub(super) fn is_light() -> bool {
        GONE.get()
    }

    pub(super) fn reach_others() -> bool {
        assert!(!GONE.get(), "a heavy fence towards those who make full ones");
        true
    }

    /// Nothing to ask for.
    pub fn lighten_fences() {}

    /// They do.
    pub fn heavy_fences_reach_others() -> bool {
        true
    }
}
#[cfg(any(loom, shuttle, miri))]
pub use modelled::{forbid_asymmetric_fences, heavy_fences_reach_others, lighten_fences};
#[cfg(any(loom, shuttle, miri))]
use modelled::{is_light, reach_others};
