//! Generators of what is about timelines.

use proptest::collection::vec;
use proptest::prelude::*;
use wharf_protocol::*;

use super::{number, text, token};

fn timeline() -> impl Strategy<Value = TimelineId> {
    number().prop_map(TimelineId)
}

/// Any call about timelines.
pub(crate) fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        text().prop_map(|name| CreateTimeline { name }.into()),
        (token(), any::<u32>()).prop_map(|(token, cell)| ImportTimeline { token, cell }.into()),
        (timeline(), number()).prop_map(|(timeline, after)| TakeImporters { timeline, after }.into()),
        (timeline(), number()).prop_map(|(timeline, import)| ReleaseTimeline { timeline, import }.into()),
        timeline().prop_map(|timeline| DropTimeline { timeline }.into()),
    ]
}

pub(crate) fn create_timeline() -> impl Strategy<Value = CreateTimelineReply> {
    timeline().prop_map(|timeline| CreateTimelineReply { timeline })
}

pub(crate) fn import_timeline() -> impl Strategy<Value = ImportTimelineReply> {
    (timeline(), number(), text(), text(), any::<u32>()).prop_map(
        |(timeline, import, name, owner_label, owner_pid)| ImportTimelineReply {
            timeline,
            import,
            name,
            owner_label,
            owner_pid,
        },
    )
}

pub(crate) fn take_importers() -> impl Strategy<Value = TakeImportersReply> {
    let import = (number(), any::<u32>()).prop_map(|(import, cell)| TimelineImport { import, cell });
    (vec(import, 0..4), vec(number(), 0..4))
        .prop_map(|(joined, present)| TakeImportersReply { joined, present })
}

/// A line of a listing.
pub(crate) fn state() -> impl Strategy<Value = TimelineState> {
    let importers = vec(number().prop_map(SessionId), 0..4);
    (timeline(), text(), number(), any::<u32>(), importers).prop_map(
        |(timeline, name, owner, uid, importers)| TimelineState {
            timeline,
            name,
            owner: SessionId(owner),
            uid,
            importers,
        },
    )
}

/// Any error about timelines.
pub(crate) fn error() -> impl Strategy<Value = BrokerError> {
    prop_oneof![
        timeline().prop_map(|id| BrokerError::NoSuchTimeline { id }),
        any::<u32>().prop_map(|max| BrokerError::TimelineFull { max }),
    ]
}
