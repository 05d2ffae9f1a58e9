//! Values whose field says their type: in a map of fields they need no tag.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::constraints::{Field, Value, ValueType};
use crate::text::bytes_or_text;

/// A value without its tag.
pub(super) struct Untagged<'a>(pub(super) &'a Value);

impl Serialize for Untagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bytes(number)
            | Value::Segments(number)
            | Value::Pixels(number)
            | Value::Rows(number)
            | Value::Buffers(number) => bytes_or_text::serialize(number, serializer),
            Value::Mask(number) | Value::Address(number) => {
                serializer.collect_str(&format_args!("{number:#x}"))
            }
            Value::Windows(windows) => windows.serialize(serializer),
            Value::Translation(translation) => translation.serialize(serializer),
            Value::Coherency(coherency) => coherency.serialize(serializer),
            Value::CpuUse(cpu_use) => cpu_use.serialize(serializer),
            Value::Names(names) => names.serialize(serializer),
            Value::Sizes(sizes) => sizes.serialize(serializer),
            Value::Rules(rules) => rules.serialize(serializer),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Needed => serializer.serialize_bool(true),
        }
    }
}

/// Reads the value of a field. Errors name the field.
pub(super) struct ValueOf(pub(super) Field);

impl<'de> DeserializeSeed<'de> for ValueOf {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let field = self.0;
        read(field.value_type(), deserializer)
            .map_err(|error| D::Error::custom(format_args!("{field}: {error}")))
    }
}

fn read<'de, D: Deserializer<'de>>(kind: ValueType, deserializer: D) -> Result<Value, D::Error> {
    Ok(match kind {
        ValueType::Bytes => Value::Bytes(bytes_or_text::deserialize(deserializer)?),
        ValueType::Mask => Value::Mask(bytes_or_text::deserialize(deserializer)?),
        ValueType::Address => Value::Address(bytes_or_text::deserialize(deserializer)?),
        ValueType::Segments => Value::Segments(bytes_or_text::plain(deserializer)?),
        ValueType::Pixels => Value::Pixels(bytes_or_text::plain(deserializer)?),
        ValueType::Rows => Value::Rows(bytes_or_text::plain(deserializer)?),
        ValueType::Buffers => Value::Buffers(bytes_or_text::plain(deserializer)?),
        ValueType::Windows => Value::Windows(Deserialize::deserialize(deserializer)?),
        ValueType::Translation => Value::Translation(Deserialize::deserialize(deserializer)?),
        ValueType::Coherency => Value::Coherency(Deserialize::deserialize(deserializer)?),
        ValueType::CpuUse => Value::CpuUse(Deserialize::deserialize(deserializer)?),
        ValueType::Names => Value::Names(Deserialize::deserialize(deserializer)?),
        ValueType::Sizes => Value::Sizes(Deserialize::deserialize(deserializer)?),
        ValueType::Rules => Value::Rules(Deserialize::deserialize(deserializer)?),
        ValueType::Text => Value::Text(Deserialize::deserialize(deserializer)?),
        ValueType::Needed if bool::deserialize(deserializer)? => Value::Needed,
        ValueType::Needed => {
            return Err(D::Error::custom(
                "only `true` can be stated; leave it out instead",
            ));
        }
    })
}
