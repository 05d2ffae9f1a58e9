//! What scripts got to, so that tests can tell whether they get anywhere.

use std::collections::{BTreeMap, BTreeSet};

use wharf_protocol::{BrokerError, GetStateReply, SetId, SetStatus};

/// What happened while a script was played.
#[derive(Debug, Default)]
pub struct Reached {
    /// The methods that were called with success.
    pub succeeded: BTreeSet<&'static str>,
    /// How often each state, turn or error was seen.
    pub seen: BTreeMap<String, u64>,
    /// The negotiated sets as they were listed last, each with the generation in use.
    before: BTreeMap<SetId, (SetStatus, u64)>,
}

impl Reached {
    pub(super) fn note(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    pub(super) fn note_error(&mut self, error: &BrokerError) {
        let text = format!("{error:?}");
        let name = text.split([' ', '{', '(']).next().unwrap_or_default();
        self.note(format!("error {name}"));
    }

    /// How a set was listed last.
    pub(super) fn status(&self, set: SetId) -> Option<SetStatus> {
        self.before.get(&set).map(|(status, _)| *status)
    }

    /// Notes how negotiated sets stand, and what became of them since.
    pub(super) fn note_sets(&mut self, state: &GetStateReply) {
        let mut now = BTreeMap::new();
        for set in &state.sets {
            let Some(negotiation) = &set.negotiation else {
                continue;
            };
            now.insert(set.set, (negotiation.status, set.generation));
            self.note(format!("set {:?}", negotiation.status));
            for seat in &negotiation.seats {
                self.note(format!("seat {:?}", seat.status));
            }
            if set.sealed && set.stream.is_some() {
                self.note("stream over a negotiated set");
            }
            if !set.old.is_empty() {
                self.note("old buffers kept");
            }
        }
        for (set, (status, generation)) in std::mem::take(&mut self.before) {
            match (status, now.get(&set)) {
                (SetStatus::Allocated | SetStatus::Moving, None) => self.note("ended with buffers"),
                (_, None) => self.note("ended"),
                (SetStatus::Moving, Some((SetStatus::Allocated, current))) if *current != generation => {
                    self.note("moved");
                }
                (SetStatus::Moving, Some((SetStatus::Allocated, _))) => self.note("not moved"),
                _ => {}
            }
        }
        self.before = now;
    }
}
