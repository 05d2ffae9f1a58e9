//! What the processes of a run do with each other. Each exercise has two sides: the lead produces, followers consume.

mod flood;
mod paced;
mod publish;
mod round_trip;
mod set_up;

use crate::Outcome;
use crate::frame::{Content, Stamp};
use crate::link::Link;
use crate::machine::cpu_time;
use crate::peers::{Channel, Place};
use crate::statistics::{Figures, figures};
use crate::terms::{Exercise, Side, Terms};
use std::time::{Duration, Instant};

/// Everything a process needs to take part.
pub(crate) struct Stage {
    pub(crate) side: Side,
    pub(crate) terms: Terms,
    pub(crate) links: Vec<Link>,
    pub(crate) place: Place,
    /// When this process began to connect.
    pub(crate) began: Instant,
}

impl Stage {
    fn open(&mut self) -> Outcome<Box<dyn Channel>> {
        let terms = &self.terms;
        terms.peer.open(self.side, terms, &mut self.links, &self.place)
    }

    /// Takes part; what this process measured.
    pub(crate) fn perform(mut self) -> Outcome<Figures> {
        if self.terms.exercise == Exercise::SetUp {
            return set_up::perform(&mut self);
        }
        let mut channel = self.open()?;
        let channel = channel.as_mut();
        match (self.terms.exercise, self.side) {
            (Exercise::RoundTrip, Side::Lead) => round_trip::lead(&self.terms, channel),
            (Exercise::RoundTrip, Side::Follow) => round_trip::follow(&self.terms, channel),
            (Exercise::Flood, Side::Lead) => flood::lead(&self.terms, channel),
            (Exercise::Flood, Side::Follow) => flood::follow(&self.terms, channel),
            (Exercise::Publish, Side::Lead) => publish::lead(&self.terms, channel, &mut self.links),
            (Exercise::Publish, Side::Follow) => publish::follow(channel, &mut self.links),
            (Exercise::SystemCalls, _) => paced::traced(&self.terms, self.side, channel),
            (Exercise::Paced | Exercise::SetUp, Side::Lead) => paced::lead(&self.terms, channel),
            (Exercise::Paced | Exercise::SetUp, Side::Follow) => paced::follow(&self.terms, channel),
        }
    }
}

/// Numbers frames.
struct Sequence {
    next: u64,
}

impl Sequence {
    fn new() -> Self {
        Self { next: 1 }
    }

    fn advance(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}

/// Receives frames one after the other and insists that none is missing.
struct Intake<'a> {
    channel: &'a mut dyn Channel,
    content: Content,
    next: u64,
    over: bool,
}

impl<'a> Intake<'a> {
    fn new(channel: &'a mut dyn Channel, content: Content) -> Self {
        Self {
            channel,
            content,
            next: 1,
            over: false,
        }
    }

    /// The next frame; nothing after the last, without waiting.
    fn receive(&mut self) -> Outcome<Option<Stamp>> {
        if self.over {
            return Ok(None);
        }
        let stamp = self.channel.receive(self.content)?;
        self.over = stamp.is_last();
        if self.over {
            return Ok(None);
        }
        if stamp.seq != self.next {
            return Err(format!("frame {} came instead of {}", stamp.seq, self.next).into());
        }
        self.next += 1;
        Ok(Some(stamp))
    }
}

/// Processor time of a stretch with many frames.
struct Meter {
    name: &'static str,
    cpu: Duration,
}

impl Meter {
    fn start(name: &'static str) -> Outcome<Self> {
        Ok(Self {
            name,
            cpu: cpu_time()?,
        })
    }

    /// Microseconds for each of `frames`.
    fn stop(self, frames: u64) -> Outcome<Figures> {
        let used = cpu_time()? - self.cpu;
        Ok(figures([(self.name, used.as_secs_f64() * 1e6 / frames as f64)]))
    }
}

/// Processor time of the producer, in microseconds a frame.
pub(crate) const PRODUCER_CPU: &str = "producer_cpu_us";
/// Processor time of a consumer, in microseconds a frame.
pub(crate) const CONSUMER_CPU: &str = "consumer_cpu_us";
