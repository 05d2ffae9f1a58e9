//! What reservations and attachments cost, in nanoseconds, against plain things of the standard library that protect or count the same:
//!
//! * a `Mutex`, for locking and unlocking;
//! * a `Mutex` around a vector of `Arc`s, for adding a fence and for looking at all;
//! * the same around a vector that attachments are pushed to and popped from, with a boxed slice for each mapping.
//!
//! Then the same operations beside 1, 100 and 10 000 fences or attachments of others. All take turns within each repetition, so that a noisy
//! machine hits them alike; the tables give medians over the repetitions and the median of the ratios to the first line within one
//! repetition. Run with `cargo bench -p wharf-benches --bench reservation`.

mod attachments;
mod fences;
mod locks;

use std::time::{Duration, Instant};

/// How long one case is measured in one repetition.
const TURN: Duration = Duration::from_millis(20);
/// How many fences or attachments of others there are.
const CROWDS: [usize; 3] = [1, 100, 10_000];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Name, operations between two looks at the clock, and what does one operation.
struct Case {
    name: String,
    batch: u32,
    body: Box<dyn FnMut()>,
}

impl Case {
    fn new(name: impl Into<String>, batch: u32, body: impl FnMut() + 'static) -> Self {
        Self {
            name: name.into(),
            batch,
            body: Box::new(body),
        }
    }

    /// Nanoseconds an operation.
    fn take_turn(&mut self) -> f64 {
        (0..self.batch).for_each(|_| (self.body)());
        let start = Instant::now();
        let mut operations = 0;
        while start.elapsed() < TURN {
            (0..self.batch).for_each(|_| (self.body)());
            operations += self.batch;
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(operations)
    }
}

fn main() -> Outcome<()> {
    let repetitions = repetitions();
    println!("{repetitions} repetitions of {TURN:?}\n");
    run("lock and unlock", locks::cases(), repetitions);
    run(
        "lock, reserve, add a fence, unlock",
        fences::adding()?,
        repetitions,
    );
    run(
        "the same, beside fences of others",
        fences::adding_beside()?,
        repetitions,
    );
    run(
        "idle? asked with the last of many pending",
        fences::asking()?,
        repetitions,
    );
    run("attach, map, unmap, detach", attachments::cases()?, repetitions);
    run(
        "the same, beside attachments of others",
        attachments::beside()?,
        repetitions,
    );
    Ok(())
}

/// How often everybody takes a turn: the first argument that is a number, or 9. (`cargo bench` adds `--bench`.)
fn repetitions() -> usize {
    std::env::args().find_map(|word| word.parse().ok()).unwrap_or(9)
}

/// Measures all cases in turns, and prints the figures of each; the first is what the others are compared with.
fn run(title: &str, mut cases: Vec<Case>, repetitions: usize) {
    let turns: Vec<Vec<f64>> = (0..repetitions)
        .map(|_| cases.iter_mut().map(Case::take_turn).collect())
        .collect();
    println!("| {title} | ns | ratio to {} |\n|---|---|---|", cases[0].name);
    for (index, case) in cases.iter().enumerate() {
        let times = turns.iter().map(|turn| turn[index]).collect();
        let ratios = turns.iter().map(|turn| turn[index] / turn[0]).collect();
        println!("| {} | {:.1} | {:.2} |", case.name, median(times), median(ratios));
    }
    println!();
}

/// NaN of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
