//! Readers need no lock, and see one moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wharf_core::Usage::{Bookkeep, Kernel, Read, Write};
use wharf_core::{Errno, Fence, FenceArray, FenceContext, FenceOps, FenceStatus, Reservation, Signaling};

use crate::tools::{add, all, context, lock, lone};

#[test]
fn reader_goes_through_the_fences_of_one_moment_whatever_happens_meanwhile() {
    let (reservation, context) = (Reservation::new(), context());
    let (first, second, newer, other) = (context.fence(1), lone(), context.fence(2), lone());
    {
        let guard = lock(&reservation);
        add(&guard, &first, Write);
        add(&guard, &second, Read);
    }
    let mut fences = reservation.fences(Bookkeep);
    assert_eq!(fences.next(), Some((first.fence(), Write)));
    let guard = lock(&reservation);
    add(&guard, &newer, Write);
    guard
        .replace_fences(second.fence().context(), &other.fence(), Kernel)
        .unwrap();
    let mut after_replacing = reservation.fences(Bookkeep);
    guard.copy_fences_from(&Reservation::new()).unwrap();
    drop(guard);
    assert_eq!(fences.next(), Some((second.fence(), Read)));
    assert_eq!(fences.next(), None);
    assert_eq!(after_replacing.next(), Some((newer.fence(), Write)));
    assert_eq!(after_replacing.next(), Some((other.fence(), Kernel)));
    assert_eq!(reservation.fences(Bookkeep).count(), 0);
}

#[test]
fn slots_stay_while_others_read() {
    let (reservation, owners) = (Reservation::new(), [(); 9].map(|()| lone()));
    let guard = lock(&reservation);
    guard.reserve_fences(owners.len()).unwrap();
    let mut readers = Vec::new();
    for (index, owner) in owners.iter().enumerate() {
        guard.add_fence(&owner.fence(), Read).unwrap();
        readers.push((index + 1, reservation.fences(Read)));
    }
    for (expected, reader) in readers {
        assert_eq!(reader.count(), expected);
    }
}

#[test]
fn reader_without_the_lock_leaves_signaled_fences_out_and_one_with_it_does_not() {
    let (reservation, owner) = (Reservation::new(), lone());
    let fence = owner.fence();
    let guard = lock(&reservation);
    add(&guard, &owner, Read);
    let before = reservation.fences(Read);
    owner.signal();
    assert_eq!(before.count(), 0);
    assert_eq!(all(&guard), [(fence, Read)]);
}

#[test]
fn reservation_is_signaled_when_nothing_of_the_usage_or_stronger_is_pending() {
    let (reservation, write, bookkeep) = (Reservation::new(), lone(), lone());
    assert!(reservation.is_signaled(Bookkeep));
    {
        let guard = lock(&reservation);
        add(&guard, &write, Write);
        add(&guard, &bookkeep, Bookkeep);
    }
    let states = || [Kernel, Write, Read, Bookkeep].map(|usage| reservation.is_signaled(usage));
    assert_eq!(states(), [true, false, false, false]);
    write.signal_error(Errno::EIO).unwrap();
    assert_eq!(states(), [true, true, true, false], "an error is a signal too");
    bookkeep.signal();
    assert_eq!(states(), [true; 4]);
}

/// Says that it is signaled when it is asked for the second time.
struct WhenAsked(AtomicBool);

impl FenceOps for WhenAsked {
    fn enable_signaling(&self) -> Signaling {
        Signaling::Enabled
    }

    fn is_signaled(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

#[test]
fn fences_are_asked_by_readers_and_not_by_reports() {
    let reservation = Reservation::new();
    let owner =
        FenceContext::new("test", "polled").fence_with(1, Box::new(WhenAsked(AtomicBool::new(false))));
    add(&lock(&reservation), &owner, Read);
    for _ in 0..3 {
        assert!(format!("{reservation:?}").contains("fences: 1"));
    }
    assert!(!reservation.is_signaled(Read), "a report has asked it");
    assert!(reservation.is_signaled(Read), "a reader has not asked it");
}

#[test]
fn singleton_of_nothing_pending_is_none() {
    let (reservation, done, weaker) = (Reservation::new(), lone(), lone());
    assert_eq!(reservation.singleton(Bookkeep), None);
    {
        let guard = lock(&reservation);
        add(&guard, &done, Write);
        add(&guard, &weaker, Read);
    }
    done.signal();
    assert_eq!(reservation.singleton(Write), None);
}

#[test]
fn singleton_of_one_fence_is_that_fence() {
    let (reservation, owner, weaker) = (Reservation::new(), lone(), lone());
    {
        let guard = lock(&reservation);
        add(&guard, &owner, Write);
        add(&guard, &weaker, Read);
    }
    assert_eq!(reservation.singleton(Write), Some(owner.fence()));
}

#[test]
fn singleton_of_many_is_an_array_that_signals_with_the_last() {
    let (reservation, owners) = (Reservation::new(), [lone(), lone()]);
    {
        let guard = lock(&reservation);
        owners.iter().for_each(|owner| add(&guard, owner, Read));
    }
    let singleton = reservation.singleton(Read).unwrap();
    let array = FenceArray::from_fence(&singleton).unwrap();
    assert_eq!(array.fences(), owners.each_ref().map(|owner| owner.fence()));
    let [first, second] = owners;
    first.signal();
    assert_eq!(singleton.status(), FenceStatus::Unsignaled);
    second.signal();
    assert_eq!(singleton.status(), FenceStatus::Signaled);
}

/// Fences come in pairs that are added under one lock, and taken away under another: a reader sees both or none. And it never sees what was
/// replaced beside what replaced it.
#[test]
fn readers_see_whole_changes_made_under_one_list_lock() {
    let (reservation, over) = (Reservation::new(), AtomicBool::new(false));
    let contexts = [context(), context()];
    let (left, right) = (contexts[0].id(), contexts[1].id());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let seen: Vec<Fence> = reservation.fences(Read).map(|(fence, _)| fence).collect();
                    let of = |context| seen.iter().filter(|fence| fence.context() == context).count();
                    assert!(of(left) <= 1 && of(right) <= 1, "{seen:?}");
                    // The right one is added after the left one of its number.
                    let number = |context| {
                        let fence = seen.iter().find(|fence| fence.context() == context);
                        fence.map_or(0, Fence::seqno)
                    };
                    assert!(number(left) >= number(right), "{seen:?}");
                }
            });
        }
        let mut owners = Vec::new();
        for seqno in 1..=2000 {
            let guard = lock(&reservation);
            for context in &contexts {
                let owner = context.fence(seqno);
                add(&guard, &owner, Read);
                owners.push(owner);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}
