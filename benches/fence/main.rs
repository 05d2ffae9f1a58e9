//! What fences cost, in nanoseconds, against the least that could do the same:
//!
//! * one atomic read-modify-write, for a signal that nobody waits for;
//! * a `Mutex` with a `Condvar`, and a `std::sync::mpsc` channel used once, for being told and for waiting;
//! * a `Mutex` around a list of boxed closures, for many callbacks.
//!
//! All take turns within each repetition, so that a noisy machine hits them alike; the tables give medians over the repetitions and the
//! median of the ratios within one repetition. Run with `cargo bench -p wharf-benches --bench fence`.

mod crowds;
mod singles;
mod turns;
mod waits;

use std::hint::black_box;
use turns::{Case, Table};

fn main() {
    let repetitions = repetitions();
    println!("{repetitions} repetitions; nanoseconds for each operation\n");
    let tables = [
        Table {
            title: "one fence, one thread",
            peer: "one atomic RMW",
            cases: singles::cases(),
        },
        Table {
            title: "made, told once, dropped",
            peer: "Mutex + Condvar",
            cases: singles::lives(),
        },
        Table {
            title: "round trip between two threads that sleep",
            peer: "Mutex + Condvar",
            cases: waits::cases(),
        },
        Table {
            title: "callbacks added and run, for each",
            peer: "list of 1",
            cases: crowds::callbacks(),
        },
        Table {
            title: "array made, watched and signaled, for each member",
            peer: "array of 1",
            cases: crowds::arrays(),
        },
        Table {
            title: "chain linked, watched, signaled and dropped, for each link",
            peer: "chain of 1",
            cases: crowds::chains(),
        },
    ];
    for table in tables {
        table.run(repetitions);
    }
}

/// How often everybody takes a turn: the first argument that is a number, or 9. (`cargo bench` adds `--bench`.)
fn repetitions() -> usize {
    std::env::args().find_map(|word| word.parse().ok()).unwrap_or(9)
}

/// A case that is measured by calling `body` until its turn is over; `body` says how many operations that was.
fn case(name: impl Into<String>, body: impl FnMut() -> turns::Measured + 'static) -> Case {
    Case::new(name.into(), Box::new(body))
}

/// Has a value computed though nobody needs it.
fn see<T>(value: T) {
    let _ = black_box(value);
}
