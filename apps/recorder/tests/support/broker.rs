//! A broker in a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use wharf::GetStateReply;
use wharf_broker::{Config, Server};

use super::run::Recorder;

const SOCKET: &str = "RECORDER_TEST_BROKER";

/// The inside of the process, as a test `broker_process` that does nothing otherwise.
pub(crate) fn serve_if_asked_to() {
    let Some(socket) = std::env::var_os(SOCKET) else {
        return;
    };
    let mut server = Server::bind(Path::new(&socket), Config::default()).unwrap();
    // It serves until its parent, who has the other end, closes it or dies.
    server.run(std::io::stdin()).unwrap();
}

/// A broker: this test program once more, with only the test `broker_process`.
pub(crate) struct Broker {
    pub(crate) process: Child,
    _folder: tempfile::TempDir,
    pub(crate) socket: PathBuf,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("wharf-0");
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["broker_process", "--exact", "--nocapture"])
            .env(SOCKET, &socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let broker = Self {
            process,
            _folder: folder,
            socket,
        };
        while wharf::Session::connect_to(&broker.socket, "test").is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        broker
    }

    pub(crate) fn recorder(&self, arguments: &[&str]) -> Recorder {
        Recorder::new(arguments).env("WHARF_SOCKET", &self.socket)
    }

    /// What it knows.
    pub(crate) fn state(&self) -> GetStateReply {
        let session = wharf::Session::connect_to(&self.socket, "asking").unwrap();
        session.state().unwrap()
    }

    /// The labels of the sessions, without the one that asks.
    pub(crate) fn sessions(&self) -> Vec<String> {
        let labels = self.state().sessions.into_iter().map(|session| session.label);
        labels.filter(|label| label != "asking").collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
