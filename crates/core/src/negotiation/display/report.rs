//! A refusal, line by line.

use super::page::{Page, Spans};
use super::words::{amount, bytes_told, details, name, names, phrase};
use super::{Role, summary};
use crate::constraints::{MergeKind, Value};
use crate::negotiation::{
    Blame, Blocker, Conflict, Eliminated, Elimination, HeapAnswer, HeapMisfit, LimitOrigin, Member,
    Relaxation, Report, ReportKind,
};

pub(super) fn page(report: &Report) -> Page {
    let mut page = Page::default();
    let errno = format!(" [{}]", report.errno());
    page.line(summary::title(&report.kind).and(Role::Detail, errno));
    match &report.kind {
        ReportKind::Invalid { who, .. } | ReportKind::NotUnderstood { who, .. } => {
            page.table(vec![vec![name(who), details(who)]]);
        }
        ReportKind::Conflict { conflicts, total } => all_conflicts(&mut page, conflicts, *total),
        ReportKind::NoHeap { heaps } => page.table(heaps.iter().map(misfit).collect()),
        ReportKind::NoMemory { trail } => page.table(trail.iter().map(answer).collect()),
        ReportKind::Busy { blockers, misfit } => {
            page.heading("the memory there is does not suit");
            let has = Spans::plain("has ").and(Role::Value, amount(&misfit.have));
            let needs = Spans::plain("needs ").then(wanted(&misfit.path, &misfit.need));
            page.table(vec![vec![
                name(&misfit.who),
                Spans::of(Role::Field, &misfit.path),
                has,
                needs,
                details(&misfit.who),
            ]]);
            page.heading("who keeps it from being changed");
            page.table(blockers.iter().map(blocker).collect());
        }
        ReportKind::Underconstrained { .. }
        | ReportKind::Quota { .. }
        | ReportKind::Budget { .. }
        | ReportKind::Stalled { .. }
        | ReportKind::Denied { .. } => {}
    }
    if !report.relaxations.is_empty() {
        page.heading("it would work if");
        for relaxation in &report.relaxations {
            page.item(Spans::of(Role::Good, "- ").then(condition(relaxation)));
        }
    }
    eliminations(&mut page, &report.eliminated, "removed");
    page
}

fn all_conflicts(page: &mut Page, conflicts: &[Conflict], total: usize) {
    for conflict in conflicts {
        page.line(Spans::default());
        page.line(conflict_heading(conflict));
        page.table(
            conflict
                .members
                .iter()
                .map(|one| member(one, Some(conflict)))
                .collect(),
        );
        if let Some(merged) = merged(conflict) {
            page.item(merged);
        }
        if !conflict.minimal {
            page.item(Spans::of(
                Role::Detail,
                "the search ended before it was known whether all of these matter",
            ));
        }
    }
    if let Some(more) = total.checked_sub(conflicts.len()).filter(|more| *more > 0) {
        page.line(Spans::default());
        page.line(Spans::of(Role::Detail, format!("and {more} more like these")));
    }
}

fn conflict_heading(conflict: &Conflict) -> Spans {
    let field = Spans::of(Role::Field, &conflict.path);
    field.and(
        Role::Heading,
        match (conflict.origin, conflict.members.len()) {
            (LimitOrigin::System, _) => ": more than there may be",
            (LimitOrigin::Heap, _) => ": no heap promises this",
            (LimitOrigin::Participant, 0 | 1) => ": not to be had",
            (LimitOrigin::Participant, _) if !conflict.minimal => ": not all of these",
            (LimitOrigin::Participant, 2) => ": not both of these",
            (LimitOrigin::Participant, _) => ": not all of these; all but any one could be had",
        },
    )
}

/// Who, the field where it is not the heading's, what, and how to find who.
fn member(member: &Member, of: Option<&Conflict>) -> Vec<Spans> {
    let same = of.is_some_and(|conflict| conflict.members.iter().all(|one| one.path == conflict.path));
    let field = match same {
        true => Spans::default(),
        false => Spans::of(Role::Field, &member.path),
    };
    let needs = match &member.value {
        Value::Needed if same => Spans::of(Role::Value, "needed"),
        value => Spans::of(Role::Value, phrase(member.path.field, value)),
    };
    vec![name(&member.who), field, needs, details(&member.who)]
}

/// What the values come to.
fn merged(conflict: &Conflict) -> Option<Spans> {
    let merged = conflict.merged.as_ref()?;
    let words = match conflict.kind {
        MergeKind::Sum => "together ",
        _ => "comes to ",
    };
    Some(Spans::plain(words).and(Role::Bad, amount(merged)))
}

/// A heap and why it does not do.
fn misfit(misfit: &HeapMisfit) -> Vec<Spans> {
    let whom = match misfit.who.is_empty() {
        true => Spans::default(),
        false => Spans::plain("for ").then(names(&misfit.who)),
    };
    vec![
        Spans::of(Role::Name, &misfit.heap),
        Spans::of(Role::Field, misfit.field),
        whom,
        lacks(misfit),
    ]
}

