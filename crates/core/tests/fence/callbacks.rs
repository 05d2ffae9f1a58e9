//! Callbacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::tools::{Log, lone};
use wharf_core::{CallbackHandle, CallbackOutcome, Errno, Fence, FenceStatus};

fn added<F>(outcome: CallbackOutcome<F>) -> CallbackHandle {
    match outcome {
        CallbackOutcome::Added(handle) => handle,
        CallbackOutcome::AlreadySignaled(_) => panic!("already signaled"),
    }
}

#[test]
fn callbacks_run_in_the_order_in_which_they_were_added() {
    let (owner, log) = (lone(), Log::default());
    for number in 0..100 {
        log.follow(&owner.fence(), &number.to_string());
    }
    owner.signal();
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(log.entries(), expected);
}

#[test]
fn a_callback_sees_the_fence_signaled_and_its_error() {
    let owner = lone();
    let (fence, log) = (owner.fence(), Log::default());
    let (same, notes) = (fence.clone(), log.clone());
    let _handle = added(fence.add_callback(move |fence| {
        assert_eq!(*fence, same);
        notes.note(format!("{:?}", fence.status()));
    }));
    owner.signal_error(Errno::EIO).unwrap();
    assert_eq!(log.entries(), ["Failed(EIO (5))"]);
}

#[test]
fn callbacks_run_on_the_thread_that_signals() {
    let (owner, log) = (lone(), Log::default());
    let notes = log.clone();
    let _handle = added(owner.fence().add_callback(move |_| {
        notes.note(format!("{:?}", std::thread::current().id()));
    }));
    let signaler = std::thread::spawn(move || owner.signal());
    let id = signaler.thread().id();
    signaler.join().unwrap();
    assert_eq!(log.entries(), [format!("{id:?}")]);
}

#[test]
fn a_panicking_callback_stops_neither_the_others_nor_the_signaler() {
    let (owner, log) = (lone(), Log::default());
    let fence = owner.fence();
    log.follow(&fence, "first");
    let _handle = added(fence.add_callback(|_| panic!("this panic is part of the test")));
    log.follow(&fence, "third");
    owner.signal();
    assert_eq!(log.entries(), ["first", "third"]);
    assert_eq!(fence.status(), FenceStatus::Signaled);
}

#[test]
fn handles_remove_their_own_callback_in_any_order_and_once() {
    let (owner, log) = (lone(), Log::default());
    let fence = owner.fence();
    let mut handles: Vec<Option<CallbackHandle>> = (0..50)
        .map(|number: usize| {
            let log = log.clone();
            Some(added(fence.add_callback(move |_| log.note(number.to_string()))))
        })
        .collect();
    // Every third stays; removed from the middle, the end and the beginning.
    let gone = || (20..50).rev().chain(0..20).filter(|number| number % 3 != 0);
    for number in gone() {
        assert!(handles[number].take().unwrap().remove(), "{number}");
    }
    log.follow(&fence, "late");
    owner.signal();
    let mut expected: Vec<String> = (0..50)
        .filter(|number| number % 3 == 0)
        .map(|number| number.to_string())
        .collect();
    expected.push("late".to_owned());
    assert_eq!(log.entries(), expected);
    assert!(handles.into_iter().flatten().all(|handle| !handle.remove()));
}

#[test]
fn a_removed_callback_is_dropped_by_the_removal_and_a_run_one_by_the_signal() {
    let owner = lone();
    let fence = owner.fence();
    let (removed, run) = (Arc::new(()), Arc::new(()));
    let hold = |thing: &Arc<()>| {
        let thing = thing.clone();
        added(fence.add_callback(move |_| drop(thing)))
    };
    let (removed_handle, _run_handle) = (hold(&removed), hold(&run));
    assert!(removed_handle.remove());
    assert_eq!(Arc::strong_count(&removed), 1);
    assert_eq!(Arc::strong_count(&run), 2);
    owner.signal();
    assert_eq!(Arc::strong_count(&run), 1);
}

#[test]
fn a_callback_may_use_the_fence_in_every_way() {
    let owner = lone();
    let (fence, log) = (owner.fence(), Log::default());
    let notes = log.clone();
    let later = Arc::new(std::sync::Mutex::new(None::<CallbackHandle>));
    let queued = later.clone();
    let _handle = added(fence.add_callback(move |fence: &Fence| {
        assert!(matches!(
            fence.add_callback(|_| ()),
            CallbackOutcome::AlreadySignaled(_)
        ));
        assert_eq!(fence.wait(&wharf_core::Wait::not()), Ok(()));
        // The list was taken: what is queued behind this one runs all the same.
        assert!(!queued.lock().unwrap().take().unwrap().remove());
        notes.note("first");
    }));
    let notes = log.clone();
    *later.lock().unwrap() = Some(added(fence.add_callback(move |_| notes.note("second"))));
    owner.signal();
    assert_eq!(log.entries(), ["first", "second"]);
}

#[test]
fn a_callback_may_signal_another_fence() {
    let (first, second, log) = (lone(), lone(), Log::default());
    log.follow(&second.fence(), "second");
    let _handle = added(first.fence().add_callback(move |_| second.signal()));
    first.signal();
    assert_eq!(log.entries(), ["second"]);
}

#[test]
fn the_fence_of_a_callback_may_be_dropped_by_everybody_else() {
    let (owner, log) = (lone(), Log::default());
    log.follow(&owner.fence(), "told");
    owner.signal();
    assert_eq!(log.entries(), ["told"]);
}

/// A hundred thousand additions and removals on a fence that is never signaled meanwhile: a poller's life. Were removed entries kept, or
/// searched for one by one, this would not end soon.
#[test]
fn adding_and_removing_all_the_time_leaves_nothing_behind() {
    let owner = lone();
    let (fence, run) = (owner.fence(), Arc::new(AtomicUsize::new(0)));
    let count = || {
        let run = run.clone();
        added(fence.add_callback(move |_| {
            run.fetch_add(1, Ordering::Relaxed);
        }))
    };
    let _stays = count();
    let mut previous = count();
    for _ in 0..100_000 {
        let next = count();
        assert!(previous.remove());
        previous = next;
    }
    assert_eq!(Arc::strong_count(&run), 3);
    owner.signal();
    assert_eq!(run.load(Ordering::Relaxed), 2);
}
