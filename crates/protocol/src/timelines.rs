//! The methods about timelines, with their replies. What each demands and does stands in the interface description.

use serde::{Deserialize, Serialize};

use crate::{TimelineId, Token};

/// Makes a timeline. Comes with one file descriptor: the timeline's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct CreateTimeline {
    /// The timeline's name: at most 31 bytes, no control characters; may be empty.
    pub name: String,
}

/// The new timeline. Comes with one read-only file descriptor: its status page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct CreateTimelineReply {
    /// The timeline.
    pub timeline: TimelineId,
}

/// Imports a timeline, to wait for its points. Comes with one file descriptor: the waiter page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ImportTimeline {
    /// A token for the timeline.
    pub token: Token,
    /// The cell of the waiter page in which the caller announces what it waits for, 8 to 511 inclusive.
    pub cell: u32,
}

/// The imported timeline. Comes with three file descriptors: its page, its status page, both read-only, and its owner's pidfd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ImportTimelineReply {
    /// The timeline.
    pub timeline: TimelineId,
    /// The number of this import among those of the timeline, from 1.
    pub import: u64,
    /// The timeline's name, perhaps empty.
    pub name: String,
    /// The owner's session label.
    pub owner_label: String,
    /// The owner's process.
    pub owner_pid: u32,
}

/// Asks, as the owner, who imported a timeline. Asking again gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct TakeImporters {
    /// The timeline, made by the caller.
    pub timeline: TimelineId,
    /// The newest import the caller knows: those after it are told. 0 for all.
    pub after: u64,
}

/// Who imported. Comes with one file descriptor per new import, in the order of `joined`: its waiter page, read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct TakeImportersReply {
    /// The imports after the one given that are still there, by ascending number.
    pub joined: Vec<TimelineImport>,
    /// The numbers of all imports that are still there, ascending.
    pub present: Vec<u64>,
}

/// One import of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct TimelineImport {
    /// Its number among those of the timeline.
    pub import: u64,
    /// The cell of its waiter page in which it announces what it waits for.
    pub cell: u32,
}

/// Gives an imported timeline back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ReleaseTimeline {
    /// The timeline.
    pub timeline: TimelineId,
    /// Which of its imports, made by the caller.
    pub import: u64,
}

/// Ends a timeline, as its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct DropTimeline {
    /// The timeline, made by the caller.
    pub timeline: TimelineId,
}
