//! What one run is about, and how it is told to the processes that take part.

use crate::Outcome;
use crate::frame::Content;
use crate::peers::Peer;
use std::time::Duration;

/// What the processes do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exercise {
    /// A frame each way, one after the other.
    RoundTrip,
    /// As many frames as go one way.
    Flood,
    /// A frame each period.
    Paced,
    /// A few frames at a time to consumers that neither sleep nor look.
    Publish,
    /// Everything up to the first frame.
    SetUp,
    /// A frame each period, system calls counted.
    SystemCalls,
}

/// How the processes that take part are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The producer of the one stream there always is.
    Lead,
    /// A consumer of it.
    Follow,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Terms {
    pub(crate) peer: Peer,
    pub(crate) exercise: Exercise,
    pub(crate) content: Content,
    pub(crate) frame_bytes: usize,
    /// Buffers in all.
    pub(crate) buffers: u32,
    /// Most frames under way to one consumer.
    pub(crate) depth: u32,
    /// Most buffers that are filled or under way, if that is limited beside (Wharf only).
    pub(crate) in_flight: Option<u32>,
    pub(crate) consumers: u32,
    /// Time between frames when paced.
    pub(crate) period: Duration,
    /// How long is measured.
    pub(crate) turn: Duration,
    /// Whether each processor has a hog.
    pub(crate) loaded: bool,
}

impl Exercise {
    const ALL: [(&str, Self); 6] = [
        ("round-trip", Self::RoundTrip),
        ("flood", Self::Flood),
        ("paced", Self::Paced),
        ("publish", Self::Publish),
        ("set-up", Self::SetUp),
        ("system-calls", Self::SystemCalls),
    ];
}

impl Terms {
    /// Whether frames go both ways.
    pub(crate) fn both_ways(&self) -> bool {
        self.exercise == Exercise::RoundTrip
    }

    /// Whether there are more processes than processors may be had, so that who polls must let others run.
    pub(crate) fn crowded(&self) -> bool {
        self.consumers > 1
    }

    /// As one line of words.
    pub(crate) fn to_words(self) -> String {
        let exercise = Exercise::ALL
            .iter()
            .find(|(_, exercise)| *exercise == self.exercise);
        format!(
            "{} {} {} {} {} {} {} {} {} {}",
            self.peer.id(),
            exercise.map_or("", |(name, _)| name),
            if self.content == Content::Full {
                "full"
            } else {
                "header"
            },
            self.frame_bytes,
            self.buffers,
            self.depth,
            self.in_flight.unwrap_or(0),
            self.consumers,
            self.period.as_nanos(),
            self.turn.as_nanos(),
        )
    }

    pub(crate) fn from_words(words: &str) -> Outcome<Self> {
        let mut words = words.split_whitespace();
        let mut next = || words.next().ok_or("too few words");
        let (peer, exercise, content) = (next()?, next()?, next()?);
        let exercise = Exercise::ALL.iter().find(|(name, _)| *name == exercise);
        Ok(Self {
            peer: Peer::from_id(peer)?,
            exercise: exercise.ok_or("no such exercise")?.1,
            content: if content == "full" {
                Content::Full
            } else {
                Content::Header
            },
            frame_bytes: next()?.parse()?,
            buffers: next()?.parse()?,
            depth: next()?.parse()?,
            in_flight: Some(next()?.parse()?).filter(|limit| *limit > 0),
            consumers: next()?.parse()?,
            period: Duration::from_nanos(next()?.parse()?),
            turn: Duration::from_nanos(next()?.parse()?),
            loaded: false,
        })
    }
}
