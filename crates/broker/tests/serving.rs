//! Who serves a path, and how a server begins and ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use common::Client;
use rustix::io::Errno;
use wharf_broker::{BindError, Config, Server};
use wharf_protocol::{GetInfo, Register};

fn serve(mut server: Server, work: impl FnOnce()) {
    let (stop, stopped) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || server.run(&stopped).unwrap());
        work();
        drop(stop);
    });
}

fn greet(path: &Path) {
    Client::connect(path)
        .call(Register {
            label: "x".to_owned(),
        })
        .unwrap();
}

#[test]
fn second_broker_on_a_path_is_refused_and_harms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wharf-0");
    serve(Server::bind(&path, Config::default()).unwrap(), || {
        let error = Server::bind(&path, Config::default()).unwrap_err();
        assert!(
            matches!(&error, BindError::AlreadyServed { pid: Some(pid), .. } if *pid == std::process::id())
        );
        assert!(error.to_string().contains(path.to_str().unwrap()));
        assert_eq!(error.errno(), Errno::ADDRINUSE);
        greet(&path);
    });
}

#[test]
fn path_is_free_again_after_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wharf-0");
    for _ in 0..3 {
        serve(Server::bind(&path, Config::default()).unwrap(), || greet(&path));
        assert_eq!(
            directory.path().read_dir().unwrap().count(),
            0,
            "socket and lock are removed"
        );
    }
}

#[test]
fn socket_of_a_killed_broker_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wharf-0");
    drop(UnixListener::bind(&path).unwrap());
    std::fs::write(directory.path().join("wharf-0.lock"), "1\n").unwrap();
    serve(Server::bind(&path, Config::default()).unwrap(), || greet(&path));
}

#[test]
fn files_and_sockets_of_others_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(matches!(
        Server::bind(&file, Config::default()),
        Err(BindError::NotASocket { .. })
    ));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let busy = directory.path().join("busy");
    let _stranger = UnixListener::bind(&busy).unwrap();
    assert!(matches!(
        Server::bind(&busy, Config::default()),
        Err(BindError::InUse { .. })
    ));
    assert!(
        !directory.path().join("busy.lock").exists(),
        "no lock is left behind"
    );
}

#[test]
fn handed_over_socket_is_served_and_left_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("activated");
    let listener = UnixListener::bind(&path).unwrap();
    serve(
        Server::from_listener(listener, Config::default()).unwrap(),
        || greet(&path),
    );
    assert!(path.exists(), "whoever bound it removes it");
}

#[test]
fn handed_over_socket_has_to_listen() {
    let (connected, _other) = UnixStream::pair().unwrap();
    let not_listening = UnixListener::from(std::os::fd::OwnedFd::from(connected));
    let error = Server::from_listener(not_listening, Config::default()).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let file = std::os::fd::OwnedFd::from(tempfile::tempfile().unwrap());
    let error = Server::from_listener(UnixListener::from(file), Config::default()).unwrap_err();
    assert_eq!(error.errno(), Errno::NOTSOCK);
}

#[test]
fn clients_wait_until_the_server_runs_and_it_can_run_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wharf-0");
    let mut server = Server::bind(&path, Config::default()).unwrap();
    let mut early = Client::connect(&path);
    for _ in 0..2 {
        let (stop, stopped) = UnixStream::pair().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| server.run(&stopped).unwrap());
            early.call(GetInfo {}).unwrap();
            drop(stop);
        });
    }
}
