//! Two threads that want one mutex all the time, with little to do inside.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use wharf_core::{Wait, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("contended", WwAlgorithm::WaitDie);

const THREADS: usize = 2;
const TIMES: u32 = 20_000;

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

fn turn(lock: impl Fn() + Sync) -> f64 {
    let ready = Barrier::new(THREADS + 1);
    let start = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                ready.wait();
                (0..TIMES).for_each(|_| lock());
            });
        }
        ready.wait();
        Instant::now()
    });
    start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES) / THREADS as f64
}
