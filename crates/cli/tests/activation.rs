//! Socket activation: serving a socket that systemd, or whoever acts for it, has made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{Outcome, PATIENCE, Place, answers, without_environment};
use wharf_testkit::{Process, eventually, skip};

/// What systemd does, in shell: the passed descriptor becomes number 3, the process keeps its number when it becomes the
/// broker.
const ACTIVATE: &str = r#"exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@""#;

/// A broker that was passed a descriptor, and what it wrote to stderr.
struct Activated {
    child: Child,
    log: std::path::PathBuf,
}

impl Activated {
    fn start(place: &Place, script: &str, passed: impl Into<OwnedFd>, arguments: &[&str]) -> Self {
        let log = place.path().join("log");
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_wharf"), "serve"])
            .args(arguments);
        without_environment(&mut command);
        command
            .stdin(passed.into())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log can be made"));
        Self {
            child: command.spawn().expect("it can be started"),
            log,
        }
    }

    /// Waits for its end.
    fn end(mut self) -> (ExitStatus, String) {
        let ended = eventually(PATIENCE, || self.child.try_wait().expect("it is ours").ok_or(()));
        let log = std::fs::read_to_string(&self.log).expect("the log can be read");
        (ended.unwrap_or_else(|()| panic!("it does not end: {log}")), log)
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn passed_socket_is_served_and_left_in_place() -> Outcome {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket())?;
    let broker = Activated::start(&place, ACTIVATE, listener.try_clone()?, &[]);
    answers(&place.socket())?;
    assert!(
        !place.files().contains(&"wharf-0.lock".to_owned()),
        "the path is systemd's"
    );
    kill_process(Pid::from_child(&broker.child), Signal::TERM)?;
    let (status, log) = broker.end();
    assert!(status.success(), "{log}");
    assert!(place.socket().exists());
    drop(listener);
    Ok(())
}

#[test]
fn next_broker_answers_who_waited_in_the_queue() -> Outcome {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket())?;
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| answers(&place.socket()));
        let broker = Activated::start(&place, ACTIVATE, listener, &[]);
        let asked = asked.join();
        drop(broker);
        asked
    });
    asked.expect("it does not panic")?;
    Ok(())
}

#[test]
fn sockets_meant_for_another_process_are_none_of_ours() -> Outcome {
    let place = Place::new();
    let script = r#"exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=1; exec "$@""#;
    let socket = place.socket().to_string_lossy().into_owned();
    let broker = Activated::start(&place, script, File::open("/dev/null")?, &["--socket", &socket]);
    answers(&place.socket())?;
    assert!(place.files().contains(&"wharf-0.lock".to_owned()));
    drop(broker);
    Ok(())
}

/// The one line with which a broker refuses what it was passed.
fn refusal(script: &str, passed: impl Into<OwnedFd>, arguments: &[&str]) -> String {
    let (status, log) = Activated::start(&Place::new(), script, passed, arguments).end();
    assert_eq!((status.code(), log.lines().count()), (Some(1), 1), "{log}");
    log
}

#[test]
fn anything_but_one_unix_listener_is_refused_in_one_line() -> Outcome {
    let place = Place::new();
    let not_a_socket = refusal(ACTIVATE, File::open("/dev/null")?, &[]);
    assert!(not_a_socket.contains("is not a socket"), "{not_a_socket}");
    let other_family = refusal(ACTIVATE, TcpListener::bind("127.0.0.1:0")?, &[]);
    assert!(other_family.contains("unix stream socket"), "{other_family}");
    let (connected, _other_end) = std::os::unix::net::UnixStream::pair()?;
    let connected = refusal(ACTIVATE, connected, &[]);
    assert!(connected.contains("does not listen"), "{connected}");
    let two = ACTIVATE.replace("LISTEN_FDS=1", "LISTEN_FDS=2");
    let two = refusal(&two, UnixListener::bind(place.socket())?, &[]);
    assert!(two.contains("passed 2 sockets"), "{two}");
    Ok(())
}

#[test]
fn path_and_passed_socket_together_are_refused() -> Outcome {
    let place = Place::new();
    let line = refusal(
        ACTIVATE,
        UnixListener::bind(place.socket())?,
        &["--socket", "/elsewhere"],
    );
    assert!(line.contains("--socket"), "{line}");
    Ok(())
}

#[test]
fn first_client_starts_it_under_systemds_own_activator() -> Outcome {
    let activator = "systemd-socket-activate";
    if Command::new(activator).arg("--version").output().is_err() {
        skip("socket activation by systemd itself: no systemd-socket-activate");
        return Ok(());
    }
    let place = Place::new();
    let mut command = Command::new(activator);
    without_environment(&mut command);
    command
        .arg("--listen")
        .arg(place.socket())
        .args([env!("CARGO_BIN_EXE_wharf"), "serve"]);
    let broker = Process::spawn(activator, command, 3 * PATIENCE)?;
    answers(&place.socket())?;
    broker.signal(Signal::TERM)?;
    broker.finish()?;
    Ok(())
}
