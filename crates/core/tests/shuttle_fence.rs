//! More threads, fences and containers than loom can try in full, in random interleavings.
//!
//! Run with `RUSTFLAGS="--cfg shuttle" cargo test --release -p wharf-core --test shuttle_fence`. A failing schedule is printed and can be
//! replayed with `shuttle::replay`. What callbacks find out is noted and asserted outside of them, because their panics are contained.
#![cfg(shuttle)]

use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use wharf_core::{
    CallbackOutcome, Fence, FenceArray, FenceChain, FenceContext, Interrupt, UniqueFence, Wait, fence,
};

const SCHEDULES: usize = 20_000;
const FENCES: u64 = 6;

/// Fences, and containers of them in several shapes; the last is a chain over everything.
fn world() -> (Vec<UniqueFence>, Vec<Fence>) {
    let context = FenceContext::new("model", "queue");
    let owners: Vec<UniqueFence> = (1..=FENCES).map(|seqno| context.fence(seqno)).collect();
    let plain: Vec<Fence> = owners.iter().map(UniqueFence::fence).collect();
    let array: Fence = FenceArray::new(plain[..3].to_vec()).unwrap().into();
    let mut all = plain.clone();
    let mut head = FenceChain::link(None, array.clone(), 1).unwrap();
    for (seqno, fence) in (2..).zip(&plain[2..]) {
        all.push(head.clone().into());
        head = FenceChain::link(Some(head.into()), fence.clone(), seqno).unwrap();
    }
    all.extend([array, head.into()]);
    (owners, all)
}

/// Signals all of `owners`, in any order.
fn signal_all(mut owners: Vec<UniqueFence>) {
    while !owners.is_empty() {
        let next = thread_rng().gen_range(0..owners.len());
        owners.swap_remove(next).signal();
    }
}

/// Callbacks that must run, those that did, and those that did too early.
#[derive(Clone, Default)]
struct Count {
    expected: usize,
    runs: Arc<AtomicUsize>,
    early: Arc<AtomicUsize>,
}

impl Count {
    fn callback(&self) -> impl FnOnce(&Fence) + Send + 'static {
        let this = self.clone();
        move |fence| {
            this.runs.fetch_add(1, Ordering::SeqCst);
            if !fence::unwrap(fence).all(|fence| fence.is_signaled()) {
                this.early.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Called when every thread has ended: any of them may have run the last callback.
    fn assert(&self) {
        assert_eq!(self.runs.load(Ordering::SeqCst), self.expected, "runs");
        assert_eq!(self.early.load(Ordering::SeqCst), 0, "early");
    }
}

/// Adds callbacks to fences by chance, removes some, looks and walks in between.
fn meddle(fences: &[Fence]) -> Count {
    let mut count = Count::default();
    for _ in 0..8 {
        let fence = &fences[thread_rng().gen_range(0..fences.len())];
        match thread_rng().gen_range(0..4) {
            0 => {
                fence.status();
            }
            1 => {
                fence::unwrap(fence).count();
            }
            choice => {
                if let CallbackOutcome::Added(handle) = fence.add_callback(count.callback()) {
                    count.expected += usize::from(choice == 2 || !handle.remove());
                }
            }
        }
    }
    count
}

#[test]
fn signals_callbacks_waits_and_walks_mix() {
    let schedule = || {
        let (mut owners, fences) = world();
        let late = owners.split_off(FENCES as usize / 2);
        let signalers = [owners, late].map(|owners| thread::spawn(move || signal_all(owners)));
        let meddlers = [(); 2].map(|()| {
            let fences = fences.clone();
            thread::spawn(move || meddle(&fences))
        });
        let head = fences[fences.len() - 1].clone();
        let waiter = thread::spawn(move || head.wait(&Wait::forever()));
        let merged = fence::merge(fences.iter().cloned());
        assert_eq!(Fence::wait_all(&[merged], &Wait::forever()), Ok(()));
        assert_eq!(waiter.join().unwrap(), Ok(()));
        for signaler in signalers {
            signaler.join().unwrap();
        }
        let counts = meddlers.map(|meddler| meddler.join().unwrap());
        counts.iter().for_each(Count::assert);
        assert!(fences.iter().all(Fence::is_signaled));
    };
    shuttle::check_random(schedule, SCHEDULES);
}

#[test]
fn many_wait_for_any_of_many_with_interrupts() {
    let schedule = || {
        let (owners, fences) = world();
        let interrupt = Interrupt::new();
        let waiters = [(); 3].map(|()| {
            let (fences, interrupt) = (fences.clone(), interrupt.clone());
            thread::spawn(move || {
                let bounds = Wait::forever().interruptible(&interrupt);
                if let Ok(index) = Fence::wait_any(&fences, &bounds) {
                    assert!(fences[index].is_signaled());
                }
            })
        });
        let signaler = thread::spawn(move || signal_all(owners));
        interrupt.raise();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        signaler.join().unwrap();
    };
    shuttle::check_random(schedule, SCHEDULES);
}
