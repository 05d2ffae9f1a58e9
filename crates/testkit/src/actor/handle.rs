//! The test's end of an actor.

use super::{Order, Report, Tally};
use crate::process::{Death, Process, ProcessError};
use rustix::io::Errno;
use rustix::process::Signal;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use wharf_protocol::Token;

/// How long an actor may take to carry out an order. Only a hang takes that long.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long an actor may live, unless its test says otherwise.
const LIFETIME: Duration = Duration::from_secs(200);

/// The part an actor plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Serves this socket.
    Broker(PathBuf),
    /// Serves the first path, with a [`GatedHeap`](crate::GatedHeap) behind the second one.
    GatedBroker(PathBuf, PathBuf),
    /// Has a stream.
    Producer,
    /// Takes part in one.
    Consumer,
    /// Tries to write what it may only read.
    Intruder,
}

/// An actor process.
#[derive(Debug)]
pub struct Actor {
    process: Process,
}

/// Why an actor did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActorError {
    /// It gave no answer.
    #[error("no answer to {order}: {source}")]
    Process {
        /// What it was told.
        order: String,
        /// The cause.
        source: ProcessError,
    },
    /// It gave another answer.
    #[error("{name} answered {order} with {answer}")]
    Unexpected {
        /// The actor.
        name: String,
        /// What it was told.
        order: String,
        /// What it said.
        answer: String,
    },
    /// It could not be started.
    #[error("cannot start {name}: {source}")]
    Start {
        /// The actor.
        name: String,
        /// The cause.
        source: io::Error,
    },
}

impl Actor {
    /// Starts the actor program `executable` in a role and waits until it is ready.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when it cannot be started, or ends.
    pub fn spawn(executable: &str, role: &Role) -> Result<Self, ActorError> {
        Self::start(&[], executable, role, LIFETIME)
    }

    /// As [`Actor::spawn`], for a test that takes as long as `lifetime`: after that the actor is killed.
    ///
    /// # Errors
    ///
    /// As [`Actor::spawn`].
    pub fn spawn_for(executable: &str, role: &Role, lifetime: Duration) -> Result<Self, ActorError> {
        Self::start(&[], executable, role, lifetime)
    }

    /// Starts the actor program as the last arguments of another one, such as `strace`.
    ///
    /// # Errors
    ///
    /// As [`Actor::spawn`].
    pub fn spawn_through(wrapper: &[&OsStr], executable: &str, role: &Role) -> Result<Self, ActorError> {
        Self::start(wrapper, executable, role, LIFETIME)
    }

    fn start(
        wrapper: &[&OsStr],
        executable: &str,
        role: &Role,
        lifetime: Duration,
    ) -> Result<Self, ActorError> {
        let words = wrapper.iter().copied().chain([OsStr::new(executable)]);
        let mut words = words.chain(role.arguments());
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        let name = role.name().to_owned();
        let process = Process::spawn(role.name(), command, lifetime)
            .map_err(|source| ActorError::Start { name, source })?;
        let mut actor = Self { process };
        match actor.hear("its start")? {
            Report::Ready => Ok(actor),
            other => Err(actor.unexpected("its start", &other)),
        }
    }

    /// Its process number (of the wrapper, if it has one).
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Gives an order and does not wait for the report: ask for it with [`Actor::report`] before giving the next order.
    ///
    /// # Errors
    ///
    /// [`ActorError::Process`] when it has ended.
    pub fn order(&mut self, order: &Order) -> Result<(), ActorError> {
        let line = serde_json::to_string(order).unwrap_or_default();
        let failed = |source| ActorError::Process {
            order: format!("{order:?}"),
            source,
        };
        self.process.say(&line).map_err(failed)
    }

    /// Waits for the report on an order.
    ///
    /// # Blocking
    ///
    /// Until it comes; a hanging actor is an error.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when none comes.
    pub fn report(&mut self) -> Result<Report, ActorError> {
        self.hear("an order")
    }

