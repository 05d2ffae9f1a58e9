//! What suits everybody, or the reason why nothing does.

use super::blame::{self, Ended};
use super::evaluate::{Budget, Failure, FailureKind, evaluate, with_names};
use super::needs::{Need, Needs, Speaker, Surroundings, needs_of};
use super::search::{Failed, Found, search};
use super::{
    Blame, Choice, HeapAnswer, HeapOffer, InvalidParticipant, Participant, Plan, Problem, Report, ReportKind,
    explain, validate,
};

/// Which part of the merges that the policy allows may be spent to say what a plan does without.
const EXPLAINING: u64 = 8;

/// Works out what suits everybody: one exact layout, one kind of memory, one number of buffers.
///
/// The same problem has the same plan, and the same report, in whatever order participants and heaps are given. Of all that suits, the best
/// is chosen, in this order:
///
/// 1. optional participants are kept, those of higher priority first, and of equal ones those of lower numbers;
/// 2. the alternatives of all functions cost little together;
/// 3. the memory is from heaps that have enough, and are not scarce;
/// 4. all buffers together are small;
/// 5. alternatives, and after them formats, are those that participants declare first, participants in the order of their numbers.
///
/// It does not block; the policy's budget bounds how long it takes.
///
/// # Errors
/// The [`Report`] with its [`errno`](Report::errno): EINVAL, EOPNOTSUPP, ENODEV or E2BIG.
///
/// # Examples
/// ```
/// use wharf_core::constraints::{Buffers, Bytes, Constraints, ImageConstraints, Record, Rows, Size, key};
/// use wharf_core::layout::{Fourcc, Modifier};
/// use wharf_core::negotiation::{Function, HeapOffer, Guarantees, Participant, ParticipantId, Policy, Problem, solve};
///
/// let nv12 = || ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR);
/// let sizes = [Size { width: 1920, height: 1080 }].into_iter().collect();
/// let camera = Constraints::builder()
///     .image(nv12().image(Record::new().with(key::REQUIRED_SIZES, sizes)))
///     .with(key::CAMPING, Buffers(4))
///     .build()?;
/// let encoder = Constraints::builder()
///     .image(nv12().image(Record::new().with(key::ROWS_ALIGN, Rows(16))))
///     .with(key::CAMPING, Buffers(3))
///     .build()?;
/// let participants = [
///     Participant::new(ParticipantId(1), "camera").function(Function::new("capture", camera)),
///     Participant::new(ParticipantId(2), "encoder").function(Function::new("encode", encoder)),
/// ];
/// let heaps = [HeapOffer { name: "system".into(), guarantees: Guarantees::default(), cost: 0, capacity_bytes: None }];
/// let policy = Policy::default();
/// let plan = solve(&Problem { participants: &participants, heaps: &heaps, policy: &policy })?;
/// assert_eq!((plan.size_bytes(), plan.count()), (1920 * 1088 * 3 / 2, 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// Contract: N1, N2, N3. Reference 4.3.
pub fn solve(problem: &Problem<'_>) -> Result<Plan, Box<Report>> {
    let mut participants: Vec<&Participant> = problem.participants.iter().collect();
    participants.sort_by_key(|participant| (participant.id, &participant.label));
    let mut heaps: Vec<&HeapOffer> = problem.heaps.iter().collect();
    heaps.sort_by(|one, other| one.name.cmp(&other.name));
    let surroundings = Surroundings {
        participants: &participants,
        heaps: &heaps,
        policy: problem.policy,
    };
    check(&surroundings, problem.heaps)?;
    let needs = needs_of(&participants);
    let mut budget = budget(&surroundings);
    match search(&needs, &surroundings, &mut budget) {
        Ok(found) => planned(&surroundings, &needs, &found, budget),
        Err(failed) => Err(refused(&surroundings, &needs, failed, budget.spent())),
    }
}

/// Finds another plan when all heaps of the last one had no memory. Heaps that have refused are not asked again, so that alternatives,
/// formats or optional participants may change for it.
///
/// `trail` is what heaps have answered, from the first plan on.
///
/// # Errors
/// [`ReportKind::NoMemory`], ENOMEM: no other plan exists. Its trail says what each heap answered, and why the others do not suit.
/// Contract: N4; reference 4.3.6.
pub fn next_best(problem: &Problem<'_>, trail: &[HeapAnswer]) -> Result<Plan, Box<Report>> {
    let left = left_to_ask(problem.heaps, trail);
    let without = Problem {
        heaps: &left,
        ..*problem
    };
    solve(&without).map_err(|report| {
        Box::new(Report {
            kind: no_memory(trail.to_vec(), Some(report.kind)),
            relaxations: Vec::new(),
            eliminated: report.eliminated,
            merges: report.merges,
        })
    })
}

