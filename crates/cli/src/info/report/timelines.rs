//! The timelines, and who waits for their points.

use wharf_protocol::TimelineState;

use super::Names;
use crate::info::table::Column::{Left, Right};
use crate::info::table::Table;

/// A table of the timelines. Empty where there are none.
pub(super) fn timelines(timelines: &[TimelineState], names: &Names<'_>) -> String {
    if timelines.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        Right("TIMELINE"),
        Left("NAME"),
        Left("OWNER"),
        Right("USER"),
        Left("IMPORTED BY"),
    ]);
    for timeline in timelines {
        let mut importers = names.each(&timeline.importers);
        importers.dedup();
        table.add([
            timeline.timeline.0.to_string(),
            timeline.name.clone(),
            names.session(timeline.owner),
            timeline.uid.to_string(),
            match importers.is_empty() {
                true => "nobody".to_owned(),
                false => importers.join(", "),
            },
        ]);
    }
    table.to_string()
}
