//! The hand-over without sleeping, between two threads on two processors, beside bare words and a bare ring in shared memory:
//!
//! * `ping`: a round trip of a frame each way, and of a word each way;
//! * `flood`: frames a second one way, and indices a second through a ring of words;
//! * `publish`: what publishing to one and to eight consumers costs that never sleep;
//! * `alone`: acquire, publish, receive and release on one processor.
//!
//! The measurements take turns; the table gives medians. Run with `cargo bench -p wharf-benches --bench spinning`.

mod bare;
mod frames;

use std::error::Error;
use std::time::Duration;
use wharf::Waiting;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const TURN: Duration = Duration::from_millis(40);

fn main() -> Outcome<()> {
    let repetitions = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(7);
    let mut table: Vec<(&str, Vec<f64>)> = Vec::new();
    for _ in 0..repetitions {
        let turns: [(&str, f64); 10] = [
            ("ping, bare, ns", bare::ping(TURN)?),
            (
                "ping, frames, spinning, ns",
                frames::ping(TURN, Waiting::Spin, 4096)?,
            ),
            (
                "ping, frames of 8 MiB, spinning, ns",
                frames::ping(TURN, Waiting::Spin, 8 << 20)?,
            ),
            (
                "ping, frames, adaptive, ns",
                frames::ping(TURN, Waiting::default(), 4096)?,
            ),
            ("flood, bare, ns", bare::flood(TURN)?),
            ("flood, frames, spinning, ns", frames::flood(TURN, Waiting::Spin)?),
            (
                "flood, frames, adaptive, ns",
                frames::flood(TURN, Waiting::default())?,
            ),
            ("publish to 1, ns", frames::publish(TURN, 1)?),
            ("publish to 8, ns", frames::publish(TURN, 8)?),
            ("alone, ns", frames::alone(TURN)?),
        ];
        for (index, (name, ns)) in turns.into_iter().enumerate() {
            match table.get_mut(index) {
                Some((_, values)) => values.push(ns),
                None => table.push((name, vec![ns])),
            }
        }
    }
    for (name, mut values) in table {
        values.sort_unstable_by(f64::total_cmp);
        println!("{name:40} {:8.1}   {values:.0?}", values[values.len() / 2]);
    }
    Ok(())
}

/// Keeps this thread on one processor, if the machine has it.
fn pin_to_cpu(cpu: usize) {
    let mut cpus = rustix::thread::CpuSet::new();
    cpus.set(cpu);
    let _ = rustix::thread::sched_setaffinity(None, &cpus);
}

/// Lets this thread, and those it starts, run anywhere.
fn unpin() {
    let mut cpus = rustix::thread::CpuSet::new();
    (0..rustix::thread::CpuSet::MAX_CPU).for_each(|cpu| cpus.set(cpu));
    let _ = rustix::thread::sched_setaffinity(None, &cpus);
}
