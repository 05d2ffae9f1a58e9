//! Calls about timelines.

use wharf_protocol::{
    Call, CreateTimeline, DropTimeline, ImportTimeline, IssueToken, ObjectKind, ReleaseTimeline,
    TakeImporters, TimelineId, Token,
};

use super::Script;

impl Script<'_> {
    pub(super) fn timeline(&mut self, kind: usize, tokens: &[Token]) -> Call {
        let timeline = TimelineId(self.id());
        match kind % 6 {
            0 => CreateTimeline { name: self.name() }.into(),
            1 => ImportTimeline {
                token: self.token(tokens),
                cell: self.pick(&[8, 9, 511, 7, 512, 10]),
            }
            .into(),
            2 => IssueToken {
                kind: ObjectKind::Timeline,
                id: timeline.0,
                uses: self.count(),
            }
            .into(),
            3 => TakeImporters {
                timeline,
                after: self.id(),
            }
            .into(),
            4 => ReleaseTimeline {
                timeline,
                import: self.id(),
            }
            .into(),
            _ => DropTimeline { timeline }.into(),
        }
    }
}
