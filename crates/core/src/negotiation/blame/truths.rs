//! That reports are true, by the solver's own evaluation: random small sets of participants that work in one way each.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::{Ended, report};
use crate::constraints::{
    Buffers, Bytes, Constraints, Field, FormatKey, ImageConstraints, Names, Record, Rows, Rules, Size,
    StrideRule, Tiling, Value, key,
};
use crate::dma::DmaLimits;
use crate::layout::{Fourcc, Modifier};
use crate::negotiation::evaluate::{Budget, FailureKind, evaluate};
use crate::negotiation::needs::{Need, Needs, Speaker, Stated, Surroundings, needs_of};
use crate::negotiation::{
    Blame, FieldPath, Function, Guarantees, HeapOffer, LimitOrigin, Member, Participant, ParticipantId,
    Policy, Presence, Relaxation, Report, ReportKind,
};

const TILED: Modifier = Modifier::from_raw(0x0100_0000_0000_0002);
const GIB: u64 = 1 << 30;

fn heaps() -> Vec<HeapOffer> {
    let offer = |name: &str, cost, guarantees| HeapOffer {
        name: name.into(),
        guarantees,
        cost,
        capacity_bytes: None,
    };
    let cma = |first: u64, end: u64| Guarantees {
        windows: Some([first..=end - 1].into_iter().collect()),
        contiguous: true,
        ..Guarantees::default()
    };
    vec![
        offer("cma-high", 5, cma(2 * GIB, 4 * GIB)),
        offer("cma-low", 9, cma(0, GIB)),
        offer("system", 1, Guarantees::default()),
    ]
}

