//! One fence: signals, errors, callbacks, waits. Mirrors drivers/dma-buf/st-dma-fence.c (v7.1).

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wharf_core::{Errno, FenceStatus};

use super::{Callback, FenceSut};
use crate::PATIENCE;

/// Says whether a callback has run.
#[derive(Clone, Default)]
struct Seen(Arc<AtomicBool>);

impl Seen {
    fn callback(&self) -> Callback {
        let seen = self.0.clone();
        Box::new(move || seen.store(true, Ordering::Release))
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Adds a callback to an unsignaled fence.
fn add<S: FenceSut>(sut: &S, fence: &S::Fence) -> (S::Handle, Seen) {
    let seen = Seen::default();
    match sut.add_callback(fence, seen.callback()) {
        Ok(handle) => (handle, seen),
        Err(_) => panic!("callback refused: {fence:?} is said to be signaled"),
    }
}

/// A fence can be made, signaled and dropped. Mirrors `sanitycheck`.
pub fn sanitycheck<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let fence = sut.fence(&owner);
    assert_eq!(fence, sut.fence(&owner));
    sut.signal(owner, None);
    drop(fence);
}

/// A fence is unsignaled until it is signaled, and stays signaled. Mirrors `test_signaling`.
///
/// That a second signal is refused, and that ops are gone afterwards, is for the types of each system to show.
pub fn test_signaling<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let fence = sut.fence(&owner);
    assert!(!sut.is_signaled(&fence), "signaled at creation");
    sut.signal(owner, None);
    assert!(sut.is_signaled(&fence), "not signaled");
    assert!(sut.is_signaled(&fence), "not signaled any more");
}

/// A callback runs by the time that signaling returns. Mirrors `test_add_callback`.
pub fn test_add_callback<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let (_handle, seen) = add(sut, &sut.fence(&owner));
    assert!(!seen.get(), "ran before the signal");
    sut.signal(owner, None);
    assert!(seen.get(), "did not run");
}

/// A signaled fence gives the callback back and never runs it. Mirrors `test_late_add_callback` (-ENOENT there).
pub fn test_late_add_callback<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let fence = sut.fence(&owner);
    sut.signal(owner, None);
    let seen = Seen::default();
    let returned = sut.add_callback(&fence, seen.callback());
    assert!(!seen.get(), "ran although the fence was signaled before");
    match returned {
        Ok(_) => panic!("callback accepted after the signal"),
        Err(callback) => callback(),
    }
    assert!(seen.get(), "another callback came back");
}

/// A removed callback does not run. Mirrors `test_rm_callback`.
pub fn test_rm_callback<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let (handle, seen) = add(sut, &sut.fence(&owner));
    assert!(sut.remove_callback(handle), "not removed");
    sut.signal(owner, None);
    assert!(!seen.get(), "ran although it was removed");
}

/// A callback that has run cannot be removed. Mirrors `test_late_rm_callback`.
pub fn test_late_rm_callback<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let (handle, seen) = add(sut, &sut.fence(&owner));
    sut.signal(owner, None);
    assert!(seen.get(), "did not run");
    assert!(!sut.remove_callback(handle), "removed although it has run");
}

/// The status follows the signal. Mirrors `test_status` (0, then 1).
pub fn test_status<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let fence = sut.fence(&owner);
    assert_eq!(sut.status(&fence), FenceStatus::Unsignaled);
    sut.signal(owner, None);
    assert_eq!(sut.status(&fence), FenceStatus::Signaled);
}

/// An error is seen with the signal, by everybody. Mirrors `test_error` (0, then -EIO).
pub fn test_error<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let fence = sut.fence(&owner);
    assert_eq!(sut.status(&fence), FenceStatus::Unsignaled);
    sut.signal(owner, Some(Errno::EIO));
    assert_eq!(sut.status(&fence), FenceStatus::Failed(Errno::EIO));
    assert_eq!(
        sut.wait(&fence, Duration::ZERO),
        Ok(()),
        "an error is a signal too"
    );
}

