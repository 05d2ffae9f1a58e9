//! Solves a set, and lets the late join.

use serde::Serialize;
use wharf_core::negotiation::{Ledger, Misfit, ParticipantId, Plan, Report, SetFile, solve};

use super::Answer;
use super::late::arrivals;

/// What came of a set. In JSON: `{"plan": …}`, with `late` where somebody is, or `{"report": …}`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    Planned {
        /// For those who are there from the beginning.
        plan: Box<Plan>,
        /// What became of the others, in the order in which they came.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        late: Vec<Arrival>,
    },
    Impossible {
        /// Why there is no plan; nobody can join what is not there.
        report: Box<Report>,
    },
}

/// Somebody who came late.
#[derive(Debug, Serialize)]
pub(super) struct Arrival {
    pub(super) participant: ParticipantId,
    pub(super) label: Box<str>,
    #[serde(flatten)]
    pub(super) end: End,
}

/// What became of somebody who came late.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// The memory there is suits it: who has how many buffers now.
    Fits { ledger: Ledger },
    /// The memory moves: why it has to, and to what.
    Moves { misfit: Box<Misfit>, plan: Box<Plan> },
    /// It is refused.
    Refused { report: Box<Report> },
}

impl Outcome {
    /// Solves the set for those who are there from the beginning, then lets the late join one after the other.
    pub(super) fn of(set: &SetFile) -> Self {
        match solve(&set.problem()) {
            Ok(plan) => Self::Planned {
                late: arrivals(set, &plan),
                plan: Box::new(plan),
            },
            Err(report) => Self::Impossible { report },
        }
    }

    /// How the command ends.
    pub(super) fn answer(&self) -> Answer {
        match self {
            Self::Planned { late, .. } if late.iter().all(|arrival| !arrival.is_refused()) => Answer::Done,
            _ => Answer::Refused,
        }
    }
}

impl Arrival {
    fn is_refused(&self) -> bool {
        matches!(self.end, End::Refused { .. })
    }
}