/// What a heap has, and what is needed instead.
fn lacks(misfit: &HeapMisfit) -> Spans {
    let needs = |spans: Spans| match &misfit.need {
        Value::Needed => spans,
        need => spans
            .and(Role::Plain, ", needed ")
            .and(Role::Value, phrase(misfit.field, need)),
    };
    match (&misfit.have, &misfit.need) {
        (Some(have), _) => needs(Spans::plain("has ").and(Role::Value, amount(have))),
        (None, Value::Needed) => Spans::plain("not promised"),
        (None, _) => needs(Spans::plain("promises nothing")),
    }
}

fn answer(answer: &HeapAnswer) -> Vec<Spans> {
    match answer {
        HeapAnswer::Unsuitable(misfit) => {
            let whom = match misfit.who.is_empty() {
                true => Spans::default(),
                false => Spans::plain(" for ").then(names(&misfit.who)),
            };
            let why = Spans::of(Role::Field, misfit.field)
                .then(whom)
                .and(Role::Plain, ": ")
                .then(lacks(misfit));
            vec![
                Spans::of(Role::Name, &misfit.heap),
                Spans::plain("not asked"),
                why,
            ]
        }
        HeapAnswer::Refused {
            heap,
            requested_bytes,
            errno,
            reason,
        } => {
            let why = Spans::of(Role::Value, bytes_told(*requested_bytes))
                .and(Role::Plain, format!(": {reason}"))
                .and(Role::Detail, format!(" [{errno}]"));
            vec![Spans::of(Role::Name, heap), Spans::of(Role::Bad, "refused"), why]
        }
    }
}

/// What a heap answered, in few words.
pub(super) fn in_short(answer: &HeapAnswer) -> Spans {
    match answer {
        HeapAnswer::Unsuitable(misfit) => Spans::of(Role::Name, &misfit.heap)
            .and(Role::Plain, " fails ")
            .and(Role::Field, misfit.field),
        HeapAnswer::Refused { heap, errno, .. } => Spans::of(Role::Name, heap)
            .and(Role::Plain, " refused with ")
            .and(Role::Plain, errno),
    }
}

fn blocker(blocker: &Blocker) -> Vec<Spans> {
    let reason = Spans::plain(&blocker.reason);
    vec![name(&blocker.who), reason, details(&blocker.who)]
}

/// A value as what is needed; the field's words where there are none.
fn wanted(path: &crate::negotiation::FieldPath, value: &Value) -> Spans {
    match value {
        Value::Needed => Spans::of(Role::Value, "it"),
        value => Spans::of(Role::Value, phrase(path.field, value)),
    }
}

/// What would have to be otherwise.
fn condition(relaxation: &Relaxation) -> Spans {
    match relaxation {
        Relaxation::DropField { who, path } => name(who)
            .and(Role::Plain, " did not need ")
            .and(Role::Field, path),
        Relaxation::Change { who, path, from, to } => name(who)
            .and(Role::Plain, " needed ")
            .and(Role::Field, path)
            .and(Role::Plain, " ")
            .and(Role::Good, phrase(path.field, to))
            .and(Role::Plain, ", not ")
            .and(Role::Value, amount(from)),
        Relaxation::Without { who } => Spans::plain("the set did without ").then(name(who)),
        Relaxation::UseAlternative { who } => {
            let function = Blame {
                alternative: None,
                ..who.clone()
            };
            let way = who.alternative.as_deref().unwrap_or("declared");
            name(&function)
                .and(Role::Plain, " worked as ")
                .and(Role::Good, way)
        }
    }
}

/// What was possible until somebody removed it, and who did.
pub(super) fn eliminations(page: &mut Page, eliminated: &[Elimination], heading: &str) {
    if eliminated.is_empty() {
        return;
    }
    page.heading(heading);
    let mut rows = Vec::new();
    for elimination in eliminated {
        let mut what = eliminated_name(&elimination.what);
        if elimination.members.is_empty() {
            rows.push(vec![
                std::mem::take(&mut what),
                Spans::of(Role::Field, &elimination.path),
            ]);
        }
        for member in &elimination.members {
            let needs = Spans::of(Role::Field, &member.path)
                .and(Role::Plain, " ")
                .and(Role::Value, phrase(member.path.field, &member.value));
            rows.push(vec![std::mem::take(&mut what), name(&member.who), needs]);
        }
    }
    page.table(rows);
}

fn eliminated_name(what: &Eliminated) -> Spans {
    match what {
        Eliminated::Format(format) => Spans::of(Role::Value, format),
        Eliminated::Alternative { who } | Eliminated::Participant { who } => name(who),
        Eliminated::Heap(heap) => Spans::plain("heap ").and(Role::Name, heap),
    }
}
