//! Lets those who are late join, one after the other.

use wharf_core::negotiation::{Choice, Ledger, Participant, Plan, Presence, Problem, SetFile};
use wharf_core::set::{Joining, Late, Negotiator, Solver};

use super::outcome::{Arrival, End};

/// The memory that there is, and who has it.
struct Running<'a> {
    set: &'a SetFile,
    members: Vec<Participant>,
    plan: Plan,
    ledger: Ledger,
    choices: Vec<Choice>,
}

/// What becomes of everybody who is late in a set that begins with a plan.
pub(super) fn arrivals(set: &SetFile, plan: &Plan) -> Vec<Arrival> {
    let members = set.participants().iter();
    let mut running = Running {
        set,
        members: members
            .filter(|one| !plan.dropped.contains(&one.id))
            .map(staying)
            .collect(),
        plan: plan.clone(),
        ledger: plan.ledger.clone(),
        choices: plan.choices.clone(),
    };
    let arrivals = set.late().iter().map(|newcomer| Arrival {
        participant: newcomer.id,
        label: newcomer.label.clone(),
        end: running.receive(newcomer),
    });
    arrivals.collect()
}

impl Running<'_> {
    fn receive(&mut self, newcomer: &Participant) -> End {
        // Room was made for it by its name: now it is there.
        let expected = |one: &Participant| one.presence == Presence::Phantom && one.label == newcomer.label;
        let phantom = self.members.iter().find(|one| expected(one)).map(|one| one.id);
        let others: Vec<Participant> = self
            .members
            .iter()
            .filter(|one| Some(one.id) != phantom)
            .cloned()
            .collect();
        let mut ledger = self.ledger.clone();
        ledger.entries.retain(|entry| Some(entry.participant) != phantom);
        let newcomer = staying(newcomer);
        let heaps = self.plan.memories.iter();
        let heaps: Vec<_> = heaps.filter_map(|memory| memory.heaps.first().cloned()).collect();
        let joined = Negotiator.join(&Late {
            newcomer: &newcomer,
            plan: &self.plan,
            heaps: &heaps,
            choices: &self.choices,
            ledger: &ledger,
            others: Problem {
                participants: &others,
                ..self.set.problem()
            },
            holders: &[],
            policy: self.set.late_policy(),
        });
        let end = match joined {
            Ok(Joining::Fits { ledger, choices }) => {
                self.choices.extend(choices);
                self.ledger = ledger.clone();
                End::Fits { ledger }
            }
            Ok(Joining::Move { plan, misfit }) => {
                self.ledger = plan.ledger.clone();
                self.choices = plan.choices.clone();
                self.plan = (*plan).clone();
                End::Moves { misfit, plan }
            }
            Err(report) => return End::Refused { report },
        };
        self.members = others;
        self.members.push(newcomer);
        end
    }
}

/// Who has memory keeps it: nobody is left out for somebody who comes later.
fn staying(participant: &Participant) -> Participant {
    let presence = match participant.presence {
        Presence::Phantom => Presence::Phantom,
        _ => Presence::Required,
    };
    participant.clone().presence(presence)
}
