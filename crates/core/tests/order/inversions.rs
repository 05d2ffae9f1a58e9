//! Ordinary locks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::{caught, passes};
use wharf_core::order::{self, How, LockClass, OrderedMutex, Violation};

#[test]
fn two_locks_in_both_orders_are_caught_without_a_second_thread() {
    static A: LockClass = LockClass::new("a");
    static B: LockClass = LockClass::new("b");
    let (a, b) = (OrderedMutex::new(&A, ()), OrderedMutex::new(&B, ()));
    passes(|| drop((a.lock(), b.lock())));
    passes(|| drop((a.lock(), b.lock())));
    let report = caught(|| drop((b.lock(), a.lock())));
    assert_eq!(report.violation(), Violation::Inversion);
    passes(|| drop((a.lock(), b.lock())));
}

#[test]
fn what_one_thread_showed_counts_for_all() {
    static A: LockClass = LockClass::new("a");
    static B: LockClass = LockClass::new("b");
    thread::scope(|scope| {
        scope.spawn(|| {
            let _a = order::acquire(&A, How::Block);
            let _b = order::acquire(&B, How::Block);
        });
    });
    let report = caught(|| {
        let _b = order::acquire(&B, How::Block);
        let _a = order::acquire(&A, How::Block);
    });
    assert_eq!(report.violation(), Violation::Inversion);
}

#[test]
fn a_circle_of_three_is_caught() {
    static CLASSES: [LockClass; 3] = [LockClass::new("a"), LockClass::new("b"), LockClass::new("c")];
    let pair = |from: usize, to: usize| {
        move || {
            let _from = order::acquire(&CLASSES[from], How::Block);
            let _to = order::acquire(&CLASSES[to], How::Block);
        }
    };
    passes(pair(0, 1));
    passes(pair(1, 2));
    let report = caught(pair(2, 0));
    let text = report.to_string();
    assert!(
        text.contains("lock 'a' (held since") && text.contains("lock 'c' (taken at"),
        "{text}"
    );
    passes(pair(0, 2));
}

#[test]
fn locks_that_are_tried_are_not_checked_but_those_after_them_are() {
    static A: LockClass = LockClass::new("a");
    static B: LockClass = LockClass::new("b");
    let (a, b) = (OrderedMutex::new(&A, ()), OrderedMutex::new(&B, ()));
    passes(|| drop((a.lock(), b.lock())));
    passes(|| drop((b.lock(), a.try_lock())));
    let report = caught(|| drop((b.try_lock(), a.lock())));
    assert_eq!(report.violation(), Violation::Inversion);
}

#[test]
fn all_that_is_held_counts_and_not_only_the_last() {
    static CLASSES: [LockClass; 3] = [LockClass::new("a"), LockClass::new("b"), LockClass::new("c")];
    let [a, b, c] = &CLASSES;
    passes(|| {
        let _a = order::acquire(a, How::Block);
        let _b = order::acquire(b, How::Try);
        let _c = order::acquire(c, How::Block);
    });
    let report = caught(|| {
        let _c = order::acquire(c, How::Block);
        let _a = order::acquire(a, How::Block);
    });
    assert_eq!(report.violation(), Violation::Inversion);
}

#[test]
fn two_locks_of_a_class_are_caught() {
    static A: LockClass = LockClass::new("a");
    let (first, second) = (OrderedMutex::new(&A, ()), OrderedMutex::new(&A, ()));
    let report = caught(|| drop((first.lock(), second.lock())));
    assert_eq!(report.violation(), Violation::SameClass);
    passes(|| drop((first.lock(), second.try_lock())));
}

#[test]
fn locks_may_be_given_back_in_any_order() {
    static A: LockClass = LockClass::new("a");
    static B: LockClass = LockClass::new("b");
    passes(|| {
        let a = order::acquire(&A, How::Block);
        let b = order::acquire(&B, How::Block);
        drop(a);
        drop(b);
        let _b = order::acquire(&B, How::Block);
    });
    let report = caught(|| {
        let _b = order::acquire(&B, How::Block);
        let _a = order::acquire(&A, How::Block);
    });
    assert_eq!(report.violation(), Violation::Inversion);
}

#[test]
fn a_report_leaves_nothing_held_behind() {
    static A: LockClass = LockClass::new("a");
    static B: LockClass = LockClass::new("b");
    let (a, b) = (OrderedMutex::new(&A, 1), OrderedMutex::new(&B, 2));
    passes(|| drop((a.lock(), b.lock())));
    drop(caught(|| drop((b.lock(), a.lock()))));
    assert_eq!(a.try_lock().as_deref(), Some(&1));
    assert_eq!(b.try_lock().as_deref(), Some(&2));
    passes(|| drop(order::acquire(&A, How::Block)));
}

#[test]
fn a_thread_that_unwinds_is_not_reported_again() {
    static A: LockClass = LockClass::new("a");
    static B: LockClass = LockClass::new("b");
    struct LocksWhenDropped;
    impl Drop for LocksWhenDropped {
        fn drop(&mut self) {
            let _b = order::acquire(&B, How::Block);
            let _a = order::acquire(&A, How::Block);
        }
    }
    passes(|| {
        let _a = order::acquire(&A, How::Block);
        let _b = order::acquire(&B, How::Block);
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _locks = LocksWhenDropped;
        panic!("something else");
    }));
    let payload = panicked.expect_err("it panics");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"something else"));
}

#[test]
fn a_poisoned_mutex_goes_on() {
    static A: LockClass = LockClass::new("a");
    let mutex = OrderedMutex::new(&A, 7);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = mutex.lock();
        panic!("while holding");
    }));
    assert!(panicked.is_err());
    assert_eq!(*mutex.lock(), 7);
    assert_eq!(mutex.try_lock().as_deref(), Some(&7));
    assert_eq!(mutex.into_inner(), 7);
}
