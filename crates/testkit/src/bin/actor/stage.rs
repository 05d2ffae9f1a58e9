//! What all roles have: orders come in, reports go out.

use crate::starvation::{feed, starve};
use rustix::process::{Signal, getpid, kill_process};
use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;
use wharf::core::negotiation::Participant;
use wharf::core::set::{LatePolicy, Rights};
use wharf::{
    BufferSet, MoveStep, NegotiatedSet, NegotiationError, SeatSpec, Session, SessionError, SetOptions, Token,
};
use wharf_testkit::actor::{MoveStage, Order, Report, SeatTerms};

/// Whatever is wrong: it ends the actor.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// A role between two orders.
pub(crate) trait Part {
    /// Whether there is something to do without an order.
    fn is_busy(&self) -> bool;

    /// Does a little of it: a few milliseconds.
    fn go_on(&mut self) -> Result<(), Failure>;

    /// Carries out an order for this role.
    fn obey(&mut self, order: Order, session: &Session) -> Result<Report, Failure>;

    /// Gives up everything it has from the broker.
    fn close(&mut self) -> Result<(), Failure>;
}

/// Plays a part until stdin ends.
pub(crate) fn perform(mut part: impl Part) -> Result<(), Failure> {
    let mut session = None;
    let orders = listen();
    report(&Report::Ready)?;
    loop {
        let order = match part.is_busy() {
            true => orders.try_recv(),
            false => orders.recv().map_err(|_| TryRecvError::Disconnected),
        };
        match order {
            Ok(order) => report(&obey(order?, &mut part, &mut session)?)?,
            Err(TryRecvError::Empty) => part.go_on()?,
            Err(TryRecvError::Disconnected) => return part.close(),
        }
    }
}

/// Takes orders from stdin in a thread of its own, which ends with stdin.
fn listen() -> Receiver<Result<Order, serde_json::Error>> {
    let (sender, orders) = channel();
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            // The receiver goes when the actor ends.
            let _ = sender.send(serde_json::from_str(&line));
        }
    });
    orders
}

fn obey(order: Order, part: &mut impl Part, session: &mut Option<Session>) -> Result<Report, Failure> {
    match order {
        Order::Connect { socket, label } => Ok(connect(session, &socket, &label)),
        Order::Close => {
            part.close()?;
            *session = None;
            Ok(Report::Done)
        }
        Order::Starve { free } => starve(free),
        Order::Feed => feed(),
        order => match session {
            Some(session) => part.obey(order, session),
            None => Err("not connected".into()),
        },
    }
}

fn connect(session: &mut Option<Session>, socket: &Path, label: &str) -> Report {
    match Session::connect_to(socket, label) {
        Ok(connected) => {
            *session = Some(connected);
            Report::Done
        }
        Err(error) => refused(&error),
    }
}

/// Stops this process at a step of a move.
pub(crate) fn stop_at(stage: MoveStage) -> impl FnMut(MoveStep, u64) + Send {
    let wanted = match stage {
        MoveStage::Offered => MoveStep::Offered,
        MoveStage::Taken => MoveStep::Taken,
        MoveStage::Ready => MoveStep::Ready,
        MoveStage::Committed => MoveStep::Committed,
        MoveStage::FirstFrame => MoveStep::FirstFrame,
    };
    let mut is_done = false;
    move |step, _| {
        if step == wanted && !std::mem::replace(&mut is_done, true) {
            // Nobody else can stop it at this very point. That it cannot would show in the test.
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }
}

pub(crate) fn refused(error: &SessionError) -> Report {
    Report::Refused {
        errno: error.errno().raw_os_error(),
        message: error.to_string(),
    }
}

pub(crate) fn refused_set(error: &NegotiationError) -> Report {
    Report::Refused {
        errno: error.errno().raw_os_error(),
        message: error.to_string(),
    }
}

/// A place in a negotiated set, and the buffers it gave.
#[derive(Default)]
pub(crate) struct Chair {
    pub(crate) seat: Option<wharf::Seat>,
    buffers: Option<BufferSet>,
    /// The set it made.
    set: Option<NegotiatedSet>,
}

impl Chair {
    /// Makes a set, and issues its seats.
    pub(crate) fn create(&mut self, session: &Session, seats: &[SeatTerms]) -> Report {
        let options = SetOptions::new("preview").late(LatePolicy::Reallocate);
        let created = session.create_set(&options).and_then(|set| {
            let issue = |seat: &SeatTerms| {
                let rights = if seat.writes { Rights::WRITE } else { Rights::NONE };
                let spec = SeatSpec::expected(&seat.label).rights(rights);
                set.issue(&spec.domain(seat.domain.into()))
            };
            let tokens: Result<Vec<Token>, _> = seats.iter().map(issue).collect();
            Ok((tokens?, set))
        });
        match created {
            Ok((tokens, set)) => {
                let id = set.id();
                self.set = Some(set);
                Report::Seats { set: id, tokens }
            }
            Err(error) => refused_set(&error),
        }
    }

    pub(crate) fn take(&mut self, session: &Session, token: &Token, needs: Participant) -> Report {
        match session.take_seat(token, needs) {
            Ok(seat) => {
                self.seat = Some(seat);
                Report::Done
            }
            Err(error) => refused_set(&error),
        }
    }

    /// Gets the buffers, for whoever has taken a seat.
    pub(crate) fn buffers(&mut self, patience_ms: u64) -> Result<Result<BufferSet, Report>, Failure> {
        let seat = self.seat.as_mut().ok_or("not in a set")?;
        let buffers = seat.buffers(Some(Duration::from_millis(patience_ms)));
        Ok(buffers.map_err(|error| refused_set(&error)))
    }

    /// Gets the buffers, and keeps them.
    pub(crate) fn keep_buffers(&mut self, patience_ms: u64) -> Result<Report, Failure> {
        Ok(match self.buffers(patience_ms)? {
            Ok(buffers) => {
                self.buffers = Some(buffers);
                Report::Done
            }
            Err(report) => report,
        })
    }
}

pub(crate) fn report(report: &Report) -> Result<(), Failure> {
    let line = serde_json::to_string(report)?;
    let mut stdout = stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}
