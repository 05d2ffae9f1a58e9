//! The broker's body: one thread that waits for things to happen, tells the state machine, and does what it says.
//!
//! It owns all descriptors. It never waits for a peer (Contract: P1): sockets do not block, what waits for a peer to
//! read is bounded, and what could hold the loop up is done by threads (`disposal`, `sealing`, `heaping`).
//!
//! | file | idea |
//! |---|---|
//! | `turn` | what each turn of the loop does for whom |
//! | `effects` | carrying out what the state machine says |
//! | `accept` | new connections, also when there is no descriptor for them |
//! | `connection`, `input`, `output` | one peer |
//! | `descriptors`, `status_pages` | what the state machine's handles stand for |
//! | `alarms` | when to tell the state machine that time has passed |
//! | `disposal`, `sealing` | work that may wait for a peer |
//! | `heaping` | memory that takes long to get |

mod accept;
mod alarms;
mod connection;
mod descriptors;
mod disposal;
mod effects;
mod heaping;
mod input;
mod output;
mod sealing;
mod status_pages;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::process::{geteuid, getpid};
use rustix::rand::{GetRandomFlags, getrandom};
use wharf_linux::Heaps;
use wharf_protocol::BrokerError;

use crate::config::Config;
use crate::error::ServeError;
use crate::state::{Event, Machine, PeerId, Settings};
use accept::Entrance;
use alarms::Alarms;
use connection::Connection;
use descriptors::Descriptors;
use disposal::Disposal;
use heaping::Heaping;
pub(crate) use heaping::heaps_of_this_machine;
use sealing::Sealing;
use status_pages::{StreamPages, TimelinePages};

/// How many events one wait returns.
const EVENTS_PER_WAIT: usize = 64;

/// How much is read from a peer at once, in bytes.
const READ_BYTES: usize = 64 << 10;

/// How soon to try again what the system has refused or what a thread was still busy with.
const RETRY: Duration = Duration::from_millis(100);

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// What an event of the loop is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// The caller of `run` wants it to return.
    Stop,
    Listener,
    /// A set has been sealed.
    Sealing,
    /// A heap has answered.
    Heaping,
    /// A peer's socket.
    Socket(PeerId),
    /// A peer's process.
    Process(PeerId),
}

impl From<Key> for epoll::EventData {
    fn from(key: Key) -> Self {
        Self::new_u64(match key {
            Key::Stop => 0,
            Key::Listener => 2,
            Key::Sealing => 4,
            Key::Heaping => 6,
            Key::Socket(PeerId(peer)) => peer << 3 | 1,
            Key::Process(PeerId(peer)) => peer << 3 | 3,
        })
    }
}

impl Key {
    fn of(event: &epoll::Event) -> Self {
        let data = event.data.u64();
        match data & 7 {
            1 => Self::Socket(PeerId(data >> 3)),
            3 => Self::Process(PeerId(data >> 3)),
            2 => Self::Listener,
            4 => Self::Sealing,
            6 => Self::Heaping,
            _ => Self::Stop,
        }
    }
}

/// The loop and everything it owns.
pub(crate) struct Driver {
    epoll: OwnedFd,
    entrance: Entrance,
    machine: Machine,
    descriptors: Descriptors,
    stream_pages: StreamPages,
    timeline_pages: TimelinePages,
    sealing: Sealing,
    heaping: Heaping,
    alarms: Alarms,
    connections: BTreeMap<PeerId, Connection>,
    last_peer: u64,
    /// What the state machine has yet to hear.
    events: VecDeque<Event>,
    /// Peers of which there may be a message to serve, each once.
    unserved: VecDeque<PeerId>,
    /// Peers for which something could not be done yet.
    setbacks: BTreeSet<PeerId>,
    /// When to try again.
    retry_at: Option<Instant>,
    buffer: Vec<u8>,
    /// Closes what peers sent.
    foreign: Disposal,
    /// Closes what the broker held.
    released: Disposal,
}

