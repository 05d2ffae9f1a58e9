//! The times the state machine wants to be told of.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::state::OperationId;

/// When to tell of which operation.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    pending: BTreeMap<OperationId, Instant>,
}

impl Alarms {
    pub(super) fn set(&mut self, operation: OperationId, after_ms: u64) {
        self.pending
            .insert(operation, Instant::now() + Duration::from_millis(after_ms));
    }

    pub(super) fn cancel(&mut self, operation: OperationId) {
        self.pending.remove(&operation);
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.pending.values().min().copied()
    }

    /// Those that are due, each once.
    pub(super) fn take_due(&mut self) -> Vec<OperationId> {
        if self.pending.is_empty() {
            return Vec::new();
        }
        let now = Instant::now();
        let mut due = Vec::new();
        self.pending.retain(|operation, at| {
            let is_due = *at <= now;
            due.extend(is_due.then_some(*operation));
            !is_due
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_is_due_once_and_only_if_not_cancelled() {
        let mut alarms = Alarms::default();
        assert_eq!(alarms.next(), None);
        alarms.set(OperationId(1), 0);
        alarms.set(OperationId(2), 0);
        alarms.set(OperationId(3), 60_000);
        alarms.cancel(OperationId(2));
        assert_eq!(alarms.take_due(), [OperationId(1)]);
        assert_eq!(alarms.take_due(), []);
        assert!(alarms.next().is_some_and(|at| at > Instant::now()));
    }
}