/// The heaps that have not refused yet.
pub(crate) fn left_to_ask(heaps: &[HeapOffer], trail: &[HeapAnswer]) -> Vec<HeapOffer> {
    let has_refused = |heap: &HeapOffer| {
        trail
            .iter()
            .any(|answer| matches!(answer, HeapAnswer::Refused { heap: name, .. } if *name == heap.name))
    };
    heaps.iter().filter(|heap| !has_refused(heap)).cloned().collect()
}

/// What is the matter when heaps have refused and the others do not do, as the report on those says.
pub(crate) fn no_memory(mut trail: Vec<HeapAnswer>, others: Option<ReportKind>) -> ReportKind {
    if let Some(ReportKind::NoHeap { heaps }) = others {
        trail.extend(heaps.into_iter().map(HeapAnswer::Unsuitable));
    }
    ReportKind::NoMemory { trail }
}

/// Merges without a choice are not search: they do not count, as long as they are not most of the work.
fn budget(surroundings: &Surroundings<'_>) -> Budget {
    let participants = surroundings.participants.iter();
    let functions: u64 = participants
        .map(|participant| participant.functions.len() as u64)
        .sum();
    let most = surroundings.policy.max_merges;
    Budget::new(most.saturating_add(functions.min(most / 2)))
}

/// What makes no sense by itself; of several, whoever has the lowest number.
fn check(surroundings: &Surroundings<'_>, heaps: &[HeapOffer]) -> Result<(), Box<Report>> {
    let invalid = |who: Blame, reason: String| {
        let reason = reason.into();
        Box::new(Report::from(ReportKind::Invalid { who, reason }))
    };
    let mut before = None;
    for (index, one) in surroundings.participants.iter().enumerate() {
        let who = || Blame::participant(surroundings, index);
        validate::participant(one).map_err(|error| invalid(who(), error.to_string()))?;
        if before.replace(one.id) == Some(one.id) {
            let error = InvalidParticipant::SameId { id: one.id.0 };
            return Err(invalid(who(), error.to_string()));
        }
    }
    validate::heaps(heaps).map_err(|error| invalid(blame::the_system(), error.to_string()))
}

fn planned(
    surroundings: &Surroundings<'_>,
    needs: &Needs,
    found: &Found,
    mut budget: Budget,
) -> Result<Plan, Box<Report>> {
    let stated = stated(needs, &found.chosen);
    let point = match evaluate(&stated, surroundings, &mut budget) {
        Ok(point) => point,
        Err(failure) => {
            let failed = vec![(found.chosen.clone(), failure)];
            return Err(refused(surroundings, needs, failed, budget.spent()));
        }
    };
    let format = point.image.as_ref().map(|image| &image.format);
    let reasons = explain::reasons(surroundings, &stated, format);
    let mut explaining = Budget::new(surroundings.policy.max_merges / EXPLAINING);
    let eliminated = blame::eliminations(surroundings, needs, &found.chosen, &mut explaining);
    Ok(Plan {
        participants: explain::participants(surroundings),
        image: point.image,
        memories: point.memories,
        ledger: point.ledger,
        choices: found
            .chosen
            .iter()
            .filter_map(|who| choice(surroundings, *who))
            .collect(),
        dropped: found
            .dropped
            .iter()
            .map(|index| surroundings.participants[*index].id)
            .collect(),
        sync: point.sync,
        reasons,
        eliminated,
        merges: budget.spent() + explaining.spent(),
    })
}

fn choice(surroundings: &Surroundings<'_>, who: Speaker) -> Option<Choice> {
    let participant = surroundings.participants.get(who.participant)?;
    let function = participant.functions.get(who.function)?;
    Some(Choice {
        participant: participant.id,
        function: function.name.clone(),
        alternative: function.alternatives.get(who.alternative)?.label.clone(),
    })
}

fn stated<'n>(needs: &'n Needs, chosen: &[Speaker]) -> Vec<&'n Need> {
    chosen.iter().flat_map(|speaker| needs.of(*speaker)).collect()
}

/// The report on combinations that all failed.
fn refused(surroundings: &Surroundings<'_>, needs: &Needs, failed: Vec<Failed>, spent: u64) -> Box<Report> {
    let failed: Vec<(Vec<&Need>, Failure)> = failed
        .into_iter()
        .map(|(chosen, failure)| {
            let stated = stated(needs, &chosen);
            let failure = with_names(failure, &stated, surroundings);
            (stated, failure)
        })
        .collect();
    let mut attempt = |edited: &Needs, budget: &mut Budget| match search(edited, surroundings, budget) {
        Ok(_) => Ok(true),
        Err(failed)
            if failed
                .iter()
                .any(|(_, failure)| failure.kind == FailureKind::Budget) =>
        {
            Err(Ended)
        }
        Err(_) => Ok(false),
    };
    Box::new(blame::report(surroundings, needs, &failed, spent, &mut attempt))
}
