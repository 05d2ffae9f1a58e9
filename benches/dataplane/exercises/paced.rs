//! A frame each period, at absolute times. Latency is from just before the frame is handed over until the consumer has read it.

use super::{CONSUMER_CPU, Intake, Meter, PRODUCER_CPU, Sequence};
use crate::Outcome;
use crate::counting::mark;
use crate::frame::Stamp;
use crate::peers::Channel;
use crate::statistics::{Figures, percentiles};
use crate::terms::{Side, Terms};
use rustix::io::Errno;
use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::Timespec;
use std::io::BufRead;
use std::time::{Duration, Instant};
use wharf::now_ns;

/// Frames that are traced when they are not paced.
const UNPACED: u64 = 20_000;

/// Frames that are sent before the measurement: so many that every buffer has been used twice.
fn warm_up(terms: &Terms) -> u64 {
    u64::from(terms.buffers) * 2 + 8
}

/// When the next frame is due.
struct Pace {
    due_ns: u64,
    period: Duration,
}

impl Pace {
    fn new(period: Duration) -> Self {
        let due_ns = now_ns();
        Self { due_ns, period }
    }

    /// Until the next frame is due; not at all if there is no period.
    fn wait(&mut self) -> Outcome<()> {
        if self.period.is_zero() {
            return Ok(());
        }
        self.due_ns += u64::try_from(self.period.as_nanos())?;
        let due = Timespec {
            tv_sec: i64::try_from(self.due_ns / 1_000_000_000)?,
            tv_nsec: i64::try_from(self.due_ns % 1_000_000_000)?,
        };
        loop {
            match clock_nanosleep_absolute(ClockId::Monotonic, &due) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Frames that are measured.
fn frame_count(terms: &Terms) -> u64 {
    match terms.period.as_nanos() {
        0 => UNPACED,
        period => (terms.turn.as_nanos() / period) as u64,
    }
}

pub(super) fn lead(terms: &Terms, channel: &mut dyn Channel) -> Outcome<Figures> {
    let mut sequence = Sequence::new();
    let mut pace = Pace::new(terms.period);
    let begun = Instant::now();
    // Whoever cannot keep the pace stops in time.
    let mut send = |count, time| -> Outcome<u64> {
        let mut sent = 0;
        while sent < count && begun.elapsed() < time {
            pace.wait()?;
            channel.send(Stamp::timed(sequence.advance()), terms.content)?;
            sent += 1;
        }
        Ok(sent)
    };
    send(warm_up(terms), terms.turn)?;
    let meter = Meter::start(PRODUCER_CPU)?;
    let sent = send(frame_count(terms), terms.turn * 3)?;
    let figures = meter.stop(sent)?;
    pace.wait()?;
    channel.send(Stamp::last(), terms.content)?;
    Ok(figures)
}

pub(super) fn follow(terms: &Terms, channel: &mut dyn Channel) -> Outcome<Figures> {
    let mut intake = Intake::new(channel, terms.content);
    let mut before = 0;
    while before < warm_up(terms) && intake.receive()?.is_some() {
        before += 1;
    }
    let meter = Meter::start(CONSUMER_CPU)?;
    let mut times = Vec::new();
    while let Some(stamp) = intake.receive()? {
        times.push(u32::try_from(now_ns().saturating_sub(stamp.time_ns)).unwrap_or(u32::MAX));
    }
    let mut figures = meter.stop(times.len() as u64)?;
    figures.extend(percentiles(times));
    Ok(figures)
}

/// The same with system calls counted from outside, between two marks; the figures are the counter's.
pub(super) fn traced(terms: &Terms, side: Side, channel: &mut dyn Channel) -> Outcome<Figures> {
    println!("open");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let (before, count) = (warm_up(terms), frame_count(terms));
    match side {
        Side::Lead => {
            let mut pace = Pace::new(terms.period);
            for seq in 1..=before + count {
                if seq == before + 1 {
                    mark();
                }
                pace.wait()?;
                channel.send(Stamp::untimed(seq), terms.content)?;
            }
            mark();
        }
        Side::Follow => {
            let mut intake = Intake::new(channel, terms.content);
            for seq in 1..=before + count {
                intake.receive()?;
                if seq == before {
                    mark();
                }
            }
            mark();
        }
    }
    Ok(Figures::from([("frames".to_owned(), count as f64)]))
}
