//! Errors say what to do, each in its own words, and have the kernel's numbers.

use std::collections::BTreeSet;

use wharf_core::{
    AcquireCtx, AddFenceError, Errno, RESERVATION_CLASS, Reservation, ReservationLockError, ReserveError,
    Usage, Wait, WaitError, WwMisuse,
};

use crate::tools::lone;

/// Asserts the numbers, and that no two texts are the same.
fn check(errors: &[(String, Errno, Errno)]) {
    for (text, errno, expected) in errors {
        assert_eq!(errno, expected, "{text}");
        assert!(text.starts_with(char::is_lowercase), "{text}");
        assert!(!text.ends_with('.'), "{text}");
    }
    let texts: BTreeSet<_> = errors.iter().map(|(text, ..)| text).collect();
    assert_eq!(texts.len(), errors.len(), "{texts:?}");
}

#[test]
fn errors_of_adding_have_texts_and_numbers() {
    let context = lone().fence().context();
    let row = |error: &dyn std::fmt::Display, errno, expected| (error.to_string(), errno, expected);
    let reserve = [
        (ReserveError::Nothing, Errno::EINVAL),
        (ReserveError::NoMemory { count: 7 }, Errno::ENOMEM),
    ];
    let usage = Usage::Write;
    let add = [
        (AddFenceError::NoSlot { context, usage }, Errno::ENOSPC),
        (AddFenceError::Container, Errno::EINVAL),
    ];
    let mut rows: Vec<_> = reserve
        .iter()
        .map(|(error, expected)| row(error, error.errno(), *expected))
        .collect();
    rows.extend(
        add.iter()
            .map(|(error, expected)| row(error, error.errno(), *expected)),
    );
    check(&rows);
    assert!(
        rows[1].0.contains('7') && rows[2].0.contains("Write") && rows[2].0.contains(&context.to_string())
    );
}

#[test]
fn errors_of_locking_have_texts_and_numbers() {
    let (first, second) = (Reservation::new(), Reservation::new());
    let context = AcquireCtx::injecting_deadlocks(&RESERVATION_CLASS);
    let guard = first.lock_in(&context, &Wait::not()).unwrap();
    let deadlock = second.lock_in(&context, &Wait::not()).unwrap_err();
    let slow_text = {
        let text = deadlock.to_string();
        let ReservationLockError::Deadlock(deadlock) = deadlock else {
            panic!("{deadlock}")
        };
        assert_eq!(deadlock.errno(), Errno::EDEADLK);
        let slow = deadlock.lock_slow(&Wait::not()).unwrap_err();
        assert_eq!(slow.to_string(), slow.cause().to_string());
        (text, slow.to_string(), slow.errno())
    };
    drop(guard);
    let class = "reservation";
    let others = [
        (ReservationLockError::AlreadyLocked, Errno::EALREADY),
        (ReservationLockError::Wait(WaitError::TimedOut), Errno::ETIMEDOUT),
        (ReservationLockError::Wait(WaitError::Interrupted), Errno::EINTR),
        (
            ReservationLockError::Misuse(WwMisuse::Done { class }),
            Errno::EINVAL,
        ),
        (
            ReservationLockError::Misuse(WwMisuse::Recursion { class }),
            Errno::EDEADLK,
        ),
    ];
    let mut rows: Vec<_> = others
        .iter()
        .map(|(error, expected)| (error.to_string(), error.errno(), *expected))
        .collect();
    let (text, slow, errno) = slow_text;
    rows.push((text, Errno::EDEADLK, Errno::EDEADLK));
    rows.push((slow, errno, Errno::EINVAL));
    check(&rows);
}