    /// Gives an order and waits for the report, as all that follow.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when none comes.
    pub fn ask(&mut self, order: &Order) -> Result<Report, ActorError> {
        self.order(order)?;
        self.hear(&format!("{order:?}"))
    }

    /// Gives an order that must be carried out, with nothing to report.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when it is not.
    pub fn tell(&mut self, order: &Order) -> Result<(), ActorError> {
        match self.ask(order)? {
            Report::Done => Ok(()),
            other => Err(self.unexpected(&format!("{order:?}"), &other)),
        }
    }

    /// Connects it to the broker.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when it does not.
    pub fn connect(&mut self, socket: &Path, label: &str) -> Result<(), ActorError> {
        self.tell(&Order::Connect {
            socket: socket.to_owned(),
            label: label.to_owned(),
        })
    }

    /// A token for a producer's stream.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when there is none.
    pub fn token(&mut self, uses: u32) -> Result<Token, ActorError> {
        match self.ask(&Order::IssueToken { uses })? {
            Report::Token(token) => Ok(token),
            other => Err(self.unexpected("IssueToken", &other)),
        }
    }

    /// What a consumer has seen.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when it found something wrong.
    pub fn tally(&mut self) -> Result<Tally, ActorError> {
        self.tally_after(&Order::Tally)
    }

    /// Makes a consumer leave, and says what it has seen.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when it found something wrong.
    pub fn leave(&mut self) -> Result<Tally, ActorError> {
        self.tally_after(&Order::Leave)
    }

    fn tally_after(&mut self, order: &Order) -> Result<Tally, ActorError> {
        match self.ask(order)? {
            Report::Tally(tally) => Ok(tally),
            other => Err(self.unexpected(&format!("{order:?}"), &other)),
        }
    }

    /// Makes a producer pause; returns the number of the last frame.
    ///
    /// # Errors
    ///
    /// [`ActorError`] when it does not.
    pub fn pause(&mut self) -> Result<u64, ActorError> {
        match self.ask(&Order::Pause)? {
            Report::Published { seq } => Ok(seq),
            other => Err(self.unexpected("Pause", &other)),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// `ESRCH` when it is dead.
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        self.process.signal(signal)
    }

    /// Kills it by SIGKILL.
    ///
    /// # Errors
    ///
    /// When it cannot be waited for.
    pub fn kill(self) -> io::Result<Death> {
        self.process.kill()
    }

    /// Lets it end by itself.
    ///
    /// # Errors
    ///
    /// [`ActorError::Process`] when it found something wrong.
    pub fn finish(self) -> Result<(), ActorError> {
        let order = "the end".to_owned();
        self.process
            .finish()
            .map_err(|source| ActorError::Process { order, source })
    }

    fn hear(&mut self, order: &str) -> Result<Report, ActorError> {
        let order = order.to_owned();
        let line = match self.process.hear(PATIENCE) {
            Ok(line) => line,
            Err(source) => return Err(ActorError::Process { order, source }),
        };
        let name = self.process.name().to_owned();
        serde_json::from_str(&line).map_err(|_| ActorError::Unexpected {
            name,
            order,
            answer: line,
        })
    }

    fn unexpected(&self, order: &str, report: &Report) -> ActorError {
        ActorError::Unexpected {
            name: self.process.name().to_owned(),
            order: order.to_owned(),
            answer: format!("{report:?}"),
        }
    }
}

impl Role {
    /// What the program calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Broker(_) | Self::GatedBroker(..) => "broker",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Intruder => "intruder",
        }
    }

    fn arguments(&self) -> Vec<&OsStr> {
        let paths: &[&PathBuf] = match self {
            Self::Broker(socket) => &[socket],
            Self::GatedBroker(socket, gate) => &[socket, gate],
            _ => &[],
        };
        let paths = paths.iter().map(|path| path.as_os_str());
        [OsStr::new(self.name())].into_iter().chain(paths).collect()
    }
}
