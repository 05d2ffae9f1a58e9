//! CPUs and devices at once: content that both want may be either's, and nothing is lost, left behind or stuck.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wharf_core::{Coherency, FaultKind};

use crate::machine::{Kind, Machine};
use crate::within_a_minute;

type TestResult = Result<(), Box<dyn Error>>;

#[test]
fn touches_take_overs_and_changes_at_once_lose_no_write() {
    within_a_minute(|| all_at_once().expect("no error"));
}

fn all_at_once() -> TestResult {
    let machine = Machine::new(Kind::of(Coherency::FaultTracked), 8);
    let buffer = machine.export();
    let mappings = [machine.map(&buffer, 0, 4)?, machine.map(&buffer, 2, 6)?];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = mappings
            .iter()
            .enumerate()
            .map(|(table, mapping)| {
                let machine = &machine;
                // Each has pages of its own; the cache is the whole page's.
                let own = if table == 0 { 0..2 } else { 2..6 };
                scope.spawn(move || {
                    for value in 1..=50 {
                        for page in own.clone() {
                            machine.write(mapping, table, page, value).expect("a write");
                        }
                        mapping
                            .fault(3, FaultKind::Read)
                            .expect("a touch of a page of both");
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                buffer.shoot_down_user_mappings(..).expect("a take-over");
                drop(machine.map(&buffer, 1, 3).expect("a third mapping"));
            }
        });
        for writer in writers {
            writer.join().expect("a writer");
        }
        done.store(true, Ordering::Relaxed);
    });
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [50, 50, 0, 0, 50, 50, 50, 50]);
    assert_eq!((machine.present(0), machine.present(1)), (vec![], vec![]));
    Ok(())
}
