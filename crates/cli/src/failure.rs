//! Why the command failed.

use std::error::Error;
use std::io;

use wharf_broker::{BindError, ServeError};
use wharf_protocol::transport::{CallError, ConnectError};

/// Why the command failed. Each ends it with exit code 1.
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
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the broker's state cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot write to stdout: {0}")]
    Output(io::Error),
}

impl Failure {
    /// The failure and what caused it, without the line breaks that a path or a peer's text could bring in.
    pub(crate) fn in_one_line(&self) -> String {
        let mut line = self.to_string();
        let mut source = self.unprinted_source();
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            source = cause.source();
        }
        line.replace(char::is_control, " ")
    }

    /// The cause, where the message does not contain it.
    fn unprinted_source(&self) -> Option<&dyn Error> {
        match self {
            Self::Json(_) => None,
            other => other.source(),
        }
    }
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
