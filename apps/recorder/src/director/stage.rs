//! Carries out what the conductor decides, and tells it what happens.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::error::RunError;
use super::process::{Child, Start};
use super::setup::CameraInput;
use super::signals::Signals;
use crate::conductor::{ChildId, Conductor, Effect, Event};
use crate::control::{Line, Listener};
use crate::report::Role;
use crate::terminal::Rescue;

/// How long no connections are taken after that has failed.
const DEAF_TIME: Duration = Duration::from_millis(100);

/// The children and everything that is waited for. Dropping it kills who is left.
#[derive(Debug)]
pub(super) struct Stage {
    children: BTreeMap<ChildId, Child>,
    listener: Listener,
    /// When to take connections again after that has failed.
    deaf_until: Option<Instant>,
    system: Signals,
    user: Signals,
    broker: PathBuf,
    input: CameraInput,
    /// The terminal as it was, if a child draws in it.
    rescue: Option<Rescue>,
}

impl Stage {
    pub(super) fn new(broker: &Path, input: CameraInput, draw: bool) -> Result<Self, RunError> {
        Ok(Self {
            children: BTreeMap::new(),
            listener: Listener::new()?,
            deaf_until: None,
            system: Signals::of_the_system().map_err(RunError::Signals)?,
            user: Signals::of_the_user().map_err(RunError::Signals)?,
            broker: broker.to_owned(),
            input,
            rescue: if draw { Rescue::new() } else { None },
        })
    }

    /// Performs a whole run.
    pub(super) fn perform(&mut self, conductor: &mut Conductor) -> Result<(), RunError> {
        let effects = conductor.begin(Instant::now());
        self.carry_out(effects, conductor);
        while !conductor.is_over() {
            self.wait(conductor.deadline()).map_err(RunError::Wait)?;
            for event in self.events() {
                let effects = conductor.handle(event, Instant::now());
                self.carry_out(effects, conductor);
            }
            let effects = conductor.tick(Instant::now());
            self.carry_out(effects, conductor);
        }
        Ok(())
    }

    fn carry_out(&mut self, effects: Vec<Effect>, conductor: &mut Conductor) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Start { child, role, draws } => {
                    let event = match self.start(role, draws) {
                        Ok(process) => {
                            let pid = process.pid();
                            self.children.insert(child, process);
                            Event::Started { child, pid }
                        }
                        Err(error) => Event::NotStarted {
                            child,
                            reason: error.to_string(),
                        },
                    };
                    effects.extend(conductor.handle(event, Instant::now()));
                }
                Effect::Tell { child, order } => {
                    if let Some(child) = self.children.get_mut(&child) {
                        child.tell(order);
                    }
                }
                Effect::Kill { child } => {
                    if let Some(child) = self.children.get_mut(&child) {
                        child.kill();
                    }
                }
                Effect::RestoreTerminal => {
                    if let Some(rescue) = &self.rescue {
                        // A terminal that cannot be restored is gone.
                        let _ = rescue.restore();
                    }
                }
                Effect::Inform(text) => super::complain(&text),
            }
        }
    }

    fn start(&self, role: Role, draws: bool) -> io::Result<Child> {
        let stdin = match role {
            Role::Camera => self.input.stdio()?,
            // Keys come from here, or else from the terminal itself.
            Role::Viewer if draws && self.input.leaves_stdin() => Stdio::inherit(),
            _ => Stdio::null(),
        };
        let stdout = if draws { Stdio::inherit() } else { Stdio::null() };
        Child::start(Start {
            role,
            broker: &self.broker,
            control: self.listener.path(),
            stdin,
            stdout,
        })
    }

    /// Sleeps until something happens.
    fn wait(&self, deadline: Option<Instant>) -> Result<(), Errno> {
        let mut fds = vec![
            PollFd::new(&self.system, PollFlags::IN),
            PollFd::new(&self.user, PollFlags::IN),
        ];
        if self.deaf_until.is_none() {
            fds.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        for child in self.children.values() {
            fds.push(PollFd::new(&child.ended, PollFlags::IN));
            if let Some(line) = child.line() {
                let wants_out = if line.has_unsent() {
                    PollFlags::OUT
                } else {
                    PollFlags::empty()
                };
                fds.push(PollFd::from_borrowed_fd(line.as_fd(), PollFlags::IN | wants_out));
            }
        }
        let deadline = [deadline, self.deaf_until].into_iter().flatten().min();
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// What has happened.
    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.accept();
        if self.system.take() {
            events.push(Event::Terminated);
        }
        if self.user.take() {
            events.push(Event::Interrupted);
        }
        let mut ended = Vec::new();
        for (&id, child) in &mut self.children {
            // Looked at before listening: what the process said before its end is heard before it.
            let ending = child.ending();
            let words = child.converse().into_iter().map(Box::new);
            events.extend(words.map(|word| Event::Said { child: id, word }));
            if let Some(ending) = ending {
                events.push(Event::Ended { child: id, ending });
                ended.push(id);
            }
        }
        for id in ended {
            self.children.remove(&id);
        }
        events
    }

    /// Takes the connections that wait. Where that fails, nobody listens for a while: trying again at once would fail again.
    fn accept(&mut self) {
        self.deaf_until = None;
        loop {
            match self.listener.accept() {
                Ok(Some((pid, line))) => self.connect(pid, line),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    self.deaf_until = Instant::now().checked_add(DEAF_TIME);
                    return;
                }
            }
        }
    }

    /// Gives a connection to the child that made it. Anyone else is turned away.
    fn connect(&mut self, pid: u32, line: Line) {
        if let Some(child) = self.children.values_mut().find(|child| child.pid() == pid) {
            child.connected(line);
        }
    }
}
