//! A refusal in one line.

use super::page::{Page, Spans};
use super::words::{amount, name, names, phrase};
use super::{Plain, Role};
use crate::constraints::{Field, Value};
use crate::negotiation::{Conflict, Report, ReportKind};

pub(super) fn of(report: &Report) -> String {
    let mut page = Page::default();
    let line = title(&report.kind).then(essence(&report.kind));
    page.line(line.and(Role::Detail, format!(" [{}]", report.errno())));
    let mut text = String::new();
    // A string takes everything.
    let _ = page.write(&mut text, &Plain);
    text
}

/// What is the matter.
pub(super) fn title(kind: &ReportKind) -> Spans {
    let bad = |text: &str| Spans::of(Role::Bad, text);
    match kind {
        ReportKind::Invalid { who, reason } => bad("nothing suits ")
            .then(name(who))
            .and(Role::Plain, format!(": {reason}")),
        ReportKind::Conflict { .. } => bad("no memory suits everyone"),
        ReportKind::Underconstrained { field } => bad("nobody says enough")
            .and(Role::Plain, ": somebody has to state ")
            .and(Role::Field, field)
            .and(Role::Plain, if *field == Field::Format { " in full" } else { "" }),
        ReportKind::NoHeap { heaps } if heaps.is_empty() => bad("there is no heap"),
        ReportKind::NoHeap { .. } => bad("no heap promises what is needed"),
        ReportKind::NoMemory { .. } => bad("the heaps that suit have no memory"),
        ReportKind::Quota {
            account,
            resource,
            limit,
            used,
            requested,
        } => bad("more than its share")
            .and(Role::Plain, ": ")
            .and(Role::Name, account)
            .and(
                Role::Plain,
                format!(" needs {requested} {resource} and has {used} of {limit}"),
            ),
        ReportKind::Busy { .. } => bad("not while others hold the memory"),
        ReportKind::Budget { limit } => bad("too many combinations").and(
            Role::Plain,
            format!(": gave up after {limit} merges; give fewer alternatives or a larger budget"),
        ),
        ReportKind::Stalled { missing } => bad("still waiting").and(Role::Plain, " for ").then(
            Spans::joined(missing.iter().map(|label| Spans::of(Role::Name, label)), ", "),
        ),
        ReportKind::Denied { reason } => bad("not allowed").and(Role::Plain, format!(": {reason}")),
        ReportKind::NotUnderstood { who, key } => bad("nobody here understands ")
            .and(Role::Field, key)
            .and(Role::Plain, ", which ")
            .then(name(who))
            .and(Role::Plain, " insists on"),
    }
}

/// The numbers behind it, where the title does not say them.
fn essence(kind: &ReportKind) -> Spans {
    match kind {
        ReportKind::Conflict { conflicts, total } => match conflicts.first() {
            Some(first) => Spans::plain(": ").then(conflict(first)).then(more(*total)),
            None => Spans::default(),
        },
        ReportKind::NoHeap { heaps } => {
            let reasons = heaps.iter().map(|misfit| {
                Spans::of(Role::Name, &misfit.heap)
                    .and(Role::Plain, " fails ")
                    .and(Role::Field, misfit.field)
            });
            listed(reasons.collect())
        }
        ReportKind::NoMemory { trail } => listed(trail.iter().map(super::report::in_short).collect()),
        ReportKind::Busy { blockers, misfit } => {
            let holders: Vec<_> = blockers.iter().map(|blocker| blocker.who.clone()).collect();
            Spans::plain(": ")
                .then(name(&misfit.who))
                .and(Role::Plain, " needs ")
                .and(Role::Field, &misfit.path)
                .and(Role::Plain, " ")
                .and(Role::Value, phrase(misfit.path.field, &misfit.need))
                .and(Role::Plain, ", there is ")
                .and(Role::Value, amount(&misfit.have))
                .and(Role::Plain, "; held by ")
                .then(names(&holders))
        }
        _ => Spans::default(),
    }
}

fn conflict(conflict: &Conflict) -> Spans {
    let same = conflict.members.iter().all(|member| member.path == conflict.path);
    let members = conflict.members.iter().map(|member| {
        let who = name(&member.who).and(Role::Plain, " needs ");
        let field = match same && member.value != Value::Needed {
            true => Spans::default(),
            false => Spans::of(Role::Field, &member.path).and(Role::Plain, " "),
        };
        who.then(field)
            .and(Role::Value, phrase(member.path.field, &member.value))
    });
    let field = Spans::of(Role::Field, &conflict.path).and(Role::Plain, ": ");
    field.then(Spans::joined(members, ", "))
}

fn more(total: usize) -> Spans {
    match total {
        0 | 1 => Spans::default(),
        2 => Spans::plain("; and 1 more conflict"),
        total => Spans::plain(format!("; and {} more conflicts", total - 1)),
    }
}

fn listed(items: Vec<Spans>) -> Spans {
    match items.is_empty() {
        true => Spans::default(),
        false => Spans::plain(": ").then(Spans::joined(items, ", ")),
    }
}
