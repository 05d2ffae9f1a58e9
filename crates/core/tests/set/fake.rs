//! A solver of one dimension: a buffer is so many bytes, from the smallest to the largest size that participants state.

use wharf_core::attachment::Contract;
use wharf_core::constraints::{Buffers, Bytes, Constraints, Field, MergeKind, Unit, Value, key};
use wharf_core::negotiation::{
    Blame, Blocker, Conflict, FieldPath, Function, HeapMisfit, HeapOffer, Ledger, LedgerEntry, LimitOrigin,
    MemoryPlan, Misfit, Participant, ParticipantId, Plan, Presence, Problem, Report, ReportKind,
};
use wharf_core::set::{Joining, Late, LatePolicy, Solver};

/// Makes a participant that needs buffers of at least and at most so many pages, and counts on so many of them.
pub(crate) fn participant(label: &str, pages: std::ops::RangeInclusive<u64>, camping: u64) -> Participant {
    let needs = Constraints::builder()
        .with(key::MIN_SIZE, Bytes(*pages.start() * 4096))
        .with(key::MAX_SIZE, Bytes(*pages.end() * 4096));
    let needs = if camping > 0 {
        needs.with(key::CAMPING, Buffers(camping))
    } else {
        needs
    };
    let needs = needs.build().unwrap();
    Participant::new(ParticipantId(0), label).function(Function::new("use", needs))
}

/// The numbers of a participant.
fn number(participant: &Participant, field: Field) -> Option<u64> {
    let needs = &participant.functions[0].alternatives[0].constraints;
    needs.memory().number(field).or(needs.set().number(field))
}

pub(crate) struct Fake;

pub(crate) fn heap(name: &str) -> HeapOffer {
    HeapOffer {
        name: name.into(),
        guarantees: Default::default(),
        cost: 0,
        capacity_bytes: None,
    }
}

fn report(kind: ReportKind) -> Box<Report> {
    Box::new(Report {
        kind,
        relaxations: Vec::new(),
        eliminated: Vec::new(),
        merges: 1,
    })
}

fn path(field: Field) -> FieldPath {
    FieldPath {
        field,
        format: None,
        plane: None,
        extension: None,
    }
}

pub(crate) fn blame(participant: &Participant) -> Blame {
    Blame {
        participant: Some(participant.id),
        label: participant.label.clone(),
        pid: participant.pid,
        device: None,
        function: None,
        alternative: None,
        source: None,
    }
}

pub(crate) fn entry(participant: &Participant) -> LedgerEntry {
    let count = |field| u32::try_from(number(participant, field).unwrap_or(0)).unwrap();
    LedgerEntry {
        participant: participant.id,
        camping: count(Field::Camping),
        slack: count(Field::DedicatedSlack),
    }
}

/// The size that suits all of them, if any does.
fn size(participants: &[&Participant]) -> Option<u64> {
    let least = participants
        .iter()
        .filter_map(|one| number(one, Field::MinSize))
        .max();
    let most = participants
        .iter()
        .filter_map(|one| number(one, Field::MaxSize))
        .min();
    let least = least.unwrap_or(4096);
    (least <= most.unwrap_or(u64::MAX)).then_some(least)
}

fn plan(
    participants: &[&Participant],
    dropped: Vec<ParticipantId>,
    size_bytes: u64,
    heaps: Vec<Box<str>>,
) -> Plan {
    let entries: Vec<_> = participants
        .iter()
        .map(|one| entry(one))
        .filter(|entry| entry.camping + entry.slack > 0)
        .collect();
    let most = |field| {
        participants
            .iter()
            .filter_map(|one| number(one, field))
            .max()
            .unwrap_or(0)
    };
    let shared_slack = u32::try_from(most(Field::SharedSlack)).unwrap();
    let counted = entries
        .iter()
        .map(|entry| entry.camping + entry.slack)
        .sum::<u32>()
        + shared_slack;
    let least = u32::try_from(most(Field::MinBuffers)).unwrap();
    Plan {
        image: None,
        memories: vec![MemoryPlan {
            size_bytes,
            min_chunk_bytes: 4096,
            cache_mode: None,
            heaps,
        }],
        ledger: Ledger {
            entries,
            shared_slack,
            total: counted.max(least).max(1),
        },
        choices: Vec::new(),
        dropped,
        sync: Vec::new(),
        eliminated: Vec::new(),
        merges: 1,
        participants: Vec::new(),
        reasons: Vec::new(),
    }
}

