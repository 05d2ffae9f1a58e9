//! Waits and deadlines.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use wharf_core::Usage::{Bookkeep, Kernel, Read, Write};
use wharf_core::{Deadline, FenceContext, FenceOps, Interrupt, Reservation, Signaling, Wait, WaitError};

use crate::tools::{add, lock, lone, patience};

#[test]
fn wait_for_nothing_is_over_at_once() {
    let (reservation, weaker) = (Reservation::new(), lone());
    assert_eq!(reservation.wait(Bookkeep, &Wait::not()), Ok(()));
    add(&lock(&reservation), &weaker, Read);
    assert_eq!(reservation.wait(Write, &Wait::not()), Ok(()));
    assert_eq!(reservation.wait(Read, &Wait::not()), Err(WaitError::TimedOut));
}

#[test]
fn wait_for_several_is_for_each_of_them() {
    for pending in 0..3 {
        let (reservation, mut owners) = (Reservation::new(), vec![lone(), lone(), lone()]);
        {
            let guard = lock(&reservation);
            owners.iter().for_each(|owner| add(&guard, owner, Read));
        }
        let last = owners.remove(pending);
        drop(owners);
        assert_eq!(
            reservation.wait(Read, &Wait::not()),
            Err(WaitError::TimedOut),
            "{pending}"
        );
        last.signal();
        assert_eq!(reservation.wait(Read, &Wait::not()), Ok(()));
    }
}

#[test]
fn wait_ends_with_the_last_signal_also_with_an_error() {
    let (reservation, first, second) = (Reservation::new(), lone(), lone());
    {
        let guard = lock(&reservation);
        add(&guard, &first, Kernel);
        add(&guard, &second, Read);
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(5));
            drop(second);
            thread::sleep(Duration::from_millis(5));
            first.signal();
        });
        assert_eq!(reservation.wait(Read, &patience()), Ok(()));
        assert!(reservation.is_signaled(Bookkeep));
    });
}

#[test]
fn wait_ends_with_its_deadline_and_not_before() {
    let (reservation, owners) = (Reservation::new(), [lone(), lone()]);
    {
        let guard = lock(&reservation);
        owners.iter().for_each(|owner| add(&guard, owner, Read));
    }
    let deadline = Instant::now() + Duration::from_millis(5);
    let bounds = Wait::until(Deadline::At(deadline));
    assert_eq!(reservation.wait(Read, &bounds), Err(WaitError::TimedOut));
    assert!(Instant::now() >= deadline);
}

#[test]
fn wait_ends_with_its_interrupt() {
    let (reservation, owner, interrupt) = (Reservation::new(), lone(), Interrupt::new());
    add(&lock(&reservation), &owner, Read);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(5));
            interrupt.raise();
        });
        let bounds = patience().interruptible(&interrupt);
        assert_eq!(reservation.wait(Read, &bounds), Err(WaitError::Interrupted));
    });
}

/// Tells when somebody begins to wait for the fence.
struct Begins(Sender<()>);

impl FenceOps for Begins {
    fn enable_signaling(&self) -> Signaling {
        self.0.send(()).unwrap();
        Signaling::Enabled
    }
}

#[test]
fn wait_does_not_include_what_is_added_meanwhile() {
    let (reservation, later) = (Reservation::new(), lone());
    let (begins, begun) = channel();
    let owner = FenceContext::new("test", "told").fence_with(1, Box::new(Begins(begins)));
    add(&lock(&reservation), &owner, Read);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| reservation.wait(Read, &patience()));
        begun.recv().unwrap();
        add(&lock(&reservation), &later, Read);
        owner.signal();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
    assert!(!reservation.is_signaled(Read));
}

#[test]
fn wait_is_possible_with_the_lock_held() {
    let (reservation, owner) = (Reservation::new(), lone());
    let guard = lock(&reservation);
    add(&guard, &owner, Kernel);
    thread::scope(|scope| {
        scope.spawn(move || owner.signal());
        assert_eq!(reservation.wait(Bookkeep, &patience()), Ok(()));
    });
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Instant>>>);

impl FenceOps for Heard {
    fn enable_signaling(&self) -> Signaling {
        Signaling::Enabled
    }

    fn set_deadline(&self, deadline: Instant) {
        self.0.lock().unwrap().push(deadline);
    }
}

#[test]
fn deadline_reaches_all_pending_fences_of_the_usage_and_stronger_ones() {
    let reservation = Reservation::new();
    let heard = [(); 3].map(|()| Heard::default());
    let owners = heard
        .clone()
        .map(|ops| FenceContext::new("test", "hints").fence_with(1, Box::new(ops)));
    let done = lone();
    {
        let guard = lock(&reservation);
        for (owner, usage) in owners.iter().zip([Kernel, Write, Read]) {
            add(&guard, owner, usage);
        }
        add(&guard, &done, Kernel);
    }
    done.signal();
    let soon = Instant::now() + Duration::from_secs(1);
    reservation.set_deadline(Write, soon);
    let deadlines = heard.each_ref().map(|heard| heard.0.lock().unwrap().clone());
    assert_eq!(deadlines, [vec![soon], vec![soon], vec![]]);
    assert_eq!(
        owners.each_ref().map(|owner| owner.deadline()),
        [Some(soon), Some(soon), None]
    );
}
