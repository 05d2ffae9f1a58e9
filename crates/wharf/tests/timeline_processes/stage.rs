//! Processes to command, to stop and to kill.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use wharf::Session;

use super::roles::{MARK, ROLE, SOCKET, TOKEN};

/// How long anything may take that happens at once unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A process that plays a role; killed when dropped.
pub(crate) struct Player {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Player {
    fn start(role: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "roles::plays_a_role", "--nocapture"])
            .env(ROLE, role)
            .envs(environment.iter().copied())
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

    /// Has it wait, and returns when it is about to sleep.
    pub(crate) fn begin(&mut self, order: &str) {
        assert_eq!(self.ask(order), "waiting");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it is in a state of `/proc/PID/stat`, such as `T` for stopped.
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

/// A broker and an owner with a timeline.
pub(crate) struct Stage {
    pub(crate) broker: Player,
    pub(crate) owner: Player,
    socket: String,
    token: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let broker = Player::start("broker", &[]);
        let socket = broker.hear();
        let owner = Player::start("owner", &[(SOCKET, &socket)]);
        let token = owner.hear();
        Self {
            broker,
            owner,
            socket,
            token,
        }
    }

    /// A process that has imported the timeline.
    pub(crate) fn waiter(&self) -> Player {
        let waiter = Player::start("waiter", &[(SOCKET, &self.socket), (TOKEN, &self.token)]);
        assert_eq!(waiter.hear(), "imported");
        waiter
    }

    /// A session of this process.
    pub(crate) fn session(&self) -> Session {
        Session::connect_to(self.socket.as_ref(), "observer").unwrap()
    }
}

/// Waits until something holds.
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < until, "it never comes to hold");
        std::thread::sleep(Duration::from_millis(2));
    }
}