/// One statement of a participant.
#[derive(Debug, Clone)]
enum Says {
    Window(u64, u64),
    MaxSegments(u32),
    Contiguous,
    MinSize(u64),
    MaxSize(u64),
    Camping(u64),
    MaxBuffers(u64),
    Heaps(Vec<&'static str>),
    Protection(&'static str),
    Locked,
    Formats(Vec<usize>),
    Stride(u64),
    RowsAlign(u64),
    MaxStride(u64),
    Exact(u64),
}

fn says() -> impl Strategy<Value = Says> {
    prop_oneof![
        (0_u64..4, 1_u64..4).prop_map(|(first, more)| Says::Window(first * GIB, (first + more) * GIB)),
        (1_u32..5).prop_map(Says::MaxSegments),
        Just(Says::Contiguous),
        (1_u64..9).prop_map(|size| Says::MinSize(size << 16)),
        (1_u64..9).prop_map(|size| Says::MaxSize(size << 16)),
        (1_u64..30).prop_map(Says::Camping),
        (1_u64..60).prop_map(Says::MaxBuffers),
        subsequence(vec!["cma-high", "cma-low", "system"], 1..3).prop_map(Says::Heaps),
        prop_oneof![Just("none"), Just("secure")].prop_map(Says::Protection),
        Just(Says::Locked),
        subsequence(vec![0, 1, 2], 1..4).prop_map(Says::Formats),
        (0_u32..9).prop_map(|power| Says::Stride(1 << power)),
        (1_u64..40).prop_map(Says::RowsAlign),
        (200_u64..2000).prop_map(Says::MaxStride),
        (4_u32..10).prop_map(|power| Says::Exact(1 << power)),
    ]
}

/// A participant that makes sense by itself, if its statements do.
fn participant(id: u64, optional: bool, statements: &[Says]) -> Option<Participant> {
    let mut dma = DmaLimits::builder();
    let mut builder = Constraints::builder();
    let (mut image, mut plane, mut formats) = (Record::new(), Record::new(), None);
    for says in statements {
        match says.clone() {
            Says::Window(first, end) => dma = dma.windows([first..=end - 1]),
            Says::MaxSegments(most) => dma = dma.max_segments(most),
            Says::Contiguous => dma = dma.contiguous(),
            Says::MinSize(size) => builder = builder.with(key::MIN_SIZE, Bytes(size)),
            Says::MaxSize(size) => builder = builder.with(key::MAX_SIZE, Bytes(size)),
            Says::Camping(count) => builder = builder.with(key::CAMPING, Buffers(count)),
            Says::MaxBuffers(count) => builder = builder.with(key::MAX_BUFFERS, Buffers(count)),
            Says::Heaps(names) => builder = builder.with(key::HEAPS, names.into_iter().collect::<Names>()),
            Says::Protection(scheme) => builder = builder.with(key::PROTECTION, scheme.into()),
            Says::Locked => builder = builder.with(key::LOCKED, ()),
            Says::Formats(listed) => formats = Some(listed),
            Says::Stride(align) => plane = plane.with(key::STRIDE_ALIGN, Bytes(align)),
            Says::RowsAlign(rows) => image = image.with(key::ROWS_ALIGN, Rows(rows)),
            Says::MaxStride(most) => plane = plane.with(key::MAX_STRIDE, Bytes(most)),
            Says::Exact(align) => {
                let rules: Rules = [StrideRule::RoundUp(align)].into_iter().collect();
                plane = plane.with(key::STRIDE_RULES, rules);
            }
        }
    }
    for number in formats.into_iter().flatten() {
        let (fourcc, modifier) = [
            (Fourcc::NV12, Modifier::LINEAR),
            (Fourcc::NV12, TILED),
            (Fourcc::XRGB8888, Modifier::LINEAR),
        ][number];
        let key = FormatKey {
            fourcc: Some(fourcc),
            tiling: Some(Tiling::Explicit(modifier)),
        };
        let size = Size {
            width: 320,
            height: 200,
        };
        let sizes = [size].into_iter().collect();
        let format = ImageConstraints::of(key)
            .image(image.clone().with(key::REQUIRED_SIZES, sizes))
            .every_plane(plane.clone());
        builder = builder.image(format);
    }
    let constraints = builder.dma(dma.build().ok()?).build().ok()?;
    let mut participant = Participant::new(ParticipantId(id), &format!("p{id}"));
    if optional {
        participant.presence = Presence::Optional { priority: 3 };
    }
    participant
        .function(Function::new("use", constraints))
        .checked()
        .ok()
}

fn set() -> impl Strategy<Value = Vec<Participant>> {
    let one = (any::<bool>(), prop::collection::vec(says(), 1..4));
    prop::collection::vec(one, 2..7).prop_map(|all| {
        let participants = (1..).zip(&all);
        participants
            .filter_map(|(id, (optional, says))| participant(id, *optional, says))
            .collect()
    })
}

/// What a set is looked at in.
struct World {
    participants: Vec<Participant>,
    heaps: Vec<HeapOffer>,
    policy: Policy,
}

impl World {
    fn of(participants: &[Participant]) -> Self {
        let mut participants = participants.to_vec();
        participants.sort_by_key(|participant| participant.id);
        Self {
            participants,
            heaps: heaps(),
            policy: Policy::default(),
        }
    }

    /// Looks at the needs in their surroundings.
    fn look<T>(&self, look: impl FnOnce(&Surroundings<'_>, &Needs) -> T) -> T {
        let participants: Vec<&Participant> = self.participants.iter().collect();
        let heaps: Vec<&HeapOffer> = self.heaps.iter().collect();
        let surroundings = Surroundings {
            participants: &participants,
            heaps: &heaps,
            policy: &self.policy,
        };
        look(&surroundings, &needs_of(&participants))
    }

    /// The report if there is no plan.
    fn report(&self) -> Option<Report> {
        self.look(|surroundings, needs| {
            let together = all(needs);
            let failure = evaluate(&together, surroundings, &mut Budget::new(9)).err()?;
            let mut attempt =
                |needs: &Needs, budget: &mut Budget| match evaluate(&all(needs), surroundings, budget) {
                    Ok(_) => Ok(true),
                    Err(failure) if failure.kind == FailureKind::Budget => Err(Ended),
                    Err(_) => Ok(false),
                };
            Some(report(
                surroundings,
                needs,
                &[(together, failure)],
                1,
                &mut attempt,
            ))
        })
    }
}

fn all(needs: &Needs) -> Vec<&Need> {
    let speakers: Vec<_> = needs.speakers().collect();
    speakers.into_iter().flat_map(|who| needs.of(who)).collect()
}

/// Says whether needs can be had together, or whether somebody only has to say more.
///
/// Of a size that nobody states, one byte is enough to know.
fn holds(needs: &[&Need], surroundings: &Surroundings<'_>) -> bool {
    let size = Need {
        who: Speaker {
            participant: 99,
            function: 0,
            alternative: 0,
        },
        path: Field::MinSize.into(),
        what: Stated::Value(Value::Bytes(1)),
    };
    let outcome =
        |needs: &[&Need]| evaluate(needs, surroundings, &mut Budget::new(9)).map_err(|failure| failure.kind);
    match outcome(needs) {
        Err(FailureKind::Underconstrained) => {
            let sized: Vec<&Need> = needs.iter().copied().chain([&size]).collect();
            matches!(outcome(&sized), Ok(_) | Err(FailureKind::Underconstrained))
        }
        outcome => outcome.is_ok(),
    }
}

fn is_of(need: &Need, surroundings: &Surroundings<'_>, who: &Blame, path: &FieldPath) -> bool {
    Blame::speaker(surroundings, need.who) == *who && need.path == *path
}

/// The needs that members of a conflict state.
fn stated<'n>(members: &[Member], needs: &'n Needs, surroundings: &Surroundings<'_>) -> Vec<&'n Need> {
    let all = all(needs);
    let is_member = |need: &&&Need| {
        let member = members
            .iter()
            .find(|member| is_of(need, surroundings, &member.who, &member.path));
        member.is_some_and(|member| member.value == need.what.value())
    };
    all.iter().filter(is_member).copied().collect()
}

/// Who needs something of formats, and does not say that it is about a list, has these on it.
fn presupposed(core: &[&Need]) -> Option<Need> {
    let formats: Vec<FormatKey> = core.iter().filter_map(|need| need.path.format.clone()).collect();
    let is_list = |need: &&Need| matches!(need.what, Stated::Formats(_));
    (!formats.is_empty() && !core.iter().any(is_list)).then(|| Need {
        who: Speaker {
            participant: 98,
            function: 0,
            alternative: 0,
        },
        path: Field::Format.into(),
        what: Stated::Formats(formats),
    })
}

fn check_conflicts(report: &Report, needs: &Needs, surroundings: &Surroundings<'_>) {
    let ReportKind::Conflict { conflicts, total } = &report.kind else {
        return;
    };
    assert!(!conflicts.is_empty() && *total >= conflicts.len());
    for conflict in conflicts {
        assert!(conflict.minimal);
        let core = stated(&conflict.members, needs, surroundings);
        let limits = conflict
            .members
            .iter()
            .filter(|member| member.who.participant.is_none())
            .count();
        assert_eq!(core.len() + limits, conflict.members.len(), "{report}");
        assert_eq!(limits > 0, conflict.origin == LimitOrigin::System, "{report}");
        let formats = presupposed(&core);
        let with_formats = |some: &[&Need]| {
            let some: Vec<&Need> = some.iter().copied().chain(&formats).collect();
            holds(&some, surroundings)
        };
        assert!(!with_formats(&core), "{report}");
        for left_out in 0..core.len() {
            let mut fewer = core.clone();
            fewer.remove(left_out);
            assert!(
                fewer.is_empty() || with_formats(&fewer),
                "{left_out} is not needed:\n{report}"
            );
        }
    }
}

/// Makes the change that a relaxation speaks of.
fn relaxed(relaxation: &Relaxation, needs: &Needs, surroundings: &Surroundings<'_>) -> Needs {
    needs.edited(|need| match relaxation {
        Relaxation::DropField { who, path } => (!is_of(need, surroundings, who, path)).then(|| need.clone()),
        Relaxation::Change { who, path, from, to } if is_of(need, surroundings, who, path) => {
            assert_eq!(need.what.value(), *from);
            let mut need = need.clone();
            need.what = with_value(&need, to);
            Some(need)
        }
        Relaxation::Without { who } => {
            let id = surroundings.participants[need.who.participant].id;
            (who.participant != Some(id)).then(|| need.clone())
        }
        Relaxation::Change { .. } | Relaxation::UseAlternative { .. } => Some(need.clone()),
    })
}

fn with_value(need: &Need, to: &Value) -> Stated {
    match (&need.what, to) {
        (Stated::Formats(_), Value::Names(names)) => {
            let formats = [
                (Fourcc::NV12, Modifier::LINEAR),
                (Fourcc::NV12, TILED),
                (Fourcc::XRGB8888, Modifier::LINEAR),
            ]
            .map(|(fourcc, modifier)| FormatKey {
                fourcc: Some(fourcc),
                tiling: Some(Tiling::Explicit(modifier)),
            });
            let named = formats
                .into_iter()
                .filter(|format| names.contains(&format.to_string()));
            Stated::Formats(named.collect())
        }
        (_, value) => Stated::Value(value.clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_conflict_fails_and_holds_without_any_one_member(participants in set()) {
        let world = World::of(&participants);
        if let Some(report) = world.report() {
            world.look(|surroundings, needs| check_conflicts(&report, needs, surroundings));
        }
    }

    #[test]
    fn every_way_out_is_one(participants in set()) {
        let world = World::of(&participants);
        if let Some(report) = world.report() {
            world.look(|surroundings, needs| {
                for relaxation in &report.relaxations {
                    let needs = relaxed(relaxation, needs, surroundings);
                    let outcome = evaluate(&all(&needs), surroundings, &mut Budget::new(9));
                    assert!(outcome.is_ok(), "{relaxation:?} does not help:\n{report}");
                }
            });
        }
    }

    #[test]
    fn every_format_that_was_removed_is_removed_by_the_members_and_by_nobody_else(participants in set()) {
        let world = World::of(&participants);
        let Some(report) = world.report() else {
            return Ok(());
        };
        world.look(|surroundings, needs| {
            for elimination in &report.eliminated {
                let core = stated(&elimination.members, needs, surroundings);
                assert_eq!(core.len(), elimination.members.len());
                assert!(!core.is_empty());
            }
        });
    }

    #[test]
    fn the_order_of_joining_changes_nothing(participants in set(), seed in any::<u64>()) {
        let mut others = participants.clone();
        others.sort_by_key(|participant| (participant.id.0).wrapping_mul(seed | 1).rotate_left(17));
        prop_assert_eq!(World::of(&participants).report(), World::of(&others).report());
    }
}
