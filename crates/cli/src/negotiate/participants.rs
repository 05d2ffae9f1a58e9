//! What each participant of a plan changes.

use std::fmt::{self, Write};

use wharf_core::negotiation::{
    Blame, Eliminated, Elimination, Member, Participant, ParticipantId, Plan, Role,
};

use super::page::Paper;

/// Writes some lines about each participant.
pub(super) fn write(paper: &mut Paper<'_>, participants: &[Participant], plan: &Plan) -> fmt::Result {
    paper.out.write_str("\n\n")?;
    paper.put(Role::Heading, "participants")?;
    participants.iter().try_for_each(|participant| {
        paper.out.write_str("\n  ")?;
        paper.put(Role::Name, participant)?;
        if let Some(device) = &participant.device {
            paper.put(Role::Detail, format_args!(" (device {device})"))?;
        }
        lines(paper, participant.id, plan)
    })
}

fn lines(paper: &mut Paper<'_>, id: ParticipantId, plan: &Plan) -> fmt::Result {
    if plan.dropped.contains(&id) {
        return paper.out.write_str("\n    is done without");
    }
    let decides = decided(id, plan);
    let removes = removed(id, plan);
    if decides.is_empty() && removes.is_empty() {
        return paper.out.write_str("\n    changes nothing");
    }
    list(paper, "decides", &decides)?;
    list(paper, "rules out", &removes)
}

/// Writes what somebody does, and to what: a line for each.
fn list(paper: &mut Paper<'_>, does: &str, what: &[String]) -> fmt::Result {
    let starts = std::iter::once(does).chain(std::iter::repeat(""));
    what.iter().zip(starts).try_for_each(|(what, start)| {
        write!(paper.out, "\n    {start:<11}")?;
        paper.put(Role::Value, what)
    })
}

/// What the plan would have otherwise without somebody.
fn decided(id: ParticipantId, plan: &Plan) -> Vec<String> {
    let reasons = plan.reasons.iter().filter(|reason| names(&reason.who, id));
    reasons.map(ToString::to_string).collect()
}

/// What others could have had without somebody.
fn removed(id: ParticipantId, plan: &Plan) -> Vec<String> {
    let removed = plan.eliminated.iter().filter(|elimination| {
        let own = match &elimination.what {
            Eliminated::Alternative { who } | Eliminated::Participant { who } => who.participant == Some(id),
            Eliminated::Format(_) | Eliminated::Heap(_) => false,
        };
        let blamed = |member: &Member| member.who.participant == Some(id);
        !own && elimination.members.iter().any(blamed)
    });
    removed.map(choice).collect()
}

fn names(who: &[Blame], id: ParticipantId) -> bool {
    who.iter().any(|blame| blame.participant == Some(id))
}

fn choice(elimination: &Elimination) -> String {
    let field = &elimination.path;
    match &elimination.what {
        Eliminated::Format(format) => format!("{format}, by {field}"),
        Eliminated::Alternative { who } | Eliminated::Participant { who } => format!("{who}, by {field}"),
        Eliminated::Heap(heap) => format!("heap {heap}, by {field}"),
    }
}
