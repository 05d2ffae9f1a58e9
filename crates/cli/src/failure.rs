//! Why the command failed.

use std::error::Error;
use std::io;

use wharf_broker::{BindError, ServeError};
use wharf_protocol::transport::{CallError, ConnectError};
use wharf_standin::RunError;

use crate::negotiate::{Mistake, Unread};
use crate::output::printable;

/// The longest line, in characters.
const MAX_LINE: usize = 1000;

/// Why the command failed. Each ends it with exit code 1, but those of `wharf run`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(
        "there is no path for the broker's socket: give --socket PATH, or set WHARF_SOCKET or XDG_RUNTIME_DIR"
    )]
    NoSocketPath,
    #[error(
        "systemd passed a socket, which --socket cannot move: leave --socket out, or change the socket unit"
    )]
    SocketGivenTwice,
    #[error(
        "systemd passed {count} sockets, but a broker serves one: leave one ListenStream in the socket unit"
    )]
    ManySockets { count: usize },
    #[error("what systemd passed cannot be served: {0}; the socket unit needs one ListenStream with a path")]
    PassedSocket(io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("it cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error("{} is no set of buffers", file)]
    NoSet {
        /// Its name, as given.
        file: String,
        /// What is wrong; at least one.
        mistakes: Vec<Mistake>,
    },
    #[error("there is no column '{heading}'; there are {known}")]
    NoColumn {
        /// As given.
        heading: String,
        /// Those there are.
        known: String,
    },
    #[error("the terminal cannot be used: {0}; --once prints tables instead")]
    Terminal(io::Error),
    #[error("cannot write to stdout: {0}")]
    Output(io::Error),
}

impl Failure {
    /// The exit code it ends the command with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Run(error) => error.exit_code(),
            _ => 1,
        }
    }

    /// The failure in lines of one problem each.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::NoSet { file, mistakes } => {
                let lines = mistakes.iter().map(|mistake| format!("{file}:{mistake}"));
                lines.map(one_line).collect()
            }
            other => vec![other.in_one_line()],
        }
    }

    /// The failure and what caused it.
    fn in_one_line(&self) -> String {
        let mut line = self.to_string();
        let mut source = self.unprinted_source();
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            source = cause.source();
        }
        one_line(line)
    }

    /// The cause, where the message does not contain it.
    fn unprinted_source(&self) -> Option<&dyn Error> {
        match self {
            Self::Json(_) | Self::Unread(_) => None,
            other => other.source(),
        }
    }
}

/// The line without the line breaks that a path or a peer's text could bring in, and not longer than anybody reads.
fn one_line(line: String) -> String {
    let mut shown: String = line.chars().take(MAX_LINE).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    printable(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use wharf_protocol::BrokerError;
    use wharf_protocol::codec::EncodeError;

    #[test]
    fn causes_are_part_of_the_line() {
        let too_large = EncodeError::TooLarge {
            size_bytes: 70_000,
            limit_bytes: 65_536,
        };
        let failure = Failure::from(CallError::Unsendable {
            method: "dev.wharf.Broker.GetState",
            source: too_large,
        });
        let line = failure.in_one_line();
        assert!(
            line.starts_with("dev.wharf.Broker.GetState cannot be sent: the message has 70000"),
            "{line}"
        );
    }

    #[test]
    fn nothing_makes_two_lines_of_it() {
        let path = PathBuf::from("/run/two\nlines\u{1b}[2J");
        let failure = Failure::from(ConnectError::NotFound { path });
        assert!(!failure.in_one_line().contains(char::is_control));
        let mistake = Mistake {
            place: None,
            path: "a\u{1b}[2J".to_owned(),
            reason: "b\nc".to_owned() + &"d".repeat(1 << 20),
        };
        let failure = Failure::NoSet {
            file: "e\rf".to_owned(),
            mistakes: vec![mistake.clone(), mistake],
        };
        let lines = failure.lines();
        assert_eq!(lines.len(), 2);
        assert!(!lines.concat().contains(char::is_control));
        assert!(lines[0].starts_with("e f: a [2J: b cd"), "{lines:?}");
        assert!(lines[0].chars().count() <= MAX_LINE + 1);
        let error = BrokerError::ProtocolViolation {
            reason: "a\r\nb".to_owned(),
        };
        assert!(
            !Failure::from(CallError::from(error))
                .in_one_line()
                .contains(char::is_control)
        );
    }
}
