//! A broker of its own for each test, the processes that use it, and the proof that nothing of them stays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tempfile::TempDir;
use wharf::{GetStateReply, Session};
use wharf_protocol::{Policy, Token};
use wharf_testkit::actor::{
    Actor, ActorError, Behavior, ConsumerTerms, Departed, Order, ProducerTerms, Report, Role, Tally,
};
use wharf_testkit::{Pattern, Snapshot, eventually};

/// How long anything may take that happens at once unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const FRAME_BYTES: u64 = 64 << 10;
/// The file that keeps the gate closed.
const GATE: &str = "gate";
pub(crate) const EXECUTABLE: &str = env!("CARGO_BIN_EXE_actor");

/// A broker, and what it looked like before anybody came.
pub(crate) struct World {
    broker: Option<Idle>,
    before: GetStateReply,
    observer: Session,
    directory: TempDir,
}

/// An actor and what it had when it had nothing.
pub(crate) struct Idle {
    pub(crate) actor: Actor,
    before: Snapshot,
}

pub(crate) fn spawn(role: Role) -> Idle {
    Idle::of(Actor::spawn(EXECUTABLE, &role).unwrap())
}

pub(crate) fn spawn_through(wrapper: &[&std::ffi::OsStr], role: &Role) -> Actor {
    Actor::spawn_through(wrapper, EXECUTABLE, role).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let broker = spawn(Role::Broker(directory.path().join("wharf")));
        Self::around(broker, directory)
    }

    /// A world for a test that takes as long as this.
    pub(crate) fn lasting(lifetime: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let role = Role::Broker(directory.path().join("wharf"));
        let broker = Actor::spawn_for(EXECUTABLE, &role, lifetime + PATIENCE * 2).unwrap();
        Self::around(Idle::of(broker), directory)
    }

    /// A world where memory for negotiated sets is to be had while the gate is open.
    pub(crate) fn with_gate() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [socket, gate] = ["wharf", GATE].map(|name| directory.path().join(name));
        let broker = spawn(Role::GatedBroker(socket, gate));
        Self::around(broker, directory)
    }

    /// Has allocations wait.
    pub(crate) fn close_gate(&self) {
        std::fs::write(self.directory.path().join(GATE), "").unwrap();
    }

    pub(crate) fn open_gate(&self) {
        std::fs::remove_file(self.directory.path().join(GATE)).unwrap();
    }

    fn around(mut broker: Idle, directory: TempDir) -> Self {
        let socket = directory.path().join("wharf");
        let observer = Session::connect_to(&socket, "observer").unwrap();
        broker.before = Snapshot::of(broker.actor.pid()).unwrap();
        Self {
            broker: Some(broker),
            before: observer.state().unwrap(),
            observer,
            directory,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("wharf")
    }

    pub(crate) fn broker(&self) -> &Actor {
        &self.broker.as_ref().unwrap().actor
    }

    pub(crate) fn kill_broker(&mut self) {
        self.broker.take().unwrap().actor.kill().unwrap();
    }

    /// Starts another broker on the same socket.
    pub(crate) fn start_broker(&mut self) {
        let mut broker = spawn(Role::Broker(self.socket()));
        self.observer = Session::connect_to(&self.socket(), "observer").unwrap();
        broker.before = Snapshot::of(broker.actor.pid()).unwrap();
        self.broker = Some(broker);
        self.before = self.state();
    }

    pub(crate) fn state(&self) -> GetStateReply {
        self.observer.state().unwrap()
    }

    /// Starts an actor and connects it.
    pub(crate) fn enter(&self, role: Role, label: &str) -> Idle {
        let mut idle = spawn(role);
        idle.actor.connect(&self.socket(), label).unwrap();
        idle
    }

    /// Starts a producer with `buffers` buffers of [`FRAME_BYTES`].
    pub(crate) fn producer(&self, buffers: u32, pattern: Pattern) -> Idle {
        let mut producer = self.enter(Role::Producer, "camera");
        producer.actor.tell(&open(buffers, FRAME_BYTES, pattern)).unwrap();
        producer
    }

    /// Starts a consumer that joins with `terms`.
    pub(crate) fn consumer(&self, label: &str, terms: &ConsumerTerms) -> Idle {
        let mut consumer = self.enter(Role::Consumer, label);
        consumer.actor.tell(&Order::Join(terms.clone())).unwrap();
        consumer
    }

    /// Shows that the broker holds nothing for anybody but the observer, as before.
    pub(crate) fn assert_no_records(&self) {
        eventually(PATIENCE, || match self.state() {
            now if now == self.before => Ok(()),
            now => Err(format!("broker still has {now:#?}, not {:#?}", self.before)),
        })
        .unwrap();
    }

    /// Shows that the broker has no record of any stream or buffer.
    pub(crate) fn assert_no_streams(&self) {
        eventually(PATIENCE, || match self.state() {
            now if now.streams.is_empty() && now.sets.is_empty() => Ok(()),
            now => Err(format!("broker still has {:#?} and {:#?}", now.streams, now.sets)),
        })
        .unwrap();
    }

    /// Shows that the broker has no record, descriptor, mapping or child left over, and ends it.
    pub(crate) fn finish(self) {
        self.assert_no_records();
        self.broker.unwrap().finish();
    }
}

impl Idle {
    fn of(actor: Actor) -> Self {
        let before = Snapshot::of(actor.pid()).unwrap();
        Self { actor, before }
    }

