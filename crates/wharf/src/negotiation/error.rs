//! Why there is no memory.

use crate::error::SessionError;
use rustix::io::Errno;
use std::time::Duration;
use wharf_core::negotiation::Report;
use wharf_protocol::transport::CallError;
use wharf_protocol::{BrokerError, SeatRight};

/// Why a negotiated set gives nothing, or not yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// There is no memory that suits everybody, or not now. The report says who and what is in the way, and what would help.
    #[error("{report}")]
    Refused {
        /// The report.
        report: Box<Report>,
        /// There was memory already, which does not suit: a conflict is `EBUSY` then.
        late: bool,
    },
    /// Nothing was decided in the time the caller gave.
    #[error("no buffers within {waited:?}: {}", waiting_for(missing))]
    TimedOut {
        /// How long the call waited.
        waited: Duration,
        /// Those who are expected and have said nothing; empty if the set waits for a seal, or memory is being allocated or moved.
        missing: Vec<String>,
    },
    /// The set is over: somebody it cannot do without has died, or everybody has left.
    #[error("the set is over: {reason}")]
    Over {
        /// Why.
        reason: String,
    },
    /// The seat does not grant this. Blame: whoever issued it, or the caller.
    #[error(
        "the seat of '{label}' does not grant: {}; ask for one that does",
        words(lacks)
    )]
    Denied {
        /// What its holder is called.
        label: String,
        /// What is missing.
        lacks: Vec<SeatRight>,
    },
    /// Anything else: the broker refused, is gone or did not answer, or this process cannot use the buffers.
    #[error(transparent)]
    Session(SessionError),
}

impl NegotiationError {
    /// The report's own number (`EINVAL`, `EOPNOTSUPP`, `ENODEV`, `ENOMEM`, `EDQUOT`, `EBUSY`, `E2BIG`, `ETIMEDOUT`, `EACCES`; `EBUSY` for a
    /// conflict with memory that is there); `ETIMEDOUT`, `ENODEV`, `EACCES`, or that of the session's error.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Refused { report, late } => match report.errno() {
                wharf_core::Errno::EOPNOTSUPP if *late => Errno::BUSY,
                errno => Errno::from_raw_os_error(errno.raw()),
            },
            Self::TimedOut { .. } => Errno::TIMEDOUT,
            Self::Over { .. } => Errno::NODEV,
            Self::Denied { .. } => Errno::ACCESS,
            Self::Session(error) => error.errno(),
        }
    }

    /// The report, if there is one.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Refused { report, .. } => Some(report),
            _ => None,
        }
    }
}

impl From<SessionError> for NegotiationError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Call(CallError::Broker(BrokerError::Refused { report, late })) => Self::Refused {
                report: report.into_inner(),
                late,
            },
            SessionError::Call(CallError::Broker(BrokerError::SetOver { reason, .. })) => {
                Self::Over { reason }
            }
            SessionError::Call(CallError::Broker(BrokerError::SeatDenied { label, lacks })) => {
                Self::Denied { label, lacks }
            }
            other => Self::Session(other),
        }
    }
}

fn waiting_for(missing: &[String]) -> String {
    match missing {
        [] => "the set has not been sealed, or its memory is not there yet".to_owned(),
        missing => format!("waiting for {}", missing.join(", ")),
    }
}

fn words(rights: &[SeatRight]) -> String {
    let words: Vec<String> = rights.iter().map(SeatRight::to_string).collect();
    words.join(", ")
}
