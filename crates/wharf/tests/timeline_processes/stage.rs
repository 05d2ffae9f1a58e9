//! A timeline and those who wait for it, each a process of its own.

use std::path::{Path, PathBuf};

use wharf::Session;

use crate::common::player::Player;

/// A process that plays a role with the broker at `socket`.
fn start(role: &str, socket: &Path) -> Player {
    Player::start("roles::plays_a_role", role, socket)
}

/// A broker and an owner with a timeline.
pub(crate) struct Stage {
    pub(crate) broker: Player,
    pub(crate) owner: Player,
    socket: PathBuf,
    token: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let broker = start("broker", Path::new(""));
        let socket = PathBuf::from(broker.hear());
        let owner = start("owner", &socket);
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
        let mut waiter = start("waiter", &self.socket);
        assert_eq!(waiter.ask(&self.token), "imported");
        waiter
    }

    /// A session of this process.
    pub(crate) fn session(&self) -> Session {
        Session::connect_to(&self.socket, "observer").unwrap()
    }
}

/// Has a waiter wait, and returns when it is about to sleep.
pub(crate) fn begin(waiter: &mut Player, order: &str) {
    assert_eq!(waiter.ask(order), "waiting");
}
