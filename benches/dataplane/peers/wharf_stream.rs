//! Wharf's streams.

use super::{Channel, Place, SPIN, Wait, only};
use crate::Outcome;
use crate::frame::{self, Content, STAMP_BYTES, Stamp};
use crate::link::Link;
use crate::terms::{Side, Terms};
use rustix::thread::sched_yield;
use std::time::Duration;
use wharf::{
    AcquireError, BufferSpec, Consumer, Frame, FrameInfo, FrameMut, JoinOptions, Producer, ReceiveError,
    Session, Token, Waiting,
};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));
/// Frames are read in blocks of so many bytes; what is left at the end is less.
const BLOCK_BYTES: usize = 64;

pub(crate) struct Streams {
    outgoing: Option<Producer>,
    incoming: Option<Consumer>,
    yields: bool,
    info: FrameInfo,
}

pub(crate) fn open(
    side: Side,
    terms: &Terms,
    links: &mut [Link],
    place: &Place,
    wait: Wait,
) -> Outcome<Streams> {
    let session = Session::connect_to(&place.broker, "bench")?;
    let sends = side == Side::Lead || terms.both_ways();
    let mut outgoing = if sends {
        Some(produce(&session, terms, wait)?)
    } else {
        None
    };
    if let Some(producer) = &outgoing {
        let token = producer.token(terms.consumers)?;
        for link in &mut *links {
            link.tell(token.reveal())?;
        }
    }
    let mut incoming = None;
    if side == Side::Follow || terms.both_ways() {
        let token = Token::new(only(links)?.hear()?);
        incoming = Some(session.join(
            &token,
            JoinOptions::every_frame(terms.depth).with_waiting(waiting(wait)),
        )?);
    }
    if let Some(producer) = &mut outgoing
        && !producer.wait_for_consumers(terms.consumers as usize, PATIENCE)?
    {
        return Err("a consumer did not join".into());
    }
    Ok(Streams {
        outgoing,
        incoming,
        yields: wait == Wait::Poll && terms.crowded(),
        info: FrameInfo {
            used_bytes: terms.frame_bytes as u64,
            ..FrameInfo::default()
        },
    })
}

/// Wharf's word for it.
fn waiting(wait: Wait) -> Waiting {
    match wait {
        Wait::Poll => Waiting::Spin,
        Wait::Adaptive => Waiting::Adaptive { spin: SPIN },
        Wait::Sleep => Waiting::Sleep,
    }
}

fn produce(session: &Session, terms: &Terms, wait: Wait) -> Outcome<Producer> {
    let spec = BufferSpec {
        name: "bench",
        size_bytes: terms.frame_bytes as u64,
        count: terms.buffers,
    };
    let mut producer = session.create_stream("bench", session.allocate(&spec)?, terms.consumers)?;
    producer.set_waiting(waiting(wait));
    if let Some(limit) = terms.in_flight {
        producer.set_in_flight_limit(limit as usize);
    }
    Ok(producer)
}

impl Channel for Streams {
    fn send(&mut self, stamp: Stamp, content: Content) -> Outcome<()> {
        let producer = self.outgoing.as_mut().ok_or("nothing to send through")?;
        let frame = acquire(producer, self.yields)?;
        let bytes = frame.view_mut()?;
        if content == Content::Full {
            bytes.fill(
                STAMP_BYTES,
                bytes.len_bytes() - STAMP_BYTES,
                frame::filler(stamp.seq),
            )?;
        }
        bytes.copy_from(0, &stamp.to_bytes())?;
        producer.publish(frame, &self.info)?;
        Ok(())
    }

    fn receive(&mut self, content: Content) -> Outcome<Stamp> {
        let consumer = self.incoming.as_mut().ok_or("nothing to receive from")?;
        let frame = receive(consumer, self.yields)?;
        let bytes = frame.view()?;
        let mut header = [0; STAMP_BYTES];
        bytes.copy_to(0, &mut header)?;
        let stamp = Stamp::from_bytes(header);
        if content == Content::Full {
            let body = bytes.subview(STAMP_BYTES, bytes.len_bytes() - STAMP_BYTES)?;
            let mut blocks = body.blocks();
            let sums = blocks.by_ref().map(|block| frame::sum(&block));
            let sum = sums.fold(0, u64::wrapping_add);
            let mut rest = [0; BLOCK_BYTES];
            let rest = &mut rest[..blocks.rest().len_bytes()];
            blocks.rest().copy_to(0, rest)?;
            frame::check(sum.wrapping_add(frame::sum(rest)), body.len_bytes(), stamp)?;
        }
        Ok(stamp)
    }
}

/// Waits in the way the producer was told, or lets others run between two looks.
fn acquire(producer: &mut Producer, yields: bool) -> Outcome<FrameMut> {
    if !yields {
        return Ok(producer.acquire(None)?);
    }
    loop {
        match producer.acquire(Some(Duration::ZERO)) {
            Err(AcquireError::TimedOut { .. }) => sched_yield(),
            acquired => return Ok(acquired?),
        }
    }
}

/// As [`acquire`].
fn receive(consumer: &mut Consumer, yields: bool) -> Outcome<Frame> {
    if !yields {
        return Ok(consumer.receive(None)?);
    }
    loop {
        match consumer.receive(Some(Duration::ZERO)) {
            Err(ReceiveError::TimedOut { .. }) => sched_yield(),
            received => return Ok(received?),
        }
    }
}
