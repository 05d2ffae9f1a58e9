//! Numbers and texts of errors.

use std::collections::BTreeSet;

use crate::patience;
use wharf_core::ww::{WwLockError, WwMisuse, WwWaitError};
use wharf_core::{AcquireCtx, Errno, WaitError, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("frames", WwAlgorithm::WaitDie);

const MISUSES: [(WwMisuse, Errno); 6] = [
    (
        WwMisuse::OtherClass {
            mutex: "frames",
            context: "lists",
        },
        Errno::EINVAL,
    ),
    (WwMisuse::Done { class: "frames" }, Errno::EINVAL),
    (
        WwMisuse::NotBackedOff {
            class: "frames",
            held: 2,
        },
        Errno::EINVAL,
    ),
    (WwMisuse::NotTheContended { class: "frames" }, Errno::EINVAL),
    (WwMisuse::Recursion { class: "frames" }, Errno::EDEADLK),
    (
        WwMisuse::HoldsOthers {
            class: "frames",
            held: 2,
        },
        Errno::EINVAL,
    ),
];

#[test]
fn every_misuse_has_its_number_and_names_its_class() {
    let mut texts = BTreeSet::new();
    for (misuse, errno) in MISUSES {
        assert_eq!(misuse.errno(), errno);
        assert_eq!(WwWaitError::from(misuse).errno(), errno);
        assert_eq!(WwLockError::from(misuse).errno(), errno);
        let text = misuse.to_string();
        assert!(text.contains("'frames'"), "{text}");
        assert_eq!(WwWaitError::from(misuse).to_string(), text);
        texts.insert(text);
    }
    assert_eq!(texts.len(), MISUSES.len(), "two read the same");
}

#[test]
fn waits_keep_their_numbers() {
    for (error, errno) in [
        (WaitError::TimedOut, Errno::ETIMEDOUT),
        (WaitError::Interrupted, Errno::EINTR),
    ] {
        assert_eq!(WwWaitError::from(error).errno(), errno);
        assert_eq!(WwLockError::Wait(error).errno(), errno);
    }
}

#[test]
fn a_deadlock_says_what_to_do() {
    let (a, b) = (WwMutex::new(&CLASS), WwMutex::new(&CLASS));
    let ctx = AcquireCtx::injecting_deadlocks(&CLASS);
    let _a = a.lock_in(&ctx, &patience()).expect("it is free");
    let error = b
        .lock_in(&ctx, &patience())
        .map(drop)
        .expect_err("the context invents one here");
    let text = error.to_string();
    assert!(text.contains("'frames'") && text.contains("holding 1"), "{text}");
    assert!(text.contains("lock the contended one first"), "{text}");
}

#[test]
fn debug_texts_name_class_and_state() {
    let mutex = WwMutex::new(&CLASS);
    let ctx = AcquireCtx::new(&CLASS);
    let guard = mutex.lock_in(&ctx, &patience()).expect("it is free");
    assert!(format!("{mutex:?}").contains("is_locked: true"));
    assert!(format!("{ctx:?}").contains("held: 1"));
    assert!(format!("{guard:?}").contains("in_context: true"));
    assert!(format!("{CLASS:?}").contains("frames"));
}
