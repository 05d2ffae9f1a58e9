//! Participants in files.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Alternative, Function, InvalidParticipant, Participant, ParticipantId, Presence};
use crate::AccessMode;
use crate::attachment::Contract;
use crate::constraints::Constraints;
use crate::constraints::serial::{Statements, once, serialize_statements};

/// A participant as one map. What is left out is as [`Participant::new`] has it; the file may leave the number out, too.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<ParticipantId>,
    label: Box<str>,
    /// Whether it comes when there is memory already: said in the file of a set, where all are listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) late: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<Box<str>>,
    #[serde(default = "read_write")]
    access: AccessMode,
    #[serde(default = "dynamic")]
    contract: Contract,
    #[serde(default = "required")]
    presence: Presence,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Box<str>>,
    #[serde(default)]
    functions: Vec<Function>,
}

fn read_write() -> AccessMode {
    AccessMode::ReadWrite
}

fn dynamic() -> Contract {
    Contract::Dynamic
}

fn required() -> Presence {
    Presence::Required
}

impl Entry {
    /// The participant of that number.
    pub(super) fn numbered(self, id: ParticipantId) -> Result<Participant, InvalidParticipant> {
        Participant {
            id,
            label: self.label,
            pid: self.pid,
            device: self.device,
            access: self.access,
            contract: self.contract,
            presence: self.presence,
            functions: self.functions,
            source: self.source,
        }
        .checked()
    }
}

impl TryFrom<Entry> for Participant {
    type Error = InvalidParticipant;

    fn try_from(entry: Entry) -> Result<Self, InvalidParticipant> {
        match entry.id {
            _ if entry.late => Err(InvalidParticipant::Late { label: entry.label }),
            Some(id) => entry.numbered(id),
            None => Err(InvalidParticipant::NoId { label: entry.label }),
        }
    }
}

impl From<Participant> for Entry {
    fn from(participant: Participant) -> Self {
        Self {
            id: Some(participant.id),
            label: participant.label,
            late: false,
            pid: participant.pid,
            device: participant.device,
            access: participant.access,
            contract: participant.contract,
            presence: participant.presence,
            source: participant.source,
            functions: participant.functions,
        }
    }
}

impl Serialize for Alternative {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("label", &self.label)?;
        if self.cost > 0 {
            map.serialize_entry("cost", &self.cost)?;
        }
        serialize_statements(&mut map, &self.constraints)?;
        map.end()
    }
}

impl Serialize for Function {
    /// A function that works in one way is its name and its constraints; otherwise each way has a map of its own.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        match &*self.alternatives {
            [only] if &*only.label == Self::ONLY && only.cost == 0 => {
                serialize_statements(&mut map, &only.constraints)?;
            }
            alternatives => map.serialize_entry("alternatives", alternatives)?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Alternative {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Way;

        impl<'de> Visitor<'de> for Way {
            type Value = Alternative;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a way in which a function works: its label, cost and constraints")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Alternative, A::Error> {
                let (mut label, mut cost) = (None, None);
                let mut statements = Statements::default();
                while let Some(name) = map.next_key::<String>()? {
                    match &*name {
                        "label" => once(&mut label, "label", &mut map)?,
                        "cost" => once(&mut cost, "cost", &mut map)?,
                        name => statements.read(name, &mut map)?,
                    }
                }
                Ok(Alternative {
                    label: label.ok_or_else(|| A::Error::missing_field("label"))?,
                    cost: cost.unwrap_or(0),
                    constraints: statements.build()?,
                })
            }
        }

        deserializer.deserialize_map(Way)
    }
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl<'de> Visitor<'de> for Whole {
            type Value = Function;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a function: its name, with constraints or alternatives")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Function, A::Error> {
                let (mut name, mut alternatives) = (None, None);
                let mut statements = Statements::default();
                while let Some(entry) = map.next_key::<String>()? {
                    match &*entry {
                        "name" => once(&mut name, "name", &mut map)?,
                        "alternatives" => once(&mut alternatives, "alternatives", &mut map)?,
                        entry => statements.read(entry, &mut map)?,
                    }
                }
                let name: Box<str> = name.ok_or_else(|| A::Error::missing_field("name"))?;
                match alternatives {
                    Some(alternatives) if statements.is_empty() => Ok(Function { name, alternatives }),
                    Some(_) => Err(A::Error::custom(
                        "a function has `alternatives` or constraints of its own; state them in each alternative",
                    )),
                    None => {
                        let constraints: Constraints = statements.build()?;
                        Ok(Function::new(&name, constraints))
                    }
                }
            }
        }

        deserializer.deserialize_map(Whole)
    }
}