fn conflict(participants: &[&Participant]) -> Box<Report> {
    let members = participants.iter().map(|one| wharf_core::negotiation::Member {
        who: blame(one),
        path: path(Field::MinSize),
        value: Value::Bytes(number(one, Field::MinSize).unwrap_or(0)),
    });
    let conflict = Conflict {
        path: path(Field::MinSize),
        unit: Unit::Bytes,
        kind: MergeKind::Max,
        members: members.collect(),
        merged: None,
        origin: LimitOrigin::Participant,
        minimal: false,
    };
    report(ReportKind::Conflict {
        conflicts: vec![conflict],
        total: 1,
    })
}

impl Solver for Fake {
    fn solve(&self, problem: &Problem<'_>) -> Result<Plan, Box<Report>> {
        let mut all: Vec<&Participant> = problem.participants.iter().collect();
        all.sort_by_key(|one| one.id);
        let mut dropped = Vec::new();
        let size_bytes = loop {
            if let Some(size) = size(&all) {
                break size;
            }
            // The lowest priority goes first, phantoms before all others; but who is not in the way stays.
            let optional = all
                .iter()
                .enumerate()
                .filter_map(|(index, one)| match one.presence {
                    Presence::Required => None,
                    Presence::Phantom => Some((0, index)),
                    Presence::Optional { priority } => Some((priority + 1, index)),
                });
            let helps = |index: usize| {
                let others = all.iter().enumerate().filter(|(other, _)| *other != index);
                size(&others.map(|(_, one)| *one).collect::<Vec<_>>()).is_some()
            };
            let worst = optional.min_by_key(|(priority, index)| (!helps(*index), *priority, *index));
            let Some((_, index)) = worst else {
                return Err(conflict(&all));
            };
            dropped.push(all.remove(index).id);
        };
        let suiting = problem
            .heaps
            .iter()
            .filter(|heap| heap.guarantees.max_size_bytes >= size_bytes);
        let heaps: Vec<_> = suiting.map(|heap| heap.name.clone()).collect();
        if heaps.is_empty() {
            let misfits = problem.heaps.iter().map(|heap| HeapMisfit {
                heap: heap.name.clone(),
                field: Field::MaxSize,
                have: Some(Value::Bytes(heap.guarantees.max_size_bytes)),
                need: Value::Bytes(size_bytes),
                who: Vec::new(),
            });
            return Err(report(ReportKind::NoHeap {
                heaps: misfits.collect(),
            }));
        }
        Ok(plan(&all, dropped, size_bytes, heaps))
    }

    fn join(&self, late: &Late<'_>) -> Result<Joining, Box<Report>> {
        let have = late.plan.size_bytes();
        let newcomer = late.newcomer;
        let wanted = entry(newcomer);
        let taken: u32 = late
            .ledger
            .entries
            .iter()
            .map(|entry| entry.camping + entry.slack)
            .sum();
        let free = late.ledger.total.saturating_sub(taken + late.ledger.shared_slack);
        let is_suitable = size(&[newcomer]).is_some_and(|least| {
            least <= have && number(newcomer, Field::MaxSize).is_none_or(|most| have <= most)
        });
        if is_suitable && wanted.camping + wanted.slack <= free {
            let mut ledger = late.ledger.clone();
            ledger.entries.push(wanted);
            return Ok(Joining::Fits {
                ledger,
                choices: Vec::new(),
            });
        }
        let misfit = Box::new(Misfit {
            who: blame(newcomer),
            path: path(Field::Size),
            have: Value::Bytes(have),
            need: Value::Bytes(number(newcomer, Field::MinSize).unwrap_or(0)),
        });
        let everybody: Vec<Participant> = late
            .others
            .participants
            .iter()
            .chain([newcomer])
            .cloned()
            .collect();
        let plan = self.solve(&Problem {
            participants: &everybody,
            ..late.others
        })?;
        let mut blockers: Vec<Blocker> = late.holders.to_vec();
        let pinned = late
            .others
            .participants
            .iter()
            .filter(|one| one.contract == Contract::Static && one.presence != Presence::Phantom);
        blockers.extend(pinned.map(|one| Blocker {
            who: blame(one),
            reason: "pinned".into(),
        }));
        if late.policy == LatePolicy::Refuse || !blockers.is_empty() {
            return Err(report(ReportKind::Busy { blockers, misfit }));
        }
        Ok(Joining::Move {
            plan: Box::new(plan),
            misfit,
        })
    }
}
