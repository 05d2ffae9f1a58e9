//! From nothing to the first frame, and what the processes then have.

use super::{Intake, Sequence, Stage};
use crate::Outcome;
use crate::frame::{Content, Stamp};
use crate::machine::Holdings;
use crate::statistics::{Figures, figures};
use crate::terms::Side;

/// Frames written and read in full before memory is looked at.
const FRAMES: u32 = 16;

pub(super) fn perform(stage: &mut Stage) -> Outcome<Figures> {
    let before = Holdings::now()?;
    match stage.side {
        Side::Lead => lead(stage, before),
        Side::Follow => follow(stage, before),
    }
}

fn lead(stage: &mut Stage, before: Holdings) -> Outcome<Figures> {
    let mut channel = stage.open()?;
    let mut sequence = Sequence::new();
    channel.send(Stamp::untimed(sequence.advance()), Content::Header)?;
    let link = &mut stage.links[0];
    link.expect("first frame read")?;
    for _ in 0..FRAMES {
        channel.send(Stamp::untimed(sequence.advance()), Content::Full)?;
    }
    link.expect("all frames read")?;
    let after = Holdings::now()?;
    link.tell("seen")?;
    link.expect("seen")?;
    Ok(figures([
        ("producer_pss_kib", after.pss_kib - before.pss_kib),
        ("producer_fds", after.fds),
        ("producer_threads", after.threads),
    ]))
}

fn follow(stage: &mut Stage, before: Holdings) -> Outcome<Figures> {
    let mut channel = stage.open()?;
    channel.receive(Content::Header)?;
    let first_frame = stage.began.elapsed();
    let link = &mut stage.links[0];
    link.tell("first frame read")?;
    let mut intake = Intake::new(channel.as_mut(), Content::Full);
    intake.next = 2;
    for _ in 0..FRAMES {
        intake.receive()?;
    }
    link.tell("all frames read")?;
    let after = Holdings::now()?;
    link.expect("seen")?;
    link.tell("seen")?;
    Ok(figures([
        ("first_frame_ms", first_frame.as_secs_f64() * 1e3),
        ("consumer_pss_kib", after.pss_kib - before.pss_kib),
        ("consumer_fds", after.fds),
        ("consumer_threads", after.threads),
    ]))
}
