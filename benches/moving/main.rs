//! What a consumer sees of a live move: 8 buffers of 8 MiB under a running stream change places, again and again.
//!
//! A producer publishes at a steady pace; a consumer in another process notes when each frame came. The pause of a move is
//! the longest time between two frames while it was under way. Beside it stands the longest time between two frames in as long a
//! stretch without a move: what the machine does to anybody. Run with `cargo bench -p wharf-benches --bench moving`.

mod consumer;
mod producer;

use std::error::Error;
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn Error>>;

const BUFFERS: u32 = 8;
const BUFFER_BYTES: u64 = 8 << 20;

/// Name, time between frames, and whether every byte of a frame is written.
const PACES: [(&str, Duration, bool); 3] = [
    ("1000 frames/s, headers only", Duration::from_millis(1), false),
    ("60 frames/s, headers only", Duration::from_micros(16_667), false),
    (
        "60 frames/s, every byte written",
        Duration::from_micros(16_667),
        true,
    ),
];

/// When something came, or began and ended, in nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy)]
struct Span {
    begin_ns: u64,
    end_ns: u64,
}

fn main() -> Outcome<()> {
    if let Some(outcome) = consumer::serve_if_asked() {
        return outcome;
    }
    let moves = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(50);
    println!("{moves} moves of {BUFFERS} buffers of 8 MiB; milliseconds\n");
    println!(
        "| pace | pause p50 | p99 | max | without a move p50 | p99 | max | whole move p50 | max | frames lost |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, period, writes_all) in PACES {
        let run = producer::run(moves, period, writes_all)?;
        let pauses = Times::of(run.moves.iter().map(|span| longest_gap(&run.frames, *span)));
        let quiet = Times::of(run.quiet.iter().map(|span| longest_gap(&run.frames, *span)));
        let whole = Times::of(run.moves.iter().map(|span| span.end_ns - span.begin_ns));
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
            pauses.percentile(50),
            pauses.percentile(99),
            pauses.percentile(100),
            quiet.percentile(50),
            quiet.percentile(99),
            quiet.percentile(100),
            whole.percentile(50),
            whole.percentile(100),
            run.lost,
        );
    }
    Ok(())
}

/// The longest time between two frames of which at least one came within `span`, in nanoseconds.
fn longest_gap(frames_ns: &[u64], span: Span) -> u64 {
    let first = frames_ns
        .partition_point(|frame| *frame < span.begin_ns)
        .saturating_sub(1);
    let after = frames_ns.partition_point(|frame| *frame <= span.end_ns) + 1;
    let around = &frames_ns[first..after.min(frames_ns.len())];
    around.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

/// Times in ascending order, in nanoseconds.
struct Times(Vec<u64>);

impl Times {
    fn of(times: impl Iterator<Item = u64>) -> Self {
        let mut times: Vec<u64> = times.collect();
        times.sort_unstable();
        Self(times)
    }

    /// In milliseconds; 0 of nothing.
    fn percentile(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        // CAST: times of a benchmark are exact in a float.
        self.0.get(index).map_or(0.0, |time| *time as f64 / 1e6)
    }
}
