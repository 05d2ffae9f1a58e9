//! Which alternatives, and which of the optional participants.
//!
//! The best is found, in this order: (a) optional participants are kept, those of higher priority first and of equal ones those of lower
//! numbers; (b) the summed cost of alternatives is small; (c) the heaps asked first are not scarce; (d) all buffers together are small;
//! (e) alternatives are what functions declare as better, and then formats are, participants in the order of their numbers.
//!
//! More needs never make anything better, so that what a part of the alternatives comes to bounds what all do: a branch that cannot
//! be better than the best so far is not followed.

use std::cmp::Reverse;

use super::Presence;
use super::evaluate::{Asked, Budget, Failure, FailureKind, Merged, points};
use super::needs::{Needs, Speaker, Surroundings, work};

/// How many combinations that failed are kept for the report.
const KEPT: usize = 256;

/// How many needs those have together at most: of large sets, fewer combinations are kept.
const KEPT_NEEDS: usize = 1 << 16;

/// The best combination.
#[derive(Debug)]
pub(super) struct Found {
    /// One alternative of each function of those who take part, in order.
    pub(super) chosen: Vec<Speaker>,
    /// Whom the set does without, in order: indices.
    pub(super) dropped: Vec<usize>,
}

/// A combination, or the beginning of one, that failed.
pub(super) type Failed = (Vec<Speaker>, Failure);

/// Finds the best combination.
///
/// # Errors
/// The combinations of those who have to be there, all of which failed; or the one at which the budget ended.
pub(super) fn search(
    needs: &Needs,
    surroundings: &Surroundings<'_>,
    budget: &mut Budget,
) -> Result<Found, Vec<Failed>> {
    let mut search = Search {
        needs,
        surroundings,
        budget,
        failed: Vec::new(),
    };
    // What is merged anyhow is no search, but takes its time if it is much.
    if let Err(failure) = search.budget.spend(work(needs.all())) {
        return Err(vec![(Vec::new(), failure)]);
    }
    match search.best() {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(search.failed),
        Err(failure) => Err(vec![(Vec::new(), failure)]),
    }
}

struct Search<'s, 'a> {
    needs: &'s Needs,
    surroundings: &'s Surroundings<'a>,
    budget: &'s mut Budget,
    failed: Vec<Failed>,
}

/// Participants, with what they come to as far as there is no choice.
#[derive(Clone, Default)]
struct Base {
    merged: Merged,
    forced: Vec<Speaker>,
    /// The alternatives of each function that has several, the cheapest first.
    choices: Vec<Vec<Speaker>>,
}

/// How good a combination is; less is better.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    cost: u64,
    scarcity: u64,
    total_bytes: u64,
    /// The alternatives of functions that have several, participants in the order of their numbers.
    declared: Vec<usize>,
}

/// What is known while choices are gone through.
struct Tree<'b> {
    base: &'b Base,
    goal: Goal,
    /// How many choices there are.
    choices: usize,
    /// What is chosen so far.
    chosen: Vec<Speaker>,
    best: Option<(Worth, Vec<Speaker>)>,
}

/// A choice that is being gone through.
struct Frame {
    merged: Merged,
    cost: u64,
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Any combination will do: whether there is one.
    Any,
    Best,
}

impl Search<'_, '_> {
    /// The best combination; `None` if all have failed.
    fn best(&mut self) -> Result<Option<Found>, Failure> {
        let participants = self.surroundings.participants;
        let (required, mut optional): (Vec<usize>, Vec<usize>) =
            (0..participants.len()).partition(|index| participants[*index].presence == Presence::Required);
        optional.sort_by_key(|index| (Reverse(priority(participants[*index].presence)), *index));
        let Some(base) = self.of_all(&required)? else {
            return Ok(None);
        };
        let (base, dropped) = self.with_optional(base, &optional)?;
        let best = self.descend(&base, Goal::Best)?;
        Ok(best.map(|mut chosen| {
            chosen.extend(&base.forced);
            chosen.sort_unstable();
            Found { chosen, dropped }
        }))
    }

