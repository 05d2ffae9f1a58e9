//! One thread.

use std::hint::black_box;

use super::Case;
use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex, ww};

static WAIT_DIE: WwClass = WwClass::new("wait-die", WwAlgorithm::WaitDie);
static WOUND_WAIT: WwClass = WwClass::new("wound-wait", WwAlgorithm::WoundWait);

/// Everybody with `count` mutexes, whose guards are kept in a vector as one does who does not know their number.
pub(crate) fn cases(count: usize) -> Vec<Case> {
    vec![
        with_std(count),
        with_parking_lot(count),
        in_context("wait-die", &WAIT_DIE, count),
        in_context("wound-wait", &WOUND_WAIT, count),
        in_one_call(count),
    ]
}

fn with_std(count: usize) -> Case {
    let mutexes: Vec<_> = (0..count).map(|_| std::sync::Mutex::new(())).collect();
    let body = move || {
        drop(black_box(
            mutexes.iter().map(|mutex| mutex.lock()).collect::<Vec<_>>(),
        ))
    };
    ("std", Box::new(body))
}

fn with_parking_lot(count: usize) -> Case {
    let mutexes: Vec<_> = (0..count).map(|_| parking_lot::Mutex::new(())).collect();
    let body = move || {
        drop(black_box(
            mutexes.iter().map(|mutex| mutex.lock()).collect::<Vec<_>>(),
        ))
    };
    ("parking_lot", Box::new(body))
}

/// One mutex, whose guard is dropped at once.
pub(crate) fn bare() -> Vec<Case> {
    let std = std::sync::Mutex::new(());
    let parking_lot = parking_lot::Mutex::new(());
    let ww = WwMutex::new(&WAIT_DIE);
    vec![
        ("std", Box::new(move || drop(black_box(std.lock())))),
        (
            "parking_lot",
            Box::new(move || drop(black_box(parking_lot.lock()))),
        ),
        (
            "plain",
            Box::new(move || drop(black_box(ww.lock(&Wait::forever())))),
        ),
    ]
}

fn in_context(name: &'static str, class: &'static WwClass, count: usize) -> Case {
    let mutexes: Vec<_> = (0..count).map(|_| WwMutex::new(class)).collect();
    let body = move || {
        let ctx = AcquireCtx::new(class);
        let guards: Vec<_> = mutexes
            .iter()
            .map(|mutex| mutex.lock_in(&ctx, &Wait::forever()))
            .collect();
        drop(black_box(guards));
    };
    (name, Box::new(body))
}

fn in_one_call(count: usize) -> Case {
    let mutexes: Vec<_> = (0..count).map(|_| WwMutex::new(&WAIT_DIE)).collect();
    let body = move || {
        let ctx = AcquireCtx::new(&WAIT_DIE);
        let list: Vec<_> = mutexes.iter().collect();
        drop(black_box(ww::lock_all(&ctx, &list, &Wait::forever())));
    };
    ("lock_all", Box::new(body))
}
