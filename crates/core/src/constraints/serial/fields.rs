//! Records, and the names of the table.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::value::{Untagged, ValueOf};
use crate::constraints::{Field, Record, Scope};

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| unknown(&name))
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_fields(&mut map, self)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of fields and their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut record = Record::new();
                while let Some(name) = map.next_key::<String>()? {
                    read_field(&mut record, &name, &mut map, is_stated)?;
                }
                Ok(record)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// Writes the fields of a record among the other entries of a map.
pub(super) fn serialize_fields<M: SerializeMap>(map: &mut M, record: &Record) -> Result<(), M::Error> {
    record
        .iter()
        .try_for_each(|(field, value)| map.serialize_entry(field.name(), &Untagged(value)))
}

/// Reads the value of the entry `name` of a map into a record, where such a field `belongs`.
pub(super) fn read_field<'de, A: MapAccess<'de>>(
    record: &mut Record,
    name: &str,
    map: &mut A,
    belongs: fn(Scope) -> bool,
) -> Result<(), A::Error> {
    let field = Field::from_name(name).ok_or_else(|| unknown(name))?;
    if !belongs(field.scope()) {
        let place = match field.scope() {
            Scope::Image | Scope::Plane => ", and belongs to one of the `images`",
            _ => "",
        };
        let subject = field.scope().words();
        return Err(A::Error::custom(format_args!(
            "{field} cannot be stated here: it speaks of {subject}{place}"
        )));
    }
    let value = map.next_value_seed(ValueOf(field))?;
    if record.get(field).is_some() {
        return Err(A::Error::custom(format_args!("{field} is stated twice")));
    }
    record.set(field, value);
    Ok(())
}

fn is_stated(scope: Scope) -> bool {
    scope != Scope::Derived
}

fn unknown<E: Error>(name: &str) -> E {
    let shown: String = name.chars().take(48).collect();
    E::custom(format_args!("unknown field {shown:?}"))
}