    /// Adds the optional participants that can be kept. That more are tried than fit is no failure.
    fn with_optional(&mut self, base: Base, optional: &[usize]) -> Result<(Base, Vec<usize>), Failure> {
        if optional.is_empty() {
            return Ok((base, Vec::new()));
        }
        let mut all = base.clone();
        let together = optional
            .iter()
            .try_for_each(|index| self.add(&mut all, *index))
            .is_ok();
        if together && self.is_possible(&all)? {
            return Ok((all, Vec::new()));
        }
        if !self.is_possible(&base)? {
            return Ok((base, optional.to_vec()));
        }
        let (mut kept, mut dropped) = (base, Vec::new());
        for &index in optional {
            let functions = self.surroundings.participants[index].functions.len();
            let options = (0..functions).flat_map(|function| self.options(index, function));
            let needs = options.flat_map(|option| self.needs.of(option));
            self.budget.spend(1 + work(needs))?;
            let mut more = kept.clone();
            if self.add(&mut more, index).is_ok() && self.is_possible(&more)? {
                kept = more;
            } else {
                dropped.push(index);
            }
        }
        dropped.sort_unstable();
        Ok((kept, dropped))
    }

    fn is_possible(&mut self, base: &Base) -> Result<bool, Failure> {
        let known = self.failed.len();
        let any = self.descend(base, Goal::Any)?.is_some();
        self.failed.truncate(known);
        Ok(any)
    }

    /// Those who have to be there; `None` if they fail without any choice.
    fn of_all(&mut self, participants: &[usize]) -> Result<Option<Base>, Failure> {
        let mut base = Base::default();
        for &index in participants {
            if let Err(failure) = self.add(&mut base, index) {
                let forced = |speaker: &Speaker| {
                    participants.binary_search(&speaker.participant).is_ok()
                        && self.options(speaker.participant, speaker.function).len() == 1
                };
                let all = self.needs.speakers().filter(forced).collect();
                self.failed.push((all, failure));
                return Ok(None);
            }
        }
        Ok(Some(base))
    }

    /// Adds a participant: what it states anyhow, and its choices.
    fn add(&mut self, base: &mut Base, participant: usize) -> Result<(), Failure> {
        let functions = self.surroundings.participants[participant].functions.len();
        for function in 0..functions {
            let options = self.options(participant, function);
            if let [only] = options[..] {
                base.merged.add(self.needs.of(only).iter(), self.surroundings)?;
                base.forced.push(only);
            } else {
                let place = base
                    .choices
                    .partition_point(|other| other.first() < options.first());
                base.choices.insert(place, options);
            }
        }
        Ok(())
    }

    /// The alternatives of a function, as declared.
    fn options(&self, participant: usize, function: usize) -> Vec<Speaker> {
        let declared = &self.surroundings.participants[participant].functions[function].alternatives;
        let speaker = |alternative| Speaker {
            participant,
            function,
            alternative,
        };
        (0..declared.len()).map(speaker).collect()
    }

    fn cost(&self, who: Speaker) -> u64 {
        let function = &self.surroundings.participants[who.participant].functions[who.function];
        function.alternatives[who.alternative].cost.into()
    }

    /// Goes through the choices, depth first. Returns those of the best combination, or of any.
    fn descend(&mut self, base: &Base, goal: Goal) -> Result<Option<Vec<Speaker>>, Failure> {
        let mut choices = base.choices.clone();
        for options in &mut choices {
            options.sort_by_key(|option| (self.cost(*option), option.alternative));
        }
        let rest = self.cheapest_rest(&choices);
        let mut tree = Tree {
            base,
            goal,
            choices: choices.len(),
            chosen: Vec::new(),
            best: None,
        };
        if self.worth(&tree, &base.merged, rest[0])?.is_none() {
            return Ok(None);
        }
        let mut frames = vec![Frame {
            merged: base.merged.clone(),
            cost: 0,
            next: 0,
        }];
        while let Some(frame) = frames.last_mut() {
            let depth = tree.chosen.len();
            if depth == choices.len() {
                return Ok(Some(tree.chosen));
            }
            let next = choices[depth].get(frame.next).copied();
            let within = next.map(|option| (option, frame.cost.saturating_add(self.cost(option))));
            frame.next += 1;
            // Alternatives are in the order of their costs: those that follow are no better.
            let Some((option, cost)) =
                within.filter(|(_, cost)| tree.is_worth(cost.saturating_add(rest[depth + 1])))
            else {
                frames.pop();
                tree.chosen.pop();
                continue;
            };
            let merged = frame.merged.clone();
            let least = cost.saturating_add(rest[depth + 1]);
            let Some((merged, worth)) = self.step(&mut tree, merged, option, least)? else {
                continue;
            };
            if depth + 1 < choices.len() || goal == Goal::Any {
                tree.chosen.push(option);
                frames.push(Frame {
                    merged,
                    cost,
                    next: 0,
                });
            } else {
                let mut chosen = tree.chosen.clone();
                chosen.push(option);
                tree.best = Some((worth, chosen));
            }
        }
        Ok(tree.best.map(|(_, chosen)| chosen))
    }