impl Driver {
    pub(crate) fn new(listener: UnixListener, config: Config, heaps: Arc<Heaps>) -> Result<Self, ServeError> {
        let during = |action| move |errno| ServeError { action, errno };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(during("create the event loop"))?;
        let sealing = Sealing::new().map_err(during("create an event descriptor"))?;
        let offers = heaping::offers(&heaps);
        let heaping = Heaping::new(heaps).map_err(during("create an event descriptor"))?;
        let watch = during("watch a descriptor");
        epoll::add(&epoll, &listener, Key::Listener.into(), epoll::EventFlags::IN).map_err(watch)?;
        epoll::add(&epoll, &sealing, Key::Sealing.into(), epoll::EventFlags::IN).map_err(watch)?;
        epoll::add(&epoll, &heaping, Key::Heaping.into(), epoll::EventFlags::IN).map_err(watch)?;
        let settings = Settings {
            quota: config.quota,
            page_bytes: rustix::param::page_size() as u64,
            pid: getpid().as_raw_nonzero().get().unsigned_abs(),
            uid: geteuid().as_raw(),
        };
        let (foreign, released) = (Disposal::new("wharf-foreign"), Disposal::new("wharf-release"));
        Ok(Self {
            epoll,
            entrance: Entrance::new(listener, &foreign),
            machine: Machine::new(settings, Box::new(random_bits)).with_heaps(offers),
            descriptors: Descriptors::new(&released),
            stream_pages: StreamPages::default(),
            timeline_pages: TimelinePages::default(),
            sealing,
            heaping,
            alarms: Alarms::default(),
            connections: BTreeMap::new(),
            last_peer: 0,
            events: VecDeque::new(),
            unserved: VecDeque::new(),
            setbacks: BTreeSet::new(),
            retry_at: None,
            buffer: vec![0; READ_BYTES],
            foreign,
            released,
        })
    }

    /// Serves until `stop` is ready for reading or has hung up.
    pub(crate) fn run(&mut self, stop: BorrowedFd<'_>) -> Result<(), ServeError> {
        let failed = |errno| ServeError {
            action: "watch a descriptor",
            errno,
        };
        epoll::add(&self.epoll, stop, Key::Stop.into(), epoll::EventFlags::IN).map_err(failed)?;
        let outcome = self.turns();
        accept::forget(&self.epoll, stop);
        outcome.map_err(|errno| ServeError {
            action: "wait for events",
            errno,
        })
    }

    fn turns(&mut self) -> Result<(), Errno> {
        let mut events = Vec::with_capacity(EVENTS_PER_WAIT);
        loop {
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                self.patience().as_ref(),
            ) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            for event in &events {
                if Key::of(event) == Key::Stop {
                    return Ok(());
                }
                self.attend(Key::of(event), event.flags);
            }
            self.serve_unserved();
            self.try_again();
            self.ring_alarms();
        }
    }

    fn ring_alarms(&mut self) {
        for operation in self.alarms.take_due() {
            self.feed(Event::Alarm { operation });
        }
    }

    /// How long to wait for events: for ever, unless there is something to do.
    fn patience(&self) -> Option<Timespec> {
        if !self.unserved.is_empty() {
            return Some(AT_ONCE);
        }
        let next = self.retry_at.into_iter().chain(self.alarms.next()).min()?;
        let left = next.saturating_duration_since(Instant::now());
        Some(Timespec::try_from(left).unwrap_or(AT_ONCE))
    }

    /// Tries again later what could not be done now.
    fn postpone(&mut self) {
        self.retry_at.get_or_insert_with(|| Instant::now() + RETRY);
    }

    /// Does what was postponed, if it is time.
    fn try_again(&mut self) {
        if self.retry_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        self.reopen_entrance();
        for peer in std::mem::take(&mut self.setbacks) {
            self.resume(peer);
        }
        self.settle();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for connection in std::mem::take(&mut self.connections).into_values() {
            connection.close(&self.foreign);
        }
        self.entrance.close_all(&self.epoll);
        self.descriptors.clear();
        self.released.finish();
    }
}

fn random_bits() -> Result<[u8; 16], BrokerError> {
    let mut bits = [0; 16];
    match getrandom(&mut bits, GetRandomFlags::empty()) {
        Ok(16) => Ok(bits),
        Ok(_) => Err(system_error(Errno::IO, "getting random bits")),
        Err(errno) => Err(system_error(errno, "getting random bits")),
    }
}

/// The answer to a call for which the system refused something.
fn system_error(errno: Errno, action: &str) -> BrokerError {
    match errno {
        Errno::MFILE | Errno::NFILE => BrokerError::OutOfDescriptors,
        errno => BrokerError::AllocationFailed {
            errno: errno.raw_os_error(),
            reason: format!("{action} failed: {errno}"),
        },
    }
}
