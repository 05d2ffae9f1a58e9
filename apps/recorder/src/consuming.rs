//! What viewers and encoders have in common: a place in the stream, and counting.

use std::time::Duration;

use wharf::{Consumer, Frame, JoinOptions, ReceiveError, Session, SessionError, Token};

use crate::control::ConsumerOutcome;
use crate::report::{ConsumerReport, LatencyRecorder, ProcessUse, Role};

/// More problems than this are not listed: the first ones say what is wrong.
const MAX_PROBLEMS: usize = 8;

/// Why there is no place in the stream.
#[derive(Debug, thiserror::Error)]
#[error("the {} cannot join the stream: {source}", role.name())]
pub(crate) struct JoinError {
    role: Role,
    source: SessionError,
}

/// There will be no more frames.
#[derive(Debug)]
pub(crate) struct Over;

/// A place in the stream, with what is counted there.
#[derive(Debug)]
pub(crate) struct Seat {
    role: Role,
    consumer: Consumer,
    latency: LatencyRecorder,
    problems: Vec<String>,
}

impl Seat {
    pub(crate) fn join(role: Role, token: &Token, options: JoinOptions) -> Result<Self, JoinError> {
        let failed = |source| JoinError { role, source };
        let session = Session::connect(role.name()).map_err(failed)?;
        Ok(Self {
            role,
            consumer: session.join(token, options).map_err(failed)?,
            latency: LatencyRecorder::new(),
            problems: Vec::new(),
        })
    }

    /// Waits for the next frame, up to `timeout`; `None` if there is none yet.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Option<Frame>, Over> {
        let error = match self.consumer.receive(Some(timeout)) {
            Ok(frame) => {
                self.latency.record(Duration::from_nanos(frame.latency_ns()));
                return Ok(Some(frame));
            }
            Err(error) => error,
        };
        match error {
            ReceiveError::TimedOut { .. } => Ok(None),
            // Whether the camera came to its end in order is for its parent to say.
            ReceiveError::Ended { .. } | ReceiveError::ProducerDied { .. } => Err(Over),
            error => {
                self.note_problem(&error.to_string());
                if error.is_final() { Err(Over) } else { Ok(None) }
            }
        }
    }

    /// How long frames took to come here.
    pub(crate) fn latency(&self) -> &LatencyRecorder {
        &self.latency
    }

    /// Frames that were passed over because newer ones were there.
    pub(crate) fn skipped(&self) -> u64 {
        self.consumer.stats().skipped
    }

    /// Keeps something that went wrong for the report.
    pub(crate) fn note_problem(&mut self, problem: &str) {
        let problem = format!("the {}: {problem}", self.role.name());
        if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Leaves the stream and says what was done there.
    pub(crate) fn leave(self, frames_used: u64, own_copied_bytes: u64) -> ConsumerOutcome {
        let stats = self.consumer.stats();
        let usage = ProcessUse::of_this_process(self.role, stats.bytes_copied, own_copied_bytes).ok();
        ConsumerOutcome {
            report: ConsumerReport {
                role: self.role,
                pid: std::process::id(),
                frames_received: stats.received,
                frames_used,
                latency: self.latency.summary(),
            },
            dropped: Vec::new(),
            usage,
            recording: None,
            problems: self.problems,
        }
    }
}
