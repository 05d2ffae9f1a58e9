//! As many frames one way as go.

use super::{CONSUMER_CPU, Intake, Meter, PRODUCER_CPU, Sequence};
use crate::Outcome;
use crate::frame::Stamp;
use crate::peers::Channel;
use crate::statistics::{Figures, figures};
use crate::terms::Terms;
use std::time::{Duration, Instant};

/// Frames between two looks at the clock, if they are fast.
const BATCH: u64 = 64;
/// Who takes longer for a frame looks at the clock after each.
const FAST: Duration = Duration::from_micros(20);

pub(super) fn lead(terms: &Terms, channel: &mut dyn Channel) -> Outcome<Figures> {
    let mut sequence = Sequence::new();
    let mut send_for = |time: Duration| -> Outcome<(u64, Duration)> {
        let (start, mut sent, mut batch) = (Instant::now(), 0, 1);
        while start.elapsed() < time {
            for _ in 0..batch {
                channel.send(Stamp::untimed(sequence.advance()), terms.content)?;
            }
            sent += batch;
            let each = start.elapsed().as_nanos() / u128::from(sent);
            batch = if each < FAST.as_nanos() { BATCH } else { 1 };
        }
        Ok((sent, start.elapsed()))
    };
    send_for(terms.turn / 5)?;
    let meter = Meter::start(PRODUCER_CPU)?;
    let (sent, took) = send_for(terms.turn)?;
    let mut figures = figures([("frames_per_s", sent as f64 / took.as_secs_f64())]);
    figures.extend(meter.stop(sent)?);
    channel.send(Stamp::last(), terms.content)?;
    Ok(figures)
}

pub(super) fn follow(terms: &Terms, channel: &mut dyn Channel) -> Outcome<Figures> {
    let mut intake = Intake::new(channel, terms.content);
    intake.receive()?;
    let meter = Meter::start(CONSUMER_CPU)?;
    let mut received = 0;
    while intake.receive()?.is_some() {
        received += 1;
    }
    meter.stop(received)
}
