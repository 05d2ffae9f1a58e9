//! Who polls a buffer, and is to be told when it is ready.
//!
//! Like the kernel's buffers, each description has one callback for those who want to read, on the fences of writers, and one for those who
//! want to write, on all fences. When it runs, the kernel asks again: fences that were added meanwhile are seen then.
//!
//! References: `dma_buf_poll` (drivers/dma-buf/dma-buf.c, v6.12).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use fuser::PollEvents;
use parking_lot::Mutex;
use wharf_core::fence::{CallbackHandle, CallbackOutcome, Fence, merge};
use wharf_core::{Reservation, Usage};

/// A description's number, and whether it is about writing.
type Key = (u64, bool);

/// The callbacks.
#[derive(Debug, Default)]
pub(super) struct Pollers {
    armed: Mutex<HashMap<Key, Option<CallbackHandle>>>,
}

/// Whom these events wait for.
fn directions(asked: PollEvents) -> impl Iterator<Item = (PollEvents, Usage)> {
    let all = [
        (PollEvents::POLLIN, Usage::Write),
        (PollEvents::POLLOUT, Usage::Read),
    ];
    all.into_iter().filter(move |(event, _)| asked.contains(*event))
}

/// What of `asked` a buffer is ready for.
pub(super) fn ready(reservation: &Reservation, asked: PollEvents) -> PollEvents {
    let ready = |(event, usage)| reservation.is_signaled(usage).then_some(event);
    directions(asked).filter_map(ready).collect()
}

impl Pollers {
    /// Has `notify` called when one of `asked` may be ready, of the description with this number. Once more for what is armed does nothing.
    pub(super) fn arm(
        self: &Arc<Self>,
        handle: u64,
        (reservation, asked): (&Reservation, PollEvents),
        notify: impl Fn() + Clone + Send + 'static,
    ) {
        for (event, usage) in directions(asked) {
            let key = (handle, event == PollEvents::POLLOUT);
            match self.armed.lock().entry(key) {
                Entry::Occupied(_) => continue,
                Entry::Vacant(place) => {
                    place.insert(None);
                }
            }
            let fence = merge(reservation.fences(usage).map(|(fence, _)| fence));
            let (pollers, notify) = (Arc::clone(self), notify.clone());
            let callback = move |_: &Fence| {
                // First, so that who asks again arms anew.
                pollers.armed.lock().remove(&key);
                notify();
            };
            match fence.add_callback(callback) {
                CallbackOutcome::AlreadySignaled(callback) => callback(&fence),
                CallbackOutcome::Added(added) => {
                    if let Some(slot) = self.armed.lock().get_mut(&key) {
                        *slot = Some(added);
                    }
                }
            }
        }
    }

    /// Nobody has that description any more.
    pub(super) fn forget(&self, handle: u64) {
        for key in [(handle, false), (handle, true)] {
            let armed = self.armed.lock().remove(&key);
            // Without the lock, which the callback may be waiting for.
            if let Some(Some(callback)) = armed {
                callback.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use wharf_core::Wait;
    use wharf_core::fence::{FenceContext, UniqueFence};

    use super::*;

    const BOTH: PollEvents = PollEvents::POLLIN.union(PollEvents::POLLOUT);

    fn pending(reservation: &Reservation, usage: Usage) -> UniqueFence {
        let fence = FenceContext::new("test", "test").fence(1);
        let guard = reservation.lock(&Wait::forever()).unwrap();
        guard.reserve_fences(1).unwrap();
        guard.add_fence(&fence.fence(), usage).unwrap();
        fence
    }

    fn counter() -> (Arc<AtomicU32>, impl Fn() + Clone + Send + 'static) {
        let told = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&told);
        let notify = move || {
            // ORDERING: Relaxed; one thread.
            count.fetch_add(1, Ordering::Relaxed);
        };
        (told, notify)
    }

    // ORDERING: Relaxed; one thread.
    fn count(told: &AtomicU32) -> u32 {
        told.load(Ordering::Relaxed)
    }

    #[test]
    fn readers_wait_for_writers_and_writers_for_all() {
        let reservation = Reservation::new();
        assert_eq!(ready(&reservation, BOTH | PollEvents::POLLPRI), BOTH);
        let reader = pending(&reservation, Usage::Read);
        assert_eq!(ready(&reservation, BOTH), PollEvents::POLLIN);
        let writer = pending(&reservation, Usage::Write);
        assert_eq!(ready(&reservation, BOTH), PollEvents::empty());
        writer.signal();
        assert_eq!(ready(&reservation, BOTH), PollEvents::POLLIN);
        reader.signal();
        assert_eq!(ready(&reservation, BOTH), BOTH);
    }

    #[test]
    fn who_polls_again_and_again_is_told_once() {
        let (reservation, pollers) = (Reservation::new(), Arc::new(Pollers::default()));
        let writer = pending(&reservation, Usage::Write);
        let (told, notify) = counter();
        for _ in 0..3 {
            pollers.arm(1, (&reservation, PollEvents::POLLIN), notify.clone());
        }
        assert_eq!(count(&told), 0);
        writer.signal();
        assert_eq!(count(&told), 1);
        let next = pending(&reservation, Usage::Write);
        pollers.arm(1, (&reservation, PollEvents::POLLIN), notify);
        next.signal();
        assert_eq!(count(&told), 2, "armed anew");
    }

    #[test]
    fn each_direction_and_each_description_is_told() {
        let (reservation, pollers) = (Reservation::new(), Arc::new(Pollers::default()));
        let (writer, reader) = (
            pending(&reservation, Usage::Write),
            pending(&reservation, Usage::Read),
        );
        let (told, notify) = counter();
        pollers.arm(1, (&reservation, BOTH), notify.clone());
        pollers.arm(2, (&reservation, PollEvents::POLLIN), notify);
        writer.signal();
        assert_eq!(count(&told), 2, "those who want to read");
        reader.signal();
        assert_eq!(count(&told), 3);
        assert!(pollers.armed.lock().is_empty());
    }

    #[test]
    fn closed_ones_are_not_told() {
        let (reservation, pollers) = (Reservation::new(), Arc::new(Pollers::default()));
        let writer = pending(&reservation, Usage::Write);
        let (told, notify) = counter();
        pollers.arm(1, (&reservation, BOTH), notify);
        pollers.forget(1);
        writer.signal();
        assert_eq!(count(&told), 0);
    }
}
