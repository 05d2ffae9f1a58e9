//! What it costs to lock and unlock 1, 2 and 8 mutexes that nobody else wants, in nanoseconds for all of them:
//!
//! * `std`, `parking_lot`: their mutexes, in an order that is always the same: what one does who needs no ww-mutexes;
//! * `plain`: a ww-mutex without a context, which is for one only;
//! * `wait-die`, `wound-wait`: ww-mutexes in a context that is opened and ended each time;
//! * `lock_all`: the same in one call, wait-die.
//!
//! The last table has two threads that want one mutex all the time. All take turns within each repetition, so that a noisy machine hits
//! them alike; the tables give medians over the repetitions and the median of the ratios to `std` within one repetition. Run with
//! `cargo bench -p wharf-benches --bench ww`.

mod contended;
mod uncontended;

use std::time::{Duration, Instant};

/// How long one case is measured in one repetition.
const TURN: Duration = Duration::from_millis(20);
/// Operations between two looks at the clock.
const BATCH: u32 = 1000;

/// Name, and what does one operation.
type Case = (&'static str, Box<dyn FnMut()>);

fn main() {
    let repetitions = repetitions();
    println!("{repetitions} repetitions of {TURN:?}\n");
    let tables = [1, 2, 8].map(|count| (format!("{count}, guards in a vector"), uncontended::cases(count)));
    let bare = ("1, no vector".to_owned(), uncontended::bare());
    for (title, mut cases) in std::iter::once(bare).chain(tables) {
        let turns: Vec<Vec<f64>> = (0..repetitions)
            .map(|_| cases.iter_mut().map(|(_, body)| take_turn(body)).collect())
            .collect();
        let names: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
        print_table(&title, &names, &turns);
    }
    let turns: Vec<Vec<f64>> = (0..repetitions).map(|_| contended::turns()).collect();
    print_table("1, two threads", &contended::NAMES, &turns);
}

/// How often everybody takes a turn: the first argument that is a number, or 9. (`cargo bench` adds `--bench`.)
fn repetitions() -> usize {
    std::env::args().find_map(|word| word.parse().ok()).unwrap_or(9)
}

/// Nanoseconds an operation.
fn take_turn(body: &mut dyn FnMut()) -> f64 {
    (0..BATCH).for_each(|_| body());
    let start = Instant::now();
    let mut operations = 0;
    while start.elapsed() < TURN {
        (0..BATCH).for_each(|_| body());
        operations += BATCH;
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(operations)
}

/// Prints the figures of each case; the first is what the others are compared with.
fn print_table(title: &str, names: &[&str], turns: &[Vec<f64>]) {
    println!("| {title} | ns | ratio to {} |\n|---|---|---|", names[0]);
    for (index, name) in names.iter().enumerate() {
        let times = turns.iter().map(|turn| turn[index]).collect();
        let ratios = turns.iter().map(|turn| turn[index] / turn[0]).collect();
        println!("| {name} | {:.1} | {:.2} |", median(times), median(ratios));
    }
    println!();
}

/// NaN of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