    /// Shows that a process that has given up everything has nothing left over. It may take a moment to close things.
    pub(crate) fn assert_nothing_left_over(&self) {
        eventually(PATIENCE, || {
            let now = Snapshot::of(self.actor.pid()).unwrap();
            match now.left_over_since(&self.before) {
                left_over if left_over.is_empty() => Ok(()),
                left_over => Err(format!("left over: {left_over:#?}")),
            }
        })
        .unwrap();
        assert_eq!(Snapshot::of(self.actor.pid()).unwrap().child_count(), 0);
    }

    /// Makes it give up everything, shows that nothing is left over, and ends it.
    pub(crate) fn close(mut self) {
        self.actor.tell(&Order::Close).unwrap();
        self.finish();
    }

    fn finish(self) {
        self.assert_nothing_left_over();
        let pid = self.actor.pid();
        self.actor.finish().unwrap();
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    /// Waits until it has seen what `is_enough` wants.
    pub(crate) fn await_tally(&mut self, what: &str, is_enough: impl Fn(&Tally) -> bool) -> Tally {
        eventually(PATIENCE, || match self.actor.tally() {
            Ok(tally) if is_enough(&tally) => Ok(tally),
            // Only waiting can still help; what it found wrong stays wrong.
            Ok(tally) => Err(format!("not {what}: {tally:?}")),
            Err(error) => panic!("{error}"),
        })
        .unwrap()
    }

    /// Waits until frames have flowed to it: `count` more than now.
    pub(crate) fn await_more(&mut self, count: u64) {
        let enough = self.actor.tally().unwrap().received + count;
        self.await_tally("enough frames", |tally| tally.received >= enough);
    }

    /// Takes what a producer knows of its consumers: those present, and those departed since the last time.
    pub(crate) fn roster(&mut self) -> (Vec<u32>, Vec<Departed>) {
        match self.actor.ask(&Order::Roster) {
            Ok(Report::Roster {
                present, departed, ..
            }) => (present, departed),
            other => panic!("no roster: {other:?}"),
        }
    }

    /// Shows that a producer can have all its buffers at once; when it had the last one.
    pub(crate) fn acquire_all(&mut self, buffers: u32) -> u64 {
        self.actor.order(&ACQUIRE_ALL).unwrap();
        acquired(self.actor.report(), buffers)
    }
}

pub(crate) const ACQUIRE_ALL: Order = Order::AcquireAll { patience_ms: 20_000 };

/// Checks the report on [`ACQUIRE_ALL`].
pub(crate) fn acquired(report: Result<Report, ActorError>, buffers: u32) -> u64 {
    match report {
        // CAST: u32 fits usize on Linux.
        Ok(Report::Acquired { count, at_ns }) if count == buffers as usize => at_ns,
        other => panic!("not all {buffers} buffers: {other:?}"),
    }
}

/// The order to start a stream.
pub(crate) fn open(buffers: u32, size_bytes: u64, pattern: Pattern) -> Order {
    Order::Open(ProducerTerms {
        buffers,
        size_bytes,
        max_consumers: 8,
        room_ms: None,
        rotation: None,
        pattern,
    })
}

/// [`every_frame`] or [`latest`].
pub(crate) type Terms = fn(&Token, u32, Behavior, Pattern) -> ConsumerTerms;

/// A consumer of every frame.
pub(crate) fn every_frame(token: &Token, depth: u32, behavior: Behavior, pattern: Pattern) -> ConsumerTerms {
    ConsumerTerms {
        token: token.clone(),
        depth,
        policy: Policy::Block,
        behavior,
        pattern,
    }
}

/// A consumer of the latest frames.
pub(crate) fn latest(token: &Token, depth: u32, behavior: Behavior, pattern: Pattern) -> ConsumerTerms {
    ConsumerTerms {
        policy: Policy::Latest,
        ..every_frame(token, depth, behavior, pattern)
    }
}

/// Shows that a consumer of every frame has every one up to `last`.
pub(crate) fn assert_complete(tally: &Tally, last: u64) {
    assert_eq!(tally.last_seq, last, "{tally:?}");
    assert_eq!(tally.skipped, 0, "{tally:?}");
    assert_eq!(tally.received, last - tally.first_seq + 1, "{tally:?}");
}

/// Shows that the library or the broker refused, and why.
pub(crate) fn assert_refused(report: &Report, errno: Errno, text: &str) {
    match report {
        Report::Refused {
            errno: actual,
            message,
        } if *actual == errno.raw_os_error() => {
            assert!(message.contains(text), "{message}");
        }
        other => panic!("not refused with {errno}: {other:?}"),
    }
}

/// Waits until a process is in a state of `/proc/PID/stat`, such as `T` for stopped.
pub(crate) fn await_state(pid: u32, wanted: char) {
    wharf_testkit::await_state(pid, wanted, PATIENCE).unwrap();
}

/// Prints times as median, 99th percentile and longest.
pub(crate) fn print_times(what: &str, mut times_ns: Vec<u64>) {
    times_ns.sort_unstable();
    let at = |percent: usize| times_ns[(times_ns.len() - 1) * percent / 100] / 1000;
    eprintln!(
        "{what}: {} times, p50 {} us, p99 {} us, longest {} us",
        times_ns.len(),
        at(50),
        at(99),
        at(100)
    );
}
