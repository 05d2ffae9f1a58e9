//! Lives that end at each store in turn.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use wharf_stream::status::StreamState;
use wharf_testkit::dying::{End, Fate, FuseTerms, Moment, Part};
use wharf_testkit::{Process, ProcessError, await_state};

const PATIENCE: Duration = Duration::from_secs(20);

/// How a victim's life went on.
pub(crate) enum Course {
    /// It is dead.
    Died,
    /// It stands still.
    Stopped(Stopped),
    /// It came to the end of its part.
    Finished,
}

impl Course {
    /// Whether a producer met its end, and the state in which it leaves its stream; one that stands still goes on to the end first.
    pub(crate) fn of_producer(self) -> (bool, StreamState) {
        match self {
            Self::Finished => (false, StreamState::Ended),
            Self::Died => (true, StreamState::ProducerDied),
            Self::Stopped(victim) => {
                victim.resume();
                (true, StreamState::Ended)
            }
        }
    }
}

/// A victim that stands still.
pub(crate) struct Stopped(Process);

impl Stopped {
    /// Lets it go on to the end of its part.
    pub(crate) fn resume(mut self) {
        self.0.signal(Signal::CONT).unwrap();
        assert_eq!(self.0.hear(PATIENCE).unwrap(), "done");
        self.0.finish().unwrap();
    }
}

pub(crate) struct Victim(Process);

impl Victim {
    pub(crate) fn start(part: Part, fuse: FuseTerms) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_victim"));
        command.arg(serde_json::to_string(&Fate { fuse, part }).unwrap());
        Self(Process::spawn("victim", command, PATIENCE * 2).unwrap())
    }

    /// Waits until it is dead, stands still or has finished.
    pub(crate) fn meet(mut self) -> Course {
        match self.0.hear(PATIENCE) {
            Ok(line) if line == "stopping" => {
                await_state(self.0.pid(), 'T', PATIENCE).unwrap();
                Course::Stopped(Stopped(self.0))
            }
            Ok(line) => {
                assert_eq!(line, "done");
                self.0.finish().unwrap();
                Course::Finished
            }
            Err(ProcessError::Ended {
                status: Some(status), ..
            }) if status.signal() == Some(Signal::KILL.as_raw()) => Course::Died,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Plays `live`, which says whether the victim's fuse blew, for each store from the first to the end of the part, and each way to end
/// there; there must be at least so many stores.
pub(crate) fn sweep(at_least: u64, live: impl Fn(FuseTerms) -> bool + Sync) {
    let next = AtomicU64::new(1);
    let live_on = || {
        loop {
            let store = next.fetch_add(1, SeqCst);
            let ends = [End::Kill, End::Stop].map(|end| {
                [Moment::Before, Moment::After].map(|moment| {
                    let terms = FuseTerms { store, moment, end };
                    let _named = Named(terms);
                    live(terms)
                })
            });
            if ends == [[false; 2]; 2] {
                return store - 1;
            }
        }
    };
    let stores = thread::scope(|scope| {
        let other = scope.spawn(live_on);
        live_on().max(other.join().unwrap())
    });
    eprintln!("{stores} stores");
    assert!(stores >= at_least, "{stores} stores");
}

/// Says where it was when a test fails.
struct Named(FuseTerms);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("with {:?}", self.0);
        }
    }
}
