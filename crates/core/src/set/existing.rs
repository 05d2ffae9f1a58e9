//! Buffers that are there already: sets made around them, and whether a set could do with them.

use super::machine::{Generation, Phase};
use super::{Joining, Late, LatePolicy, SetConfig, SetError, SetMachine, Solver};
use crate::negotiation::{Ledger, Plan, Report};

impl SetMachine {
    /// Makes a set of buffers that there are already: generation 1. Whoever takes part has to suit them, and they never move.
    ///
    /// `buffers` says what they are like; of the heaps of each memory the first is the one it is from. Nobody counts on any of them
    /// yet, and [`Order::Allocate`](super::Order::Allocate) is not given.
    ///
    /// # Errors
    /// As [`SetMachine::new`].
    ///
    /// # References
    /// fuchsia.sysmem2 `must_match_vmo`.
    pub fn around(config: SetConfig, solver: Box<dyn Solver>, buffers: Plan) -> Result<Self, SetError> {
        let config = SetConfig {
            late: LatePolicy::Refuse,
            ..config
        };
        let mut set = Self::new(config, solver)?;
        set.current = Some(Generation {
            number: set.next_generation(),
            heaps: heaps_of(&buffers),
            choices: Vec::new(),
            ledger: uncounted(&buffers),
            plan: buffers,
        });
        set.phase = Phase::Live;
        Ok(set)
    }

    /// Checks whether buffers that there are already would suit everybody who takes part now, with counts and all. Nothing changes.
    ///
    /// # Errors
    /// The report of the first participant that they do not suit, in the order of their numbers.
    ///
    /// # References
    /// fuchsia.sysmem2 `GetVmoInfo`, `constraints_to_check`.
    pub fn check(&self, buffers: &Plan) -> Result<(), Box<Report>> {
        let mut ledger = uncounted(buffers);
        let heaps = heaps_of(buffers);
        let mut choices = Vec::new();
        let everybody = self.in_force();
        for (index, participant) in everybody.iter().enumerate() {
            let late = Late {
                newcomer: &super::machine::required(participant),
                plan: buffers,
                heaps: &heaps,
                ledger: &ledger,
                choices: &choices,
                others: self.problem(&everybody[..index], &self.config.heaps),
                holders: &[],
                policy: LatePolicy::Refuse,
            };
            if let Joining::Fits {
                ledger: counted,
                choices: chosen,
            } = self.solver.join(&late)?
            {
                ledger = counted;
                choices.extend(chosen);
            }
        }
        Ok(())
    }
}

/// The first heap of each memory: the one it is from.
fn heaps_of(buffers: &Plan) -> Vec<Box<str>> {
    let heaps = buffers.memories.iter().filter_map(|memory| memory.heaps.first());
    heaps.cloned().collect()
}

fn uncounted(buffers: &Plan) -> Ledger {
    Ledger {
        entries: Vec::new(),
        ..buffers.ledger.clone()
    }
}
