//! Negotiation: memory that suits everyone, or the reason why not.
//!
//! | Type | What it is |
//! |---|---|
//! | [`Participant`], [`Function`], [`Alternative`] | who takes part, what it does, and in which ways it can |
//! | [`HeapOffer`], [`Guarantees`] | what heaps promise, in the same words |
//! | [`Problem`], [`Policy`] | all that the outcome depends on |
//! | [`Plan`] | one point that suits everybody |
//! | [`SetFile`] | a problem in a file |
//! | [`suits`], [`ActualBuffer`] | whether memory that is there suits somebody |
//! | [`Report`] | who and what conflicts, and what would help |
//!
//! Contract: N.

mod blame;
mod display;
mod evaluate;
mod explain;
mod file;
mod heap;
mod membership;
mod needs;
mod participant;
mod plan;
mod problem;
mod relax;
mod report;
mod search;
mod serial;
mod solve;
mod validate;

pub(crate) use validate::name as check_name;

pub use crate::constraints::MAX_NAME_BYTES;
pub use display::{Palette, Plain, Role};
pub use file::{InvalidSet, SetFile};
pub use heap::{Guarantees, HeapOffer};
pub use membership::{ActualBuffer, ActualMemory, Neighbor, exactly, must_match, suits};
pub use participant::{Alternative, Function, Participant, ParticipantId, Presence};
pub use plan::{Choice, ImagePlan, Ledger, LedgerEntry, MemoryPlan, Plan, PlanePlan, Reason, SyncStep};
pub use problem::{Policy, Problem};
pub use report::{
    Blame, Blocker, Conflict, Eliminated, Elimination, FieldPath, HeapAnswer, HeapMisfit, LimitOrigin,
    Member, Misfit, Relaxation, Report, ReportKind,
};
pub(crate) use solve::{left_to_ask, no_memory};
pub use solve::{next_best, solve};
pub use validate::{InvalidHeap, InvalidParticipant, MAX_ALTERNATIVES, MAX_FUNCTIONS};

/// The examples of the chapter for those who write devices.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/declaring.md")]
struct DeclareYourNeeds;
