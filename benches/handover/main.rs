//! Round trip of one frame between two processes that sleep while they wait, at three frame sizes:
//!
//! * `wharf`: a frame of a stream each way, headers written and read in place;
//! * `futex`: two words in shared memory and a wake-up each way: the limit for anybody who sleeps;
//! * `socket`: the frame's bytes through a Unix stream socket each way.
//!
//! The three take turns within each repetition, so that a noisy machine hits them alike; the table gives medians over the
//! repetitions and the median of the ratios within one repetition. Run with `cargo bench -p wharf-benches --bench handover`.

mod futex;
mod partner;
mod sample;
mod socket;
mod streams;

use partner::Partner;
use sample::{Samples, median};
use std::error::Error;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Name, and bytes of one frame.
const SIZES: [(&str, usize); 3] = [
    ("4 KiB", 4096),
    ("1080p RGBA, 8.3 MB", 1920 * 1080 * 4),
    ("4K NV12, 12.4 MB", 3840 * 2160 * 3 / 2),
];
/// Round trips not counted at the start of a turn.
const WARM_UP: usize = 20;

/// One side of an exchange of frames.
trait Link {
    /// Sends a frame and waits for the one that comes back.
    fn round_trip(&mut self) -> Outcome<()>;
    /// Waits for a frame and sends one back; `false` when the other side has finished.
    fn answer(&mut self) -> Outcome<bool>;
}

fn main() -> Outcome<()> {
    if let Some(partner) = Partner::from_environment()? {
        return partner.serve();
    }
    let repetitions = repetitions();
    let turn = Duration::from_millis(250);
    partner::pin_to_cpu(0)?;
    println!(
        "{repetitions} repetitions of {turn:?}, producer on CPU 0, consumer on CPU 1; microseconds a round trip\n"
    );
    println!("| frame | wharf p50 | wharf p99 | futex p50 | socket p50 | wharf / futex | socket / wharf |");
    println!("|---|---|---|---|---|---|---|");
    for (name, bytes) in SIZES {
        let [wharf, futex, socket] = measure(bytes, repetitions, turn)?;
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} |",
            wharf.p50(),
            wharf.p99(),
            futex.p50(),
            socket.p50(),
            median(&wharf.ratios_to(&futex)),
            median(&socket.ratios_to(&wharf)),
        );
    }
    Ok(())
}

/// How often everybody takes a turn: the first argument that is a number, or 9. (`cargo bench` adds `--bench`.)
fn repetitions() -> usize {
    std::env::args().find_map(|word| word.parse().ok()).unwrap_or(9)
}

/// Measures all three at one frame size: samples of wharf, futex and socket.
fn measure(bytes: usize, repetitions: usize, turn: Duration) -> Outcome<[Samples; 3]> {
    let mut wharf = streams::lead(bytes)?;
    let mut futex = futex::lead()?;
    let mut socket = socket::lead(bytes)?;
    let mut samples = <[Samples; 3]>::default();
    for _ in 0..repetitions {
        let links: [&mut dyn Link; 3] = [&mut wharf, &mut futex, &mut socket];
        for (link, samples) in links.into_iter().zip(&mut samples) {
            samples.push(take_turn(link, turn)?);
        }
    }
    Ok(samples)
}

/// Round-trip times in microseconds.
fn take_turn(link: &mut dyn Link, turn: Duration) -> Outcome<Vec<f64>> {
    for _ in 0..WARM_UP {
        link.round_trip()?;
    }
    let mut times = Vec::new();
    let end = Instant::now() + turn;
    while Instant::now() < end {
        let start = Instant::now();
        link.round_trip()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}
