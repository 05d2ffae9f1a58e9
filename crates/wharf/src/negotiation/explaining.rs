//! How a set stands, and why.

use wharf_core::negotiation::{Plan, Report};
use wharf_protocol::{CheckSetReply, ExplainSetReply, SetStatus};

/// A seat of a set, as [`SetExplanation`] lists it.
pub type SeatInfo = wharf_protocol::SeatState;

/// How a negotiated set stands, and why: made by [`Session::explain`](crate::Session::explain).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetExplanation {
    /// The set's name, perhaps empty.
    pub name: String,
    /// How far it is.
    pub status: SetStatus,
    /// The generation of its memory; `None` without memory.
    pub generation: Option<u64>,
    /// The heaps its memory came from, one for each memory of a buffer.
    pub heaps: Vec<String>,
    /// Those who are expected and have said nothing.
    pub missing: Vec<String>,
    /// Everybody who has or had a seat.
    pub seats: Vec<SeatInfo>,
    /// What was decided for the memory there is, with the reasons (contract N3).
    pub plan: Option<Plan>,
    /// Why it failed, or why the last one to come late was refused (contract N2).
    pub report: Option<Report>,
    /// Why it is over, if it is.
    pub over: Option<String>,
}

impl From<ExplainSetReply> for SetExplanation {
    fn from(reply: ExplainSetReply) -> Self {
        Self {
            name: reply.name,
            status: reply.status,
            generation: (reply.generation > 0).then_some(reply.generation),
            heaps: reply.heaps,
            missing: reply.missing,
            seats: reply.seats,
            plan: reply.plan.map(|plan| *plan.into_inner()),
            report: reply.report.map(|report| *report.into_inner()),
            over: reply.over,
        }
    }
}

/// How somebody could take part: the answer of [`Session::check`](crate::Session::check).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// The buffers there are suit it.
    Fits,
    /// The buffers there are would have to move; this is to what.
    Moves(Box<Plan>),
    /// There are none yet; this would be decided.
    Plans(Box<Plan>),
}

impl From<CheckSetReply> for Fit {
    fn from(reply: CheckSetReply) -> Self {
        match reply.plan {
            None => Self::Fits,
            Some(plan) if reply.moves => Self::Moves(plan.into_inner()),
            Some(plan) => Self::Plans(plan.into_inner()),
        }
    }
}
