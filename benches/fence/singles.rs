//! One fence and one thread.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};

use wharf_core::{Fence, FenceContext, UniqueFence, Wait};

use crate::turns::{Case, Measured};
use crate::{case, see};

/// Fences made before and dropped after the measured part; few enough to stay in the nearest cache.
const BATCH: usize = 64;

/// Calls on fences that exist, against one atomic read-modify-write each.
pub(crate) fn cases() -> Vec<Case> {
    let context = FenceContext::new("bench", "plain");
    let timed = FenceContext::new("bench", "timed").with_timestamps();
    let words: Vec<Arc<AtomicU64>> = (0..BATCH).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let signaled = Fence::private_stub(None);
    let open = context.fence(1);
    vec![
        case("compare-and-swap of a word", move || {
            words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            Measured::of(BATCH, || {
                for word in &words {
                    see(word.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire));
                }
            })
        }),
        case("signal, nobody waits", move || signal_batch(&context)),
        case("signal, nobody waits, time recorded", move || {
            signal_batch(&timed)
        }),
        case("is_signaled of an unsignaled fence", move || {
            let fence = open.fence();
            Measured::of(BATCH, || {
                (0..BATCH).for_each(|_| see(black_box(&fence).is_signaled()))
            })
        }),
        case("wait for a signaled fence", move || {
            Measured::of(BATCH, || {
                (0..BATCH).for_each(|_| see(black_box(&signaled).wait(&Wait::forever())));
            })
        }),
    ]
}

fn signal_batch(context: &FenceContext) -> Measured {
    let owners: Vec<UniqueFence> = (0..BATCH as u64).map(|seqno| context.fence(seqno)).collect();
    // Somebody else has the fence, so that its memory is not freed by the signal.
    let _fences: Vec<Fence> = owners.iter().map(UniqueFence::fence).collect();
    Measured::of(BATCH, || owners.into_iter().for_each(UniqueFence::signal))
}

/// Whole lives of one-shot signals.
pub(crate) fn lives() -> Vec<Case> {
    let plain = FenceContext::new("bench", "plain");
    let callback = plain.clone();
    vec![
        case("Mutex + Condvar: set, seen", || repeat(mutex_life)),
        case("mpsc channel: sent, received", || repeat(channel_life)),
        case("fence: signaled, waited for", move || {
            repeat(|| fence_life(&plain))
        }),
        case("fence: callback added and run", move || {
            repeat(|| callback_life(&callback))
        }),
    ]
}

fn repeat(life: impl Fn()) -> Measured {
    Measured::of(BATCH, || (0..BATCH).for_each(|_| life()))
}

fn mutex_life() {
    let place = Arc::new((Mutex::new(false), Condvar::new()));
    let other = black_box(place.clone());
    *other.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    other.1.notify_all();
    let mut done = place.0.lock().unwrap_or_else(PoisonError::into_inner);
    while !*done {
        done = place.1.wait(done).unwrap_or_else(PoisonError::into_inner);
    }
}

fn channel_life() {
    let (sender, receiver) = black_box(mpsc::channel());
    let _ = sender.send(());
    see(receiver.recv());
}

fn fence_life(context: &FenceContext) {
    let owner = black_box(context.fence(1));
    let fence = owner.fence();
    owner.signal();
    see(fence.wait(&Wait::forever()));
}

fn callback_life(context: &FenceContext) {
    let owner = context.fence(1);
    see(owner.fence().add_callback(|fence| see(fence.seqno())));
    owner.signal();
}
