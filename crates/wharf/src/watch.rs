//! Streams in event loops: what makes the descriptor of somebody who polls ready. Contract: S7.
//!
//! What is handed out is an epoll descriptor. It is ready when something in it is: doorbells, which others ring; the processes of
//! others, which die; the broker's connection, once it hangs up; and a timer for what has to be tried again.
//!
//! The broker makes the doorbells when the stream is created or joined, so that nobody who does not poll has any.

use crate::connection::Connection;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use wharf_linux::BellEnd;
use wharf_stream::Doorbell;

/// How soon to look again at what no event tells of.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How many events one look takes out.
const EVENTS_PER_LOOK: usize = 64;
const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Marks of what is watched besides numbered bells.
const OWN_BELL: u64 = u64::MAX;
const PROCESS: u64 = u64::MAX - 1;
const BROKER: u64 = u64::MAX - 2;
const TIMER: u64 = u64::MAX - 3;

/// The end of somebody else's doorbell.
#[derive(Debug)]
pub(crate) struct RingingEnd(pub(crate) BellEnd);

impl Doorbell for RingingEnd {
    fn ring(&self) {
        self.0.ring();
    }
}

/// What there was to see.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Somebody's process died.
    pub(crate) death: bool,
    /// The broker hung up. Told once.
    pub(crate) broker_gone: bool,
}

/// An epoll descriptor with everything in it that somebody waits for.
#[derive(Debug)]
pub(crate) struct Watch {
    epoll: Arc<OwnedFd>,
    bell: Arc<RingingEnd>,
    timer: OwnedFd,
    is_timed: bool,
}

impl Watch {
    /// Watches one's own bell and the broker's end of the connection.
    pub(crate) fn new(bell: BellEnd, connection: &Connection) -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        epoll::add(&epoll, &bell, EventData::new_u64(OWN_BELL), EventFlags::IN)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        // Once only: a broker that is gone stays gone, and the stream goes on.
        let hang_up = EventFlags::RDHUP | EventFlags::ONESHOT;
        connection.with_socket(|socket| epoll::add(&epoll, socket, EventData::new_u64(BROKER), hang_up))?;
        Ok(Self {
            epoll: Arc::new(epoll),
            bell: Arc::new(RingingEnd(bell)),
            timer,
            is_timed: false,
        })
    }

    /// The descriptor that becomes ready.
    pub(crate) fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.epoll)
    }

    /// One's own bell, for others of this process to ring.
    pub(crate) fn own_bell(&self) -> Arc<dyn Doorbell> {
        Arc::clone(&self.bell) as Arc<dyn Doorbell>
    }

    /// Watches a process for its death, for as long as its handle is open.
    pub(crate) fn add_process(&self, process: impl AsFd) -> Result<(), Errno> {
        epoll::add(&self.epoll, process, EventData::new_u64(PROCESS), EventFlags::IN)
    }

    /// Watches another bell, for as long as this end is open.
    pub(crate) fn add_bell(&self, number: u64, bell: &BellEnd) -> Result<(), Errno> {
        epoll::add(&self.epoll, bell, EventData::new_u64(number), EventFlags::IN)
    }

    /// Makes the descriptor ready.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// Makes the descriptor ready in a while, if it is not to be anyway.
    pub(crate) fn look_again(&mut self) {
        if !self.is_timed {
            self.set_timer(AGAIN_AFTER);
            self.is_timed = true;
        }
    }

    fn set_timer(&self, after: Duration) {
        let time = Itimerspec {
            it_interval: NO_WAIT,
            it_value: Timespec::try_from(after).unwrap_or(NO_WAIT),
        };
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time);
    }

    /// Silences the bells that were rung, `others` by their numbers, and tells what else there was.
    pub(crate) fn silence(&mut self, mut others: impl FnMut(u64)) -> Seen {
        let mut seen = Seen::default();
        let mut events = Vec::with_capacity(EVENTS_PER_LOOK);
        let spare = rustix::buffer::spare_capacity(&mut events);
        if epoll::wait(&self.epoll, spare, Some(&NO_WAIT)).is_err() {
            return seen;
        }
        for event in &events {
            match event.data.u64() {
                OWN_BELL => self.bell.0.silence(),
                PROCESS => seen.death = true,
                BROKER => seen.broker_gone = true,
                TIMER => {
                    self.set_timer(Duration::ZERO);
                    self.is_timed = false;
                }
                number => others(number),
            }
        }
        seen
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
