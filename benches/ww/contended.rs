//! Two threads that want one mutex all the time, with little to do inside.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use super::{BATCH, TURN};
use wharf_core::{Wait, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("contended", WwAlgorithm::WaitDie);

const THREADS: usize = 2;

/// Who is measured, in this order.
pub(crate) const NAMES: [&str; 3] = ["std", "parking_lot", "plain"];

/// Nanoseconds a lock, of everybody.
pub(crate) fn turns() -> Vec<f64> {
    let std = std::sync::Mutex::new(());
    let parking_lot = parking_lot::Mutex::new(());
    let ww = WwMutex::new(&CLASS);
    vec![
        turn(|| drop(black_box(std.lock()))),
        turn(|| drop(black_box(parking_lot.lock()))),
        turn(|| drop(black_box(ww.lock(&Wait::forever())))),
    ]
}

/// Has threads lock until the time is over; what they got done together counts.
fn turn(lock: impl Fn() + Sync) -> f64 {
    let is_over = AtomicBool::new(false);
    let work = || {
        let mut operations = 0;
        while !is_over.load(Relaxed) {
            (0..BATCH).for_each(|_| lock());
            operations += BATCH;
        }
        operations
    };
    let start = Instant::now();
    let operations: u32 = thread::scope(|scope| {
        let threads = [(); THREADS].map(|()| scope.spawn(work));
        thread::sleep(TURN);
        is_over.store(true, Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    start.elapsed().as_secs_f64() * 1e9 / f64::from(operations)
}
