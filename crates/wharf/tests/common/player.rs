//! Other processes to command, to stop and to kill: this executable again, told by its environment to play a role.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use wharf::Session;

const ROLE: &str = "WHARF_TEST_ROLE";
const SOCKET: &str = "WHARF_TEST_SOCKET";
/// Begins every line that is meant for the test.
const MARK: &str = "> ";

/// How long anything may take that happens at once unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// The role of this process; none for the test program itself. A process with a role does not outlive the test program.
pub(crate) fn role() -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    Some(role)
}

/// A session of this process, at the broker that whoever started it has named.
pub(crate) fn session(label: &str) -> Session {
    let socket = std::env::var(SOCKET).unwrap();
    Session::connect_to(socket.as_ref(), label).unwrap()
}

/// Says something to the test.
pub(crate) fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{text}").unwrap();
    out.flush().unwrap();
}

/// What the test orders, until it says nothing more.
pub(crate) fn orders() -> impl Iterator<Item = String> {
    std::io::stdin().lines().map(Result::unwrap)
}

/// A process that plays a role; killed when dropped.
pub(crate) struct Player {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Player {
    /// Starts a process that runs the test `test`, which does what the role is, with the broker at `socket`.
    pub(crate) fn start(test: &str, role: &str, socket: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(ROLE, role)
            .env(SOCKET, socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // What the test harness in the child prints may stand before it.
                if let Some((_, said)) = line.split_once(MARK)
                    && sender.send(said.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Self {
            orders: child.stdin.take(),
            child,
            lines,
        }
    }

    /// What it says next.
    pub(crate) fn hear(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
    }

    /// Gives an order and hears the answer.
    pub(crate) fn ask(&mut self, order: &str) -> String {
        self.order(order);
        self.hear()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Stops it, and returns when it does nothing any more.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let path = format!("/proc/{}/stat", self.child.id());
        eventually(|| std::fs::read_to_string(&path).unwrap().contains(") T "));
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it never comes to hold");
        std::thread::sleep(Duration::from_millis(2));
    }
}
