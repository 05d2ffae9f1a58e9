//! What was possible until somebody removed it, and the fewest who did.

use std::collections::BTreeSet;

use super::core::core_of;
use super::judging::{Counted, NOBODY, failure_of, judge, rank};
use crate::constraints::{Field, FormatKey, Value};
use crate::negotiation::evaluate::{Budget, evaluate};
use crate::negotiation::needs::{Need, Needs, Speaker, Stated, Surroundings};
use crate::negotiation::{Blame, Eliminated, Elimination, Member};

/// What a plan does without, though it is better: formats, alternatives, heaps and optional participants that somebody removed.
///
/// `chosen` are the alternatives of the plan. Contract: N3.
pub(in crate::negotiation) fn eliminations(
    surroundings: &Surroundings<'_>,
    needs: &Needs,
    chosen: &[Speaker],
    budget: &mut Budget,
) -> Vec<Elimination> {
    let mut trial = Trial { surroundings, budget };
    let together: Vec<&Need> = chosen.iter().flat_map(|speaker| needs.of(*speaker)).collect();
    let mut all = trial.formats(&together);
    all.extend(trial.alternatives(needs, chosen));
    all.extend(trial.heaps(&together));
    all.extend(trial.participants(needs, chosen));
    all
}

/// Formats that somebody listed and somebody removed, of needs that fail for other reasons, too.
pub(in crate::negotiation) fn formats_removed(
    surroundings: &Surroundings<'_>,
    together: &[&Need],
    budget: &mut Budget,
) -> Vec<Elimination> {
    let pictures: Vec<&Need> = together
        .iter()
        .filter(|need| is_of_picture(need))
        .copied()
        .collect();
    Trial { surroundings, budget }.formats(&pictures)
}

fn is_of_picture(need: &Need) -> bool {
    need.path.format.is_some() || matches!(need.what, Stated::Formats(_))
}

struct Trial<'t, 's> {
    surroundings: &'t Surroundings<'s>,
    budget: &'t mut Budget,
}

impl Trial<'_, '_> {
    fn formats(&mut self, together: &[&Need]) -> Vec<Elimination> {
        let mut formats: Vec<&FormatKey> = Vec::new();
        for need in together {
            if let Stated::Formats(listed) = &need.what {
                let new: Vec<&FormatKey> = listed
                    .iter()
                    .filter(|format| format.is_concrete() && !formats.contains(format))
                    .collect();
                formats.extend(new);
            }
        }
        let mut all = Vec::new();
        for format in formats {
            let only = Need {
                who: NOBODY,
                path: Field::Format.into(),
                what: Stated::Formats(vec![format.clone()]),
            };
            all.extend(self.removed(Eliminated::Format(format.clone()), together, &[&only]));
        }
        all
    }

    /// Heaps that do not suit, for the size that the buffer has.
    fn heaps(&mut self, together: &[&Need]) -> Vec<Elimination> {
        let Ok(point) = evaluate(together, self.surroundings, self.budget) else {
            return Vec::new();
        };
        let sizes = point.memories.iter().map(|memory| memory.size_bytes);
        let size = Need {
            who: NOBODY,
            path: Field::MinSize.into(),
            what: Stated::Value(Value::Bytes(sizes.max().unwrap_or(1))),
        };
        let all: Vec<&Need> = together.iter().copied().chain([&size]).collect();
        let bare: Vec<&Need> = all.iter().filter(|need| !is_of_picture(need)).copied().collect();
        let heaps = self.surroundings.heaps.iter().filter_map(|heap| {
            let surroundings = Surroundings {
                heaps: &[*heap],
                ..*self.surroundings
            };
            let mut trial = Trial {
                surroundings: &surroundings,
                budget: self.budget,
            };
            let what = Eliminated::Heap(heap.name.clone());
            // The size is known: mostly it does not matter why it is what it is.
            trial
                .removed(what.clone(), &bare, &[])
                .or_else(|| trial.removed(what, &all, &[]))
        });
        heaps.collect()
    }

    /// Alternatives declared before the one that was chosen.
    fn alternatives(&mut self, needs: &Needs, chosen: &[Speaker]) -> Vec<Elimination> {
        let mut all = Vec::new();
        for speaker in chosen.iter().filter(|speaker| speaker.alternative > 0) {
            let others = chosen.iter().filter(|other| *other != speaker);
            let others: Vec<&Need> = others.flat_map(|other| needs.of(*other)).collect();
            for alternative in 0..speaker.alternative {
                let better = Speaker {
                    alternative,
                    ..*speaker
                };
                let who = Blame::speaker(self.surroundings, better);
                let tried: Vec<&Need> = needs.of(better).iter().collect();
                all.extend(self.removed(Eliminated::Alternative { who }, &others, &tried));
            }
        }
        all
    }

    /// Participants that the plan does without.
    fn participants(&mut self, needs: &Needs, chosen: &[Speaker]) -> Vec<Elimination> {
        let together: Vec<&Need> = chosen.iter().flat_map(|speaker| needs.of(*speaker)).collect();
        let takes_part: BTreeSet<usize> = chosen.iter().map(|speaker| speaker.participant).collect();
        let mut all = Vec::new();
        for participant in 0..self.surroundings.participants.len() {
            if takes_part.contains(&participant) {
                continue;
            }
            let best = needs
                .speakers()
                .filter(|speaker| speaker.participant == participant && speaker.alternative == 0);
            let tried: Vec<&Need> = best.flat_map(|speaker| needs.of(speaker)).collect();
            let who = Blame::participant(self.surroundings, participant);
            all.extend(self.removed(Eliminated::Participant { who }, &together, &tried));
        }
        all
    }

    /// The fewest needs that remove something: with those that are `tried`, if there are any. `None` if it is possible, or impossible
    /// whatever is tried, or if the budget has ended.
    fn removed(&mut self, what: Eliminated, together: &[&Need], tried: &[&Need]) -> Option<Elimination> {
        let all: Vec<&Need> = together.iter().chain(tried).copied().collect();
        let failure = failure_of(&all, self.surroundings, self.budget).ok()??;
        let ranks = rank(self.surroundings);
        let core = core_of(
            &all,
            &failure.path,
            &ranks,
            &mut judge(Counted::All, self.surroundings, self.budget),
        )
        .items;
        let by_others = tried.is_empty();
        let tried = |need: &&&Need| {
            tried
                .iter()
                .any(|one| one.who == need.who && one.path == need.path)
        };
        if !by_others && !core.iter().any(|need| tried(&need)) {
            return None;
        }
        let path = match failure_of(&core, self.surroundings, self.budget) {
            Ok(Some(failure)) => failure.path,
            Ok(None) | Err(_) => failure.path,
        };
        let members = core.iter().filter(|need| need.who != NOBODY);
        Some(Elimination {
            what,
            path: *path,
            members: members.map(|need| Member::of(self.surroundings, need)).collect(),
        })
    }
}
