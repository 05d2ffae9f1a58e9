//! A frame each way, one after the other.
//!
//! First in batches, so that looking at the clock does not count, then one by one for the percentiles.

use super::{CONSUMER_CPU, Meter, PRODUCER_CPU, Sequence};
use crate::Outcome;
use crate::frame::Stamp;
use crate::peers::Channel;
use crate::statistics::{Figures, figures, median, nanos, percentiles};
use crate::terms::Terms;
use std::time::{Duration, Instant};

/// Round trips between two looks at the clock.
const BATCH: u32 = 16;

pub(super) fn lead(terms: &Terms, channel: &mut dyn Channel) -> Outcome<Figures> {
    let mut sequence = Sequence::new();
    let mut round_trip = || {
        channel.send(Stamp::untimed(sequence.advance()), terms.content)?;
        channel.receive(terms.content)
    };
    let warm = Instant::now() + terms.turn / 6;
    while Instant::now() < warm {
        round_trip()?;
    }
    let meter = Meter::start(PRODUCER_CPU)?;
    let mut trips = 0;
    let batches = batches(terms.turn / 2, &mut round_trip)?;
    trips += batches.len() as u64 * u64::from(BATCH);
    let singles = singles(terms.turn / 2, &mut round_trip)?;
    trips += singles.len() as u64;
    let mut figures = figures([("each_us", median(&batches))]);
    figures.extend(meter.stop(trips)?);
    figures.extend(percentiles(singles));
    channel.send(Stamp::last(), terms.content)?;
    Ok(figures)
}

/// Microseconds a round trip, for each batch.
fn batches(time: Duration, round_trip: &mut impl FnMut() -> Outcome<Stamp>) -> Outcome<Vec<f64>> {
    let mut times = Vec::new();
    let mut start = Instant::now();
    let end = start + time;
    while start < end {
        for _ in 0..BATCH {
            round_trip()?;
        }
        let now = Instant::now();
        times.push((now - start).as_secs_f64() * 1e6 / f64::from(BATCH));
        start = now;
    }
    Ok(times)
}

/// Nanoseconds of each round trip.
fn singles(time: Duration, round_trip: &mut impl FnMut() -> Outcome<Stamp>) -> Outcome<Vec<u32>> {
    let mut times = Vec::new();
    let mut start = Instant::now();
    let end = start + time;
    while start < end {
        round_trip()?;
        let now = Instant::now();
        times.push(nanos(now - start));
        start = now;
    }
    Ok(times)
}

pub(super) fn follow(terms: &Terms, channel: &mut dyn Channel) -> Outcome<Figures> {
    let mut stamp = channel.receive(terms.content)?;
    let meter = Meter::start(CONSUMER_CPU)?;
    let mut answered = 0;
    while !stamp.is_last() {
        channel.send(stamp, terms.content)?;
        answered += 1;
        stamp = channel.receive(terms.content)?;
    }
    meter.stop(answered)
}
