//! Participants and heaps that make no sense by themselves.

use super::Participant;
use crate::Errno;

/// Longest label or name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Most functions of one participant.
pub const MAX_FUNCTIONS: usize = 64;
/// Most alternatives of one function.
pub const MAX_ALTERNATIVES: usize = 64;

/// Why a participant makes no sense by itself. Blame: who declares it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidParticipant {
    /// A label or name is empty, too long, or has control characters.
    #[error("{what} {name:?}: use 1 to {MAX_NAME_BYTES} bytes without control characters")]
    Name {
        /// What it names.
        what: &'static str,
        /// The name.
        name: Box<str>,
    },
    /// It does nothing, or nothing in no way.
    #[error("{what} of {label} is empty; give at least one")]
    Nothing {
        /// The list that is empty.
        what: &'static str,
        /// Of whom.
        label: Box<str>,
    },
    /// A list is too long.
    #[error("{label} has {count} {what}; at most {most} are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// Of whom.
        label: Box<str>,
        /// How many.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two functions of a participant have one name.
    #[error("{label} has two functions named {function}")]
    FunctionTwice {
        /// Whose.
        label: Box<str>,
        /// Their name.
        function: Box<str>,
    },
    /// Two participants have one number.
    #[error("two participants have the number {id}")]
    SameId {
        /// The number.
        id: u64,
    },
}

impl InvalidParticipant {
    /// Returns EINVAL.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

pub(super) fn participant(participant: &Participant) -> Result<(), InvalidParticipant> {
    let label = &participant.label;
    name("the label", label)?;
    list("functions", label, participant.functions.len(), MAX_FUNCTIONS)?;
    for (number, function) in participant.functions.iter().enumerate() {
        name("the function", &function.name)?;
        list(
            "alternatives",
            label,
            function.alternatives.len(),
            MAX_ALTERNATIVES,
        )?;
        if participant.functions[..number]
            .iter()
            .any(|other| other.name == function.name)
        {
            return Err(InvalidParticipant::FunctionTwice {
                label: label.clone(),
                function: function.name.clone(),
            });
        }
        for alternative in &function.alternatives {
            name("the alternative", &alternative.label)?;
        }
    }
    Ok(())
}

fn name(what: &'static str, name: &str) -> Result<(), InvalidParticipant> {
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(InvalidParticipant::Name {
        what,
        name: name.into(),
    })
}

fn list(what: &'static str, label: &str, count: usize, most: usize) -> Result<(), InvalidParticipant> {
    let label = label.into();
    match count {
        0 => Err(InvalidParticipant::Nothing { what, label }),
        count if count > most => Err(InvalidParticipant::TooMany {
            what,
            label,
            count,
            most,
        }),
        _ => Ok(()),
    }
}
