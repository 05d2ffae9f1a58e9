//! How many buffers there are.

use super::merged::Merged;
use super::{Failure, FailureKind};
use crate::constraints::Field;
use crate::negotiation::needs::Surroundings;
use crate::negotiation::{FieldPath, Policy};

/// How many buffers a set has, and how many of them nobody counts on alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) total: u32,
    pub(super) shared_slack: u32,
}

impl Counts {
    pub(super) fn of(merged: &Merged, policy: &Policy) -> Result<Self, Failure> {
        let number = |field| merged.fields.number(field);
        let fail = |field, kind| Failure::new(FieldPath::from(field), kind);
        let slack = |buffers| if policy.slack { buffers } else { 0 };
        let shared_slack = slack(number(Field::SharedSlack).unwrap_or(0));
        let shares = merged
            .camping
            .checked_add(slack(merged.dedicated_slack))
            .and_then(|shares| shares.checked_add(shared_slack))
            .ok_or_else(|| fail(Field::Camping, FailureKind::Overflow))?;
        let least = number(Field::MinBuffers).unwrap_or(0);
        let most = number(Field::MaxBuffers)
            .unwrap_or(u64::MAX)
            .min(policy.max_buffers.into());
        if least > most {
            return Err(fail(Field::MaxBuffers, FailureKind::Conflict));
        }
        let total = shares.max(least).max(1);
        if total > most {
            return Err(fail(Field::Camping, FailureKind::Conflict));
        }
        // Neither is above the policy's limit, which has 32 bits.
        Ok(Self {
            total: u32::try_from(total).unwrap_or(u32::MAX),
            shared_slack: u32::try_from(shared_slack).unwrap_or(u32::MAX),
        })
    }

    /// Checks the bytes of all buffers of a size.
    pub(super) fn check_total(
        self,
        merged: &Merged,
        surroundings: &Surroundings<'_>,
        size_bytes: u64,
    ) -> Result<(), Failure> {
        let path = || FieldPath::from(Field::MaxTotal);
        let total_bytes = size_bytes
            .checked_mul(self.total.into())
            .ok_or_else(|| Failure::new(path(), FailureKind::Overflow))?;
        let most = merged.fields.number(Field::MaxTotal).unwrap_or(u64::MAX);
        if total_bytes > most.min(surroundings.policy.max_total_bytes) {
            return Err(Failure::new(path(), FailureKind::Conflict));
        }
        Ok(())
    }
}
