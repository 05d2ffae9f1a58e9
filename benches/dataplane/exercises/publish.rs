//! What it costs to hand a frame to many consumers none of which sleeps or looks: a few frames at a time, then everybody reads them.

use super::Sequence;
use crate::Outcome;
use crate::frame::{Content, Stamp};
use crate::link::Link;
use crate::peers::Channel;
use crate::statistics::{Figures, figures, median};
use crate::terms::Terms;
use std::time::Instant;

pub(super) fn lead(terms: &Terms, channel: &mut dyn Channel, links: &mut [Link]) -> Outcome<Figures> {
    let mut sequence = Sequence::new();
    let mut times = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < terms.turn {
        let start = Instant::now();
        for _ in 0..terms.depth {
            channel.send(Stamp::untimed(sequence.advance()), Content::Header)?;
        }
        let took = start.elapsed();
        // Caches and connections are warm after the first fifth.
        if begin.elapsed() > terms.turn / 5 {
            times.push(took.as_secs_f64() * 1e9 / f64::from(terms.depth));
        }
        for link in &mut *links {
            link.tell(&terms.depth.to_string())?;
        }
        for link in &mut *links {
            link.expect("read")?;
        }
    }
    for link in links {
        link.tell("0")?;
    }
    Ok(figures([("publish_ns", median(&times))]))
}

pub(super) fn follow(channel: &mut dyn Channel, links: &mut [Link]) -> Outcome<Figures> {
    let [link] = links else {
        return Err("a consumer has one producer".into());
    };
    loop {
        let count: u32 = link.hear()?.parse()?;
        if count == 0 {
            return Ok(Figures::new());
        }
        for _ in 0..count {
            channel.receive(Content::Header)?;
        }
        link.tell("read")?;
    }
}
