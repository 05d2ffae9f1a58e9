//! Needs in the words of reports.

use crate::constraints::{Names, Value};
use crate::negotiation::needs::{Need, Speaker, Stated, Surroundings};
use crate::negotiation::{Blame, Member};

/// The limits of whoever provides the memory, as a party to a conflict.
pub(in crate::negotiation) fn the_system() -> Blame {
    Blame {
        participant: None,
        label: "the system".into(),
        pid: None,
        device: None,
        function: None,
        alternative: None,
        source: None,
    }
}

impl Blame {
    /// A participant as such.
    pub(in crate::negotiation) fn participant(surroundings: &Surroundings<'_>, participant: usize) -> Self {
        let known = surroundings.participants.get(participant);
        known.map_or_else(the_system, |known| Self::from(*known))
    }

    /// Who states something: with the alternative where the function has several.
    pub(in crate::negotiation) fn speaker(surroundings: &Surroundings<'_>, who: Speaker) -> Self {
        let mut blame = Self::participant(surroundings, who.participant);
        let participant = surroundings.participants.get(who.participant);
        if let Some(function) = participant.and_then(|one| one.functions.get(who.function)) {
            blame.function = Some(function.name.clone());
            let several = function.alternatives.len() > 1;
            let way = function.alternatives.get(who.alternative).filter(|_| several);
            blame.alternative = way.map(|way| way.label.clone());
        }
        blame
    }
}

impl Member {
    /// Who needs what.
    pub(in crate::negotiation) fn of(surroundings: &Surroundings<'_>, need: &Need) -> Self {
        Self {
            who: Blame::speaker(surroundings, need.who),
            path: need.path.clone(),
            value: need.what.value(),
        }
    }
}

impl Stated {
    /// What is stated, as one value.
    pub(in crate::negotiation) fn value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Formats(formats) => {
                Value::Names(formats.iter().map(ToString::to_string).collect::<Names>())
            }
            Self::Extension(extension) => extension.value.clone(),
        }
    }
}