    /// Adds one more alternative. `None` if that fails, or cannot be better than the best so far.
    fn step(
        &mut self,
        tree: &mut Tree<'_>,
        mut merged: Merged,
        option: Speaker,
        least: u64,
    ) -> Result<Option<(Merged, Worth)>, Failure> {
        self.budget.spend(1 + work(self.needs.of(option)))?;
        tree.chosen.push(option);
        let worth = match merged.add(self.needs.of(option).iter(), self.surroundings) {
            Ok(()) => self.worth(tree, &merged, least),
            Err(failure) => {
                self.note(tree, failure);
                Ok(None)
            }
        };
        tree.chosen.pop();
        let is_better = |worth: &Worth| tree.best.as_ref().is_none_or(|(best, _)| worth < best);
        Ok(worth?.filter(is_better).map(|worth| (merged, worth)))
    }

    /// The least that the choices from each on can cost.
    fn cheapest_rest(&self, choices: &[Vec<Speaker>]) -> Vec<u64> {
        let mut rest = vec![0_u64; choices.len() + 1];
        for (index, options) in choices.iter().enumerate().rev() {
            let cheapest = options.first().map_or(0, |option| self.cost(*option));
            rest[index] = rest[index + 1].saturating_add(cheapest);
        }
        rest
    }

    /// How good the beginning of a combination is at best; `None` if it fails.
    ///
    /// Where somebody still has to say something, anything is possible, but for a combination that is complete: it fails, unless the
    /// question is whether there is any, as others may say it.
    fn worth(&mut self, tree: &Tree<'_>, merged: &Merged, cost: u64) -> Result<Option<Worth>, Failure> {
        self.budget.spend(merged.work())?;
        let is_complete = tree.chosen.len() == tree.choices;
        let asked = if is_complete { Asked::Best } else { Asked::Bound };
        let is_open = !is_complete || tree.goal == Goal::Any;
        let (scarcity, total_bytes) = match points(merged, self.surroundings, asked) {
            Ok(points) => (points[0].scarcity, points[0].total_bytes),
            Err(failure) if failure.kind == FailureKind::Underconstrained && is_open => (0, 0),
            Err(failure) => {
                self.note(tree, failure);
                return Ok(None);
            }
        };
        let mut declared: Vec<usize> = tree.chosen.iter().map(|speaker| speaker.alternative).collect();
        declared.resize(tree.choices, 0);
        Ok(Some(Worth {
            cost,
            scarcity,
            total_bytes,
            declared,
        }))
    }

    fn note(&mut self, tree: &Tree<'_>, failure: Failure) {
        let most = (KEPT_NEEDS / self.needs.all().len().max(1)).clamp(1, KEPT);
        if self.failed.len() < most {
            let mut all = tree.base.forced.clone();
            all.extend(&tree.chosen);
            all.sort_unstable();
            self.failed.push((all, failure));
        }
    }
}

impl Tree<'_> {
    /// Whether something that costs so much can be the best.
    fn is_worth(&self, cost: u64) -> bool {
        self.best.as_ref().is_none_or(|(best, _)| cost <= best.cost)
    }
}

fn priority(presence: Presence) -> u32 {
    match presence {
        Presence::Required => u32::MAX,
        Presence::Optional { priority } => priority,
        Presence::Phantom => 0,
    }
}
