//! What was decided, line by line.

use super::Role;
use super::page::{Page, Spans};
use super::report::eliminations;
use super::words::{bytes_told, name, names, phrase};
use crate::constraints::Value;
use crate::negotiation::{ImagePlan, LedgerEntry, MemoryPlan, ParticipantId, Plan, PlanePlan, SyncStep};

pub(super) fn page(plan: &Plan) -> Page {
    let mut page = Page::default();
    page.line(title(plan));
    if let Some(image) = &plan.image {
        page.heading("layout");
        page.table(image.planes.iter().enumerate().map(plane).collect());
        besides(&mut page, image);
    }
    page.heading("memory");
    page.table(plan.memories.iter().enumerate().map(memory).collect());
    because(&mut page, plan);
    page.heading("buffers");
    page.table(
        plan.ledger
            .entries
            .iter()
            .map(|entry| share(plan, entry))
            .collect(),
    );
    page.item(shared(plan));
    choices(&mut page, plan);
    if !plan.sync.is_empty() {
        page.heading("at hand-overs");
        page.table(plan.sync.iter().map(|step| hand_over(plan, step)).collect());
    }
    if !plan.dropped.is_empty() {
        page.heading("done without");
        let dropped = plan.dropped.iter().map(|id| who(plan, *id));
        page.item(Spans::joined(dropped, ", "));
    }
    eliminations(&mut page, &plan.eliminated, "not chosen");
    page
}

fn title(plan: &Plan) -> Spans {
    let mut title = Spans::of(Role::Good, "suits everyone").and(Role::Plain, ": ");
    if let Some(image) = &plan.image {
        title = title
            .and(Role::Value, format!("{} {}", image.format, image.size))
            .and(Role::Plain, ", ");
    }
    let count = Value::Buffers(u64::from(plan.count()));
    let heaps = plan.memories.iter().filter_map(|memory| memory.heaps.first());
    title
        .and(Role::Value, count)
        .and(Role::Plain, " of ")
        .and(Role::Value, bytes_told(plan.size_bytes()))
        .and(Role::Plain, " from ")
        .then(Spans::joined(
            heaps.map(|heap| Spans::of(Role::Name, heap)),
            " and ",
        ))
}

fn plane((number, plane): (usize, &PlanePlan)) -> Vec<Spans> {
    vec![
        Spans::plain(format!("plane {number}")),
        Spans::plain(format!("memory {}", plane.memory)),
        Spans::plain(format!("at byte {}", plane.offset_bytes)),
        Spans::plain("stride ").and(Role::Value, bytes_told(plane.stride_bytes)),
        Spans::of(Role::Value, Value::Rows(plane.rows)),
        Spans::of(Role::Value, bytes_told(plane.size_bytes)),
    ]
}

/// What else is said of the picture.
fn besides(page: &mut Page, image: &ImagePlan) {
    if !image.required.is_empty() {
        let sizes = image.required.iter().map(|size| Spans::of(Role::Value, size));
        page.item(Spans::plain("room for ").then(Spans::joined(sizes, " and ")));
    }
    if let Some(space) = &image.color_space {
        page.item(Spans::plain("colour space ").and(Role::Value, space));
    }
    if let Some(alpha) = &image.alpha {
        page.item(Spans::plain("alpha ").and(Role::Value, alpha));
    }
}

fn memory((number, memory): (usize, &MemoryPlan)) -> Vec<Spans> {
    let cached = match &memory.cache_mode {
        Some(mode) => Spans::plain("mapped ").and(Role::Value, mode),
        None => Spans::plain("not mapped by the CPU"),
    };
    let heaps = memory.heaps.iter().map(|heap| Spans::of(Role::Name, heap));
    vec![
        Spans::plain(format!("memory {number}")),
        Spans::of(Role::Value, bytes_told(memory.size_bytes)),
        Spans::plain("chunks of ").and(Role::Value, bytes_told(memory.min_chunk_bytes)),
        cached,
        Spans::plain("from ").then(Spans::joined(heaps, ", else ")),
    ]
}

/// Who decided what.
fn because(page: &mut Page, plan: &Plan) {
    if plan.reasons.is_empty() {
        return;
    }
    page.heading("because of");
    let rows = plan.reasons.iter().map(|reason| {
        vec![
            Spans::of(Role::Field, &reason.path),
            Spans::of(Role::Value, phrase(reason.path.field, &reason.value)),
            names(&reason.who),
        ]
    });
    page.table(rows.collect());
}

fn share(plan: &Plan, entry: &LedgerEntry) -> Vec<Spans> {
    let slack = match entry.slack {
        0 => Spans::default(),
        slack => Spans::plain(format!("and {slack} to spare")),
    };
    let camping = Spans::of(Role::Value, entry.camping);
    vec![who(plan, entry.participant), camping, slack]
}

fn shared(plan: &Plan) -> Spans {
    let total = Spans::plain("together ").and(Role::Value, plan.ledger.total);
    match plan.ledger.shared_slack {
        0 => total,
        shared => total.and(
            Role::Plain,
            format!(", {shared} of them for whoever needs them first"),
        ),
    }
}

/// In which way functions work that could work in several.
fn choices(page: &mut Page, plan: &Plan) {
    let rows: Vec<Vec<Spans>> = plan
        .choices
        .iter()
        .filter(|choice| &*choice.alternative != "only")
        .map(|choice| {
            let function = who(plan, choice.participant).and(Role::Name, format!(".{}", choice.function));
            vec![function, Spans::of(Role::Value, &choice.alternative)]
        })
        .collect();
    if !rows.is_empty() {
        page.heading("ways of working");
        page.table(rows);
    }
}

fn hand_over(plan: &Plan, step: &SyncStep) -> Vec<Spans> {
    let caches = match (step.clean, step.invalidate) {
        (true, true) => "clean and invalidate caches",
        (true, false) => "clean caches",
        (false, true) => "invalidate caches",
        (false, false) => "nothing to do",
    };
    let between = who(plan, step.from)
        .and(Role::Plain, " to ")
        .then(who(plan, step.to));
    vec![between, Spans::of(Role::Value, caches)]
}

/// What people call a participant.
fn who(plan: &Plan, id: ParticipantId) -> Spans {
    match plan.participants.iter().find(|one| one.participant == Some(id)) {
        Some(known) => name(known),
        None => Spans::of(Role::Name, format!("participant {}", id.0)),
    }
}
