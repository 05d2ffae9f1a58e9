//! Those who are compared, behind one interface.

mod iceoryx;
mod limits;
mod rights;
mod ring;
mod ring_pages;
mod socket;
mod wharf_stream;

use crate::Outcome;
use crate::frame::{Content, Stamp};
use crate::link::Link;
use crate::terms::{Side, Terms};
use std::path::PathBuf;
use std::time::Duration;

/// How long an adaptive side looks before it sleeps.
const SPIN: Duration = Duration::from_micros(20);

/// How a side waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Looks again and again.
    Poll,
    /// Looks for [`SPIN`], then sleeps.
    Adaptive,
    /// Sleeps at once.
    Sleep,
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    PingPong,
    Futex,
    RingPoll,
    RingAdaptive,
    RingSleep,
    RingEventfd,
    WharfPoll,
    WharfAdaptive,
    WharfSleep,
    IceoryxPoll,
    IceoryxEvent,
    Rights,
    Socket,
}

/// One side's end: frames go out of it, come in, or both.
pub(crate) trait Channel {
    /// Takes a buffer, waiting for one if need be, writes the frame and hands it over to all who are on the other side.
    fn send(&mut self, stamp: Stamp, content: Content) -> Outcome<()>;
    /// Waits for a frame, reads it, and gives its buffer back.
    fn receive(&mut self, content: Content) -> Outcome<Stamp>;
}

/// Where the two sides find what the orchestrator set up for them.
pub(crate) struct Place {
    /// Socket of Wharf's broker.
    pub(crate) broker: PathBuf,
    /// A directory on a tmpfs.
    pub(crate) scratch: PathBuf,
    /// Different for each run.
    pub(crate) name: String,
}

impl Peer {
    const ALL: [(&str, &str, Self); 13] = [
        ("ping-pong", "cache line ping-pong (limit)", Self::PingPong),
        ("futex", "bare futex (limit)", Self::Futex),
        ("ring-poll", "raw ring, polling (floor)", Self::RingPoll),
        (
            "ring-adaptive",
            "raw ring, 20 µs then futex (floor)",
            Self::RingAdaptive,
        ),
        ("ring-sleep", "raw ring, futex (floor)", Self::RingSleep),
        ("ring-eventfd", "memfd + eventfd by hand", Self::RingEventfd),
        ("wharf-poll", "**wharf, polling**", Self::WharfPoll),
        (
            "wharf-adaptive",
            "**wharf, 20 µs then futex**",
            Self::WharfAdaptive,
        ),
        ("wharf-sleep", "**wharf, blocking**", Self::WharfSleep),
        ("iceoryx-poll", "iceoryx2 0.10, polling", Self::IceoryxPoll),
        (
            "iceoryx-event",
            "iceoryx2 0.10 + event, blocking",
            Self::IceoryxEvent,
        ),
        ("rights", "SCM_RIGHTS and mmap a frame", Self::Rights),
        ("socket", "Unix stream socket (copies)", Self::Socket),
    ];

    fn entry(self) -> (&'static str, &'static str) {
        let entry = Self::ALL.iter().find(|(_, _, peer)| *peer == self);
        entry.map_or(("", ""), |(id, name, _)| (id, name))
    }

    pub(crate) fn id(self) -> &'static str {
        self.entry().0
    }

    pub(crate) fn is_wharf(self) -> bool {
        matches!(self, Self::WharfPoll | Self::WharfAdaptive | Self::WharfSleep)
    }

    /// What tables call it.
    pub(crate) fn name(self) -> &'static str {
        self.entry().1
    }

    pub(crate) fn from_id(id: &str) -> Outcome<Self> {
        let entry = Self::ALL.iter().find(|(known, _, _)| *known == id);
        Ok(entry.ok_or_else(|| format!("no peer {id:?}"))?.2)
    }

    /// Connects this side: it can then send, or receive, or both if the terms say so.
    pub(crate) fn open(
        self,
        side: Side,
        terms: &Terms,
        links: &mut [Link],
        place: &Place,
    ) -> Outcome<Box<dyn Channel>> {
        Ok(match self {
            Self::PingPong => Box::new(limits::open(side, links, Wait::Poll)?),
            Self::Futex => Box::new(limits::open(side, links, Wait::Sleep)?),
            Self::RingPoll => Box::new(ring::open(side, terms, links, ring::Bell::Futex(Wait::Poll))?),
            Self::RingAdaptive => {
                Box::new(ring::open(side, terms, links, ring::Bell::Futex(Wait::Adaptive))?)
            }
            Self::RingSleep => Box::new(ring::open(side, terms, links, ring::Bell::Futex(Wait::Sleep))?),
            Self::RingEventfd => Box::new(ring::open(side, terms, links, ring::Bell::Eventfd)?),
            Self::WharfPoll => Box::new(wharf_stream::open(side, terms, links, place, Wait::Poll)?),
            Self::WharfAdaptive => Box::new(wharf_stream::open(side, terms, links, place, Wait::Adaptive)?),
            Self::WharfSleep => Box::new(wharf_stream::open(side, terms, links, place, Wait::Sleep)?),
            Self::IceoryxPoll => Box::new(iceoryx::open(side, terms, links, place, Wait::Poll)?),
            Self::IceoryxEvent => Box::new(iceoryx::open(side, terms, links, place, Wait::Sleep)?),
            Self::Rights => Box::new(rights::open(side, terms, links)?),
            Self::Socket => Box::new(socket::open(side, terms, links)?),
        })
    }
}

/// Looks once more, in the way that fits the number of processes.
fn relax(crowded: bool) {
    match crowded {
        true => rustix::thread::sched_yield(),
        false => std::hint::spin_loop(),
    }
}

/// The one link of a side that has one.
fn only(links: &mut [Link]) -> Outcome<&mut Link> {
    match links {
        [link] => Ok(link),
        _ => Err("this takes one process on the other side".into()),
    }
}
