//! An acquire context ends after the reservations it holds.
use wharf_core::{AcquireCtx, RESERVATION_CLASS, Reservation, Wait};

fn main() {
    let reservation = Reservation::new();
    let context = AcquireCtx::new(&RESERVATION_CLASS);
    let guard = reservation
        .lock_in(&context, &Wait::forever())
        .expect("it is free");
    drop(context);
    drop(guard);
}
