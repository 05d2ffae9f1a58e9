//! The Varlink interface between Wharf's clients and its broker.
//!
//! What is here:
//!
//! - the interface description, [`INTERFACE_DESCRIPTION`]: the reference for what each method demands and does;
//! - the same as Rust types: [`Call`] with one struct per method, [`Reply`], [`BrokerError`], and [`Method`], which
//!   ties a method's parameters to its reply;
//! - [`codec`]: bytes to messages and back, without input or output;
//! - [`transport`]: messages and file descriptors over a Unix socket.
//!
//! What is not: what the methods do (the broker's state machine), and what the descriptors mean (memory and streams).
//!
//! Everything a peer sends is an allegation. Reading a message proves its shape, [`Call::check`] proves the ranges of
//! its parameters, and whether an id, a token or a descriptor is what it should be only its receiver can tell
//! (Contracts: P2, P4).

#![forbid(unsafe_code)]

// The name by which zlink's derive macros refer to it.
#[cfg(test)]
extern crate zlink_core as zlink;

mod buffer_plan;
pub mod calls;
mod check;
pub mod codec;
mod error;
mod idl;
mod ids;
pub mod limits;
mod method;
pub mod moves;
pub mod negotiation;
mod object;
pub mod replies;
pub mod service;
pub mod state;
pub mod timelines;
pub mod transport;

pub use buffer_plan::BufferPlan;
pub use calls::{
    AllocateBuffers, CreateStream, EndStream, FreeBuffers, GetState, ImportBuffers, IssueToken, JoinStream,
    LeaveStream, ObjectKind, Policy, Register, ReleaseImport, TakeChanges, WatchStream,
};
pub use error::{BrokerError, EndReason, Fault, Resource, Target};
pub use idl::{
    INTERFACE, INTERFACE_DESCRIPTION, SERVICE_DESCRIPTION, SERVICE_INTERFACE, interface_description,
};
pub use ids::{Incarnation, SessionId, SetId, Slot, StreamId, TimelineId, Token};
pub use method::{Call, Method, Reply};
pub use moves::{
    GetGeneration, GetGenerationReply, GetMove, GetMoveReply, Hindrance, MoveBlocker, MoveBuffers,
    MoveBuffersReply, MoveContract, ReadyGeneration, ReleaseGeneration, Role, Rotation, Seat, TakeGeneration,
    TakeGenerationReply,
};
pub use negotiation::{
    AwaitBuffers, AwaitBuffersReply, CheckSet, CheckSetReply, CreateSet, CreateSetReply, ExplainSet,
    ExplainSetReply, FailureDomain, FirstMap, IssueSeat, IssueSeatReply, LatePolicy, LeaveSeat, SealSet,
    SeatRight, SeatState, SeatStatus, SetContents, SetStatus, TakeSeat, TakeSeatReply,
};
pub use object::Object;
pub use replies::{
    AllocateBuffersReply, CreateStreamReply, Done, ImportBuffersReply, IssueTokenReply, JoinStreamReply,
    Member, RegisterReply, TakeChangesReply, WatchStreamReply,
};
pub use service::{GetInfo, GetInfoReply, GetInterfaceDescription, GetInterfaceDescriptionReply};
pub use state::{
    Amounts, BrokerState, GetStateReply, MoveState, NegotiationState, OldMemory, SessionState, SetState,
    StreamState, TimelineState, UserState,
};
pub use timelines::{
    CreateTimeline, CreateTimelineReply, DropTimeline, ImportTimeline, ImportTimelineReply, ReleaseTimeline,
    TakeImporters, TakeImportersReply, TimelineImport,
};