/// A wait that may not block says how the fence is. Mirrors `test_wait`.
pub fn test_wait<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let fence = sut.fence(&owner);
    assert_eq!(sut.wait(&fence, Duration::ZERO), Err(Errno::ETIMEDOUT));
    sut.signal(owner, None);
    assert_eq!(sut.wait(&fence, Duration::ZERO), Ok(()));
}

/// A wait ends with its time-out, not before, or with a signal from elsewhere. Mirrors `test_wait_timeout`.
pub fn test_wait_timeout<S: FenceSut>(sut: &S) {
    let owner = sut.lone();
    let fence = sut.fence(&owner);
    let (timeout, start) = (Duration::from_millis(5), Instant::now());
    assert_eq!(sut.wait(&fence, timeout), Err(Errno::ETIMEDOUT));
    assert!(start.elapsed() >= timeout, "timed out early");
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(5));
            sut.signal(owner, None);
        });
        assert_eq!(sut.wait(&fence, PATIENCE), Ok(()));
    });
    assert_eq!(sut.status(&fence), FenceStatus::Signaled);
}

/// Stubs are signaled. Mirrors `test_stub`.
pub fn test_stub<S: FenceSut>(sut: &S) {
    let stubs: Vec<S::Fence> = (0..64).map(|_| sut.stub()).collect();
    for stub in &stubs {
        assert_eq!(sut.status(stub), FenceStatus::Signaled);
    }
}

/// Passes of each thread of [`race_signal_callback`], each way.
const RACE_PASSES: usize = 2_000;

/// Two threads add callbacks to each other's fences while these are being signaled: every callback that was accepted runs. Mirrors
/// `test_race_signal_callback`.
pub fn race_signal_callback<S: FenceSut>(sut: &S) {
    for before in [false, true] {
        let race = Race::<S> {
            fences: [Mutex::new(None), Mutex::new(None)],
            over: AtomicBool::new(false),
            before,
        };
        thread::scope(|scope| {
            for id in [0, 1] {
                let race = &race;
                scope.spawn(move || race.run(sut, id));
            }
        });
    }
}

struct Race<S: FenceSut> {
    /// The fence that each thread has made and may be signaling.
    fences: [Mutex<Option<S::Fence>>; 2],
    over: AtomicBool,
    /// Whether a thread signals its own fence before it adds to the other's, or after.
    before: bool,
}

impl<S: FenceSut> Race<S> {
    fn run(&self, sut: &S, id: usize) {
        for pass in 0..RACE_PASSES {
            let mut owner = Some(sut.lone());
            self.publish(id, owner.as_ref().map(|owner| sut.fence(owner)));
            let Some(other) = self.other(1 - id) else { break };
            if self.before {
                owner.take().into_iter().for_each(|owner| sut.signal(owner, None));
            }
            let seen = Seen::default();
            let added = sut.add_callback(&other, seen.callback()).is_ok();
            owner.take().into_iter().for_each(|owner| sut.signal(owner, None));
            if added {
                assert_eq!(sut.wait(&other, PATIENCE), Ok(()), "thread {id}, pass {pass}");
                assert!(
                    runs_soon(&seen),
                    "thread {id}, pass {pass}: accepted, signaled, not run"
                );
            }
            self.publish(id, None);
        }
        self.over.store(true, Ordering::Release);
    }

    fn publish(&self, id: usize, fence: Option<S::Fence>) {
        *self.fences[id].lock().unwrap_or_else(PoisonError::into_inner) = fence;
    }

    /// Waits for the other thread's fence; `None` when it has finished.
    fn other(&self, id: usize) -> Option<S::Fence> {
        loop {
            let fence = self.fences[id]
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if fence.is_some() || self.over.load(Ordering::Acquire) {
                return fence;
            }
            thread::yield_now();
        }
    }
}

/// A waiter may be told before the signaler has come to our callback.
fn runs_soon(seen: &Seen) -> bool {
    let start = Instant::now();
    while !seen.get() && start.elapsed() < PATIENCE {
        thread::yield_now();
    }
    seen.get()
}
