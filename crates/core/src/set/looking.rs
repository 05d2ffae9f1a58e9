//! Questions that change nothing.

use super::machine::{Phase, required};
use super::node::Standing;
use super::{Joining, Late, SetError, SetMachine, TokenId};
use crate::negotiation::{Blocker, Participant, Plan};

/// How somebody could take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prospect {
    /// There is no memory yet; this would be decided if nobody else came.
    Planned(Box<Plan>),
    /// There is memory.
    Late(Joining),
}

impl SetMachine {
    /// Returns what the holder of a token declared: of a participant, of one that is to be one, or of one that was left out.
    pub fn participant(&self, token: TokenId) -> Option<&Participant> {
        match &self.nodes.get(&token)?.standing {
            Standing::Declared(participant)
            | Standing::Joining(participant)
            | Standing::LeftOut(participant) => Some(participant),
            _ => None,
        }
    }

    /// Says whether the first memory has to suit what the holder of a token declared: even after it has left in good order, and as long as
    /// buffers are reserved for it.
    pub fn is_in_force(&self, token: TokenId) -> bool {
        let node = self.nodes.get(&token);
        node.is_some_and(|node| node.in_force().is_some())
    }

    /// Returns for whom the memory is being moved.
    pub fn newcomer(&self) -> Option<TokenId> {
        match &self.phase {
            Phase::Moving(moving) => Some(moving.newcomer),
            _ => None,
        }
    }

    /// Says how somebody could take part, if it came now with a token that grants everything. Its number is 0 in the answer, which is
    /// nobody's. Nothing changes.
    ///
    /// # Errors
    /// [`SetError::Invalid`]: EINVAL. [`SetError::Refused`]: what the report says; EBUSY for a conflict with memory that is there.
    /// [`SetError::Over`].
    ///
    /// # References
    /// fuchsia.sysmem2 `BufferCollection.GetVmoInfo`, constraints to check. Reference 4.6.
    pub fn prospect(&self, newcomer: &Participant, holders: &[Blocker]) -> Result<Prospect, SetError> {
        self.check_alive()?;
        let mut newcomer = newcomer.clone();
        newcomer.id.0 = 0;
        let newcomer = newcomer.checked().map_err(SetError::Invalid)?;
        let Some(current) = &self.current else {
            let mut participants = self.in_force();
            participants.push(newcomer);
            let plan = self
                .solver
                .solve(&self.problem(&participants, &self.config.heaps));
            let plan = plan.map_err(|report| SetError::Over(super::SetFailure::Report(report)))?;
            return Ok(Prospect::Planned(Box::new(plan)));
        };
        let staying = self.staying(None);
        let late = Late {
            newcomer: &required(&newcomer),
            plan: &current.plan,
            heaps: &current.heaps,
            ledger: &current.ledger,
            choices: &current.choices,
            others: self.problem(&staying, &self.config.heaps),
            holders,
            policy: self.config.late,
        };
        self.solver
            .join(&late)
            .map(Prospect::Late)
            .map_err(SetError::Refused)
    }
}
