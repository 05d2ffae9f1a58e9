//! Waits.

use std::thread;
use std::time::{Duration, Instant};

use crate::tools::{lone, patience, row};
use wharf_core::{Deadline, Errno, Fence, Interrupt, UniqueFence, Wait, WaitAnyError, WaitError};

fn fences(owners: &[UniqueFence]) -> Vec<Fence> {
    owners.iter().map(UniqueFence::fence).collect()
}

#[test]
fn many_threads_wait_for_one_fence() {
    let owner = lone();
    let fence = owner.fence();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..8).map(|_| scope.spawn(|| fence.wait(&patience()))).collect();
        owner.signal();
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), Ok(()));
        }
    });
}

#[test]
fn an_interrupt_ends_a_wait_and_a_signal_beats_it() {
    let (owner, interrupt) = (lone(), Interrupt::new());
    let fence = owner.fence();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| fence.wait(&patience().interruptible(&interrupt)));
        interrupt.raise();
        assert_eq!(waiting.join().unwrap(), Err(WaitError::Interrupted));
    });
    owner.signal();
    assert_eq!(fence.wait(&Wait::forever().interruptible(&interrupt)), Ok(()));
}

#[test]
fn a_wait_that_times_out_leaves_no_callback_behind() {
    let owner = lone();
    let fence = owner.fence();
    let before = format!("{fence:?}");
    for _ in 0..3 {
        let bounds = Wait::until(Deadline::after(Duration::from_millis(2)));
        let start = Instant::now();
        assert_eq!(fence.wait(&bounds), Err(WaitError::TimedOut));
        assert!(start.elapsed() >= Duration::from_millis(1));
    }
    assert_eq!(format!("{fence:?}"), before);
    owner.signal();
    assert_eq!(fence.wait(&Wait::not()), Ok(()));
}

#[test]
fn a_wait_for_an_error_succeeds() {
    let owner = lone();
    let fence = owner.fence();
    owner.signal_error(Errno::EIO).unwrap();
    assert_eq!(fence.wait(&Wait::not()), Ok(()));
    assert_eq!(fence.status().error(), Some(Errno::EIO));
}

#[test]
fn wait_any_says_which() {
    let mut owners = row(5);
    let fences = fences(&owners);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| Fence::wait_any(&fences, &patience()));
        owners.swap_remove(3).signal();
        assert_eq!(waiting.join().unwrap(), Ok(3));
    });
    owners.swap_remove(1).signal();
    assert_eq!(
        Fence::wait_any(&fences, &Wait::not()),
        Ok(1),
        "the first of those that are signaled"
    );
}

#[test]
fn wait_any_of_nothing_is_refused() {
    let refused = Fence::wait_any(&[], &patience()).unwrap_err();
    assert_eq!(refused, WaitAnyError::NoFences);
    assert_eq!(refused.errno(), Errno::EINVAL);
}

#[test]
fn wait_any_ends_as_other_waits_do() {
    let owner = lone();
    let fences = [owner.fence(), owner.fence()];
    let timed_out = Fence::wait_any(&fences, &Wait::not()).unwrap_err();
    assert_eq!(timed_out, WaitAnyError::Wait(WaitError::TimedOut));
    assert_eq!(timed_out.errno(), Errno::ETIMEDOUT);
    let interrupt = Interrupt::new();
    interrupt.raise();
    let interrupted = Fence::wait_any(&fences, &Wait::forever().interruptible(&interrupt)).unwrap_err();
    assert_eq!(interrupted.errno(), Errno::EINTR);
}

#[test]
fn wait_all_waits_for_the_last() {
    let mut owners = row(3);
    let fences = fences(&owners);
    assert_eq!(Fence::wait_all(&[], &Wait::not()), Ok(()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| Fence::wait_all(&fences, &patience()));
        owners.remove(0).signal();
        owners.remove(1).signal();
        assert_eq!(Fence::wait_all(&fences, &Wait::not()), Err(WaitError::TimedOut));
        owners.remove(0).signal();
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
}
