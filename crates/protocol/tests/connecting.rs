//! Each way not to reach a broker is told apart.

#![allow(clippy::expect_used, reason = "a step that fails fails the test")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
use wharf_protocol::transport::{ConnectError, Socket};

const LONG: Duration = Duration::from_secs(60);

/// A directory of this test's own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wharf-protocol-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("wharf-0")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn refusal(path: &Path) -> ConnectError {
    Socket::connect(path, LONG).expect_err("there is no broker")
}

#[test]
fn listening_socket_is_connected_to() {
    let directory = Directory::new("listening");
    let listener = UnixListener::bind(directory.socket()).expect("bind");
    let socket = Socket::connect(&directory.socket(), LONG).expect("somebody listens");
    let _accepted = listener.accept().expect("accept");
    assert_eq!(socket.send(b"\0", &[]), Ok(1));
}

#[test]
fn missing_path_says_how_to_start_a_broker() {
    let directory = Directory::new("missing");
    let error = refusal(&directory.socket());
    assert!(matches!(error, ConnectError::NotFound { .. }));
    assert_eq!(error.errno(), Errno::NOENT);
    assert!(error.to_string().contains("wharf serve"), "{error}");
}

#[test]
fn stale_socket_and_plain_file_are_not_listened_on() {
    let directory = Directory::new("stale");
    drop(UnixListener::bind(directory.socket()).expect("bind"));
    let file = directory.0.join("file");
    std::fs::write(&file, "").expect("write");

    for path in [directory.socket(), file] {
        let error = refusal(&path);
        assert!(matches!(error, ConnectError::NobodyListens { .. }), "{error}");
        assert_eq!(error.errno(), Errno::CONNREFUSED);
    }
}

#[test]
fn socket_of_another_kind_is_foreign() {
    let directory = Directory::new("foreign");
    let _socket = UnixDatagram::bind(directory.socket()).expect("bind");
    let error = refusal(&directory.socket());
    assert!(matches!(error, ConnectError::Foreign { .. }), "{error}");
    assert_eq!(error.errno(), Errno::PROTOTYPE);
}

#[test]
fn path_longer_than_an_address_is_refused_with_its_length() {
    let path = PathBuf::from(format!("/tmp/{}", "x".repeat(200)));
    let error = refusal(&path);
    assert!(
        matches!(
            error,
            ConnectError::PathTooLong {
                length_bytes: 205,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.errno(), Errno::NAMETOOLONG);
}

#[test]
fn listener_that_never_accepts_lets_the_deadline_pass() {
    let directory = Directory::new("full");
    let address = SocketAddrUnix::new(directory.socket()).expect("short enough");
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("socket");
    bind(&listener, &address).expect("bind");
    listen(&listener, 0).expect("listen");

    let mut waiting = Vec::new();
    let error = loop {
        match Socket::connect(&directory.socket(), Duration::from_millis(20)) {
            Ok(socket) => waiting.push(socket),
            Err(error) => break error,
        }
        assert!(
            waiting.len() < 10,
            "the queue of a listener with backlog 0 is short"
        );
    };
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error}");
    assert_eq!(error.errno(), Errno::TIMEDOUT);
}

#[test]
fn path_of_another_user_is_forbidden() {
    let directory = Directory::new("forbidden");
    let _listener = UnixListener::bind(directory.socket()).expect("bind");
    std::fs::set_permissions(directory.socket(), PermissionsExt::from_mode(0o000)).expect("chmod");

    match Socket::connect(&directory.socket(), LONG) {
        Err(error) => {
            assert!(matches!(error, ConnectError::Forbidden { .. }), "{error}");
            assert_eq!(error.errno(), Errno::ACCESS);
        }
        Ok(_) => assert!(
            rustix::process::getuid().is_root(),
            "only root passes without permission"
        ),
    }
}
