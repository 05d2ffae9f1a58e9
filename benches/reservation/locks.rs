//! Locks that nobody else wants.

use std::hint::black_box;
use std::sync::Mutex;

use wharf_core::{AcquireCtx, RESERVATION_CLASS, Reservation, Wait, WwMutex};

use crate::Case;

const BATCH: u32 = 1000;

pub(crate) fn cases() -> Vec<Case> {
    let mutex = Mutex::new(());
    let ww = WwMutex::new(&RESERVATION_CLASS);
    let [locked, tried, in_context] = [(); 3].map(|()| Reservation::new());
    vec![
        Case::new("std Mutex", BATCH, move || drop(black_box(&mutex).lock())),
        Case::new("ww-mutex", BATCH, move || {
            drop(black_box(&ww).lock(&Wait::forever()))
        }),
        Case::new("reservation", BATCH, move || {
            drop(black_box(&locked).lock(&Wait::forever()));
        }),
        Case::new("reservation, tried", BATCH, move || {
            drop(black_box(&tried).try_lock())
        }),
        Case::new("reservation, in a context of its own", BATCH, move || {
            let context = AcquireCtx::new(&RESERVATION_CLASS);
            drop(black_box(&in_context).lock_in(&context, &Wait::forever()));
        }),
    ]
}
