//! What viewers and encoders have in common: a place in the stream, and counting.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use wharf::core::negotiation::Report;
use wharf::{Consumer, Frame, JoinOptions, MoveStep, ReceiveError, Session, SessionError, Token};

use crate::control::{ConsumerMove, ConsumerOutcome};
use crate::needs::BadNeeds;
use crate::report::{ConsumerReport, LatencyRecorder, ProcessUse, Role};

/// More problems than this are not listed: the first ones say what is wrong.
const MAX_PROBLEMS: usize = 8;
/// More moves than this are not listed.
const MAX_MOVES: usize = 64;

/// Why there is no place in the stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// What this process needs makes no sense.
    #[error("the {} does not know what it needs: {source}", role.name())]
    Needs {
        /// Who.
        role: Role,
        /// Why.
        source: BadNeeds,
    },
    /// The broker does not let this process in.
    #[error("the {} cannot join the stream: {source}", role.name())]
    Session {
        /// Who.
        role: Role,
        /// Why.
        source: Box<SessionError>,
    },
}

impl JoinError {
    pub(crate) fn session(role: Role, source: SessionError) -> Self {
        let source = Box::new(source);
        Self::Session { role, source }
    }

    /// The report of why the memory of the stream does not suit, if that is the reason.
    pub(crate) fn report(&self) -> Option<&Report> {
        match self {
            Self::Session { source, .. } => source.report(),
            Self::Needs { .. } => None,
        }
    }
}

/// There will be no more frames.
#[derive(Debug)]
pub(crate) struct Over;

/// A place in the stream, with what is counted there.
#[derive(Debug)]
pub(crate) struct Place {
    role: Role,
    consumer: Consumer,
    latency: LatencyRecorder,
    /// The number of the newest frame in the stream.
    newest: Option<u64>,
    lost: u64,
    checked: Checked,
    steps: Receiver<(MoveStep, u64)>,
    /// What had been passed over and lost when the move began that is under way.
    before_move: Option<(u64, u64)>,
    moves: Vec<ConsumerMove>,
    problems: Vec<String>,
}

/// Frames that were compared with what they had to be.
#[derive(Debug, Clone, Copy, Default)]
struct Checked {
    frames: u64,
    torn: u64,
}

impl Place {
    pub(crate) fn join(
        role: Role,
        session: &Session,
        token: &Token,
        options: JoinOptions<'_>,
    ) -> Result<Self, JoinError> {
        let joined = session.join(token, options);
        let mut consumer = joined.map_err(|source| JoinError::session(role, source))?;
        let (sender, steps) = mpsc::channel();
        consumer.observe_moves(move |step, generation| {
            // Nobody counts any more when the process leaves.
            let _ = sender.send((step, generation));
        });
        Ok(Self {
            role,
            consumer,
            latency: LatencyRecorder::new(),
            newest: None,
            lost: 0,
            checked: Checked::default(),
            steps,
            before_move: None,
            moves: Vec::new(),
            problems: Vec::new(),
        })
    }

    /// Waits for the next frame, up to `timeout`; `None` if there is none yet.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Option<Frame>, Over> {
        let received = self.consumer.receive(Some(timeout));
        if let Ok(frame) = &received {
            self.count(frame);
        }
        self.follow_moves();
        match received {
            Ok(frame) => Ok(Some(frame)),
            Err(ReceiveError::TimedOut { .. }) => Ok(None),
            // Whether the camera came to its end in order is for its parent to say.
            Err(ReceiveError::Ended { .. } | ReceiveError::ProducerDied { .. }) => Err(Over),
            Err(error) => {
                self.note_problem(&error.to_string());
                if error.is_final() { Err(Over) } else { Ok(None) }
            }
        }
    }

    fn count(&mut self, frame: &Frame) {
        self.latency.record(Duration::from_nanos(frame.latency_ns()));
        if let Some(newest) = self.newest.replace(frame.seq()) {
            let passed_over = frame.seq().saturating_sub(newest + 1);
            self.lost += passed_over.saturating_sub(frame.skipped());
        }
    }

    /// Counts what goes wrong while the stream moves.
    fn follow_moves(&mut self) {
        while let Ok((step, to)) = self.steps.try_recv() {
            let now = (self.skipped(), self.lost);
            match step {
                MoveStep::Offered => self.before_move = Some(now),
                MoveStep::Failed => self.before_move = None,
                MoveStep::FirstFrame => {
                    let before = self.before_move.take().unwrap_or(now);
                    if self.moves.len() < MAX_MOVES {
                        self.moves.push(ConsumerMove {
                            to,
                            skipped: now.0 - before.0,
                            lost: now.1 - before.1,
                        });
                    }
                }
                MoveStep::Taken | MoveStep::Ready | MoveStep::Committed => {}
            }
        }
    }

    /// Notes whether a frame was what it had to be.
    pub(crate) fn checked(&mut self, is_whole: bool) {
        self.checked.frames += 1;
        self.checked.torn += u64::from(!is_whole);
    }

    /// The generation of the memory of the newest frames.
    pub(crate) fn generation(&self) -> u64 {
        self.consumer.generation()
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
    pub(crate) fn leave(mut self, frames_used: u64, own_copied_bytes: u64) -> ConsumerOutcome {
        let (lost, Checked { frames, torn }) = (self.lost, self.checked);
        if torn > 0 {
            self.note_problem(&format!(
                "{torn} of {frames} frames were not what the camera had to draw"
            ));
        }
        if lost > 0 {
            self.note_problem(&format!("{lost} frames never came"));
        }
        let stats = self.consumer.stats();
        let usage = ProcessUse::of_this_process(self.role, stats.bytes_copied, own_copied_bytes).ok();
        ConsumerOutcome {
            report: ConsumerReport {
                role: self.role,
                pid: std::process::id(),
                frames_received: stats.received,
                frames_used,
                frames_lost: lost,
                frames_checked: frames,
                frames_torn: torn,
                latency: self.latency.summary(),
            },
            dropped: Vec::new(),
            usage,
            moves: self.moves,
            recording: None,
            problems: self.problems,
        }
    }
}
