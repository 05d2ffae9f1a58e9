//! What it takes to find a plan, or the reason why there is none, in microseconds of the processor's time.
//!
//! The limit is that of DESIGN.md section 5: 16 participants, 8 formats and 4 heaps in less than a millisecond. Cases of one table take
//! turns within each repetition, so that a noisy machine hits them alike; tables give medians over the repetitions. Run with
//! `cargo bench -p wharf-benches --bench negotiation`.

mod problems;

use std::hint::black_box;
use std::time::Duration;

use problems::Set;

/// How long one case is measured in one repetition, at least.
const TURN: Duration = Duration::from_millis(20);
const LIMIT_US: f64 = 1000.0;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let repetitions = repetitions();
    println!("{repetitions} repetitions of {TURN:?}\n");
    let parties = [2, 4, 8, 16, 32, 64, 128];
    let by_parties: Outcome<Vec<Set>> = parties.iter().map(|count| Set::plain(*count, 8, 4)).collect();
    run(
        "participants, with 8 formats and 4 heaps",
        &by_parties?,
        repetitions,
    );
    let formats = [1, 2, 4, 8, 16, 32, 64];
    let by_formats: Outcome<Vec<Set>> = formats.iter().map(|count| Set::plain(16, *count, 4)).collect();
    run(
        "formats, with 16 participants and 4 heaps",
        &by_formats?,
        repetitions,
    );
    let alternatives = [1, 2, 3, 4];
    let by_ways: Outcome<Vec<Set>> = alternatives
        .iter()
        .map(|count| Set::with_alternatives(16, *count))
        .collect();
    run("alternatives of each of 16 participants", &by_ways?, repetitions);
    let conflicts: Outcome<Vec<Set>> = parties.iter().map(|count| Set::in_conflict(*count)).collect();
    run(
        "participants, two of which conflict: with the report",
        &conflicts?,
        repetitions,
    );
    run("all at once", &[Set::plain(10_000, 1, 4)?], repetitions);
    Ok(())
}

fn repetitions() -> usize {
    let wanted = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next();
    wanted.unwrap_or(9)
}

/// Measures all in turn, and prints the median of each.
fn run(title: &str, sets: &[Set], repetitions: usize) {
    println!("{title}");
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); sets.len()];
    for _ in 0..repetitions {
        for (set, times) in sets.iter().zip(&mut times) {
            times.push(microseconds(set));
        }
    }
    for (set, times) in sets.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let verdict = match (set.has_limit, median < LIMIT_US) {
            (true, true) => "  below the limit of 1000",
            (true, false) => "  ABOVE THE LIMIT of 1000",
            (false, _) => "",
        };
        println!("  {:<12} {median:>12.1} µs  {}{verdict}", set.name, set.outcome());
    }
    println!();
}

/// Of the processor's time: nothing waits, and a busy machine is not to matter.
fn microseconds(set: &Set) -> f64 {
    let (start, mut rounds) = (used(), 0_u32);
    while rounds == 0 || used().saturating_sub(start) < TURN {
        let _ = black_box(set.solve());
        rounds += 1;
    }
    (used() - start).as_secs_f64() * 1e6 / f64::from(rounds)
}

/// How long the program has run on a processor.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}
