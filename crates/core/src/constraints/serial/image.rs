//! Formats with what is needed of them: one map, with the fields of the picture and of every plane side by side.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::fields::{read_field, serialize_fields};
use crate::constraints::{FormatKey, ImageConstraints, Record, Scope};

impl Serialize for ImageConstraints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(fourcc) = &self.key.fourcc {
            map.serialize_entry("fourcc", fourcc)?;
        }
        if let Some(tiling) = &self.key.tiling {
            map.serialize_entry("modifier", tiling)?;
        }
        serialize_fields(&mut map, &self.image)?;
        serialize_fields(&mut map, &self.every_plane)?;
        if !self.planes.is_empty() {
            map.serialize_entry("planes", &self.planes)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for ImageConstraints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Image;

        impl<'de> Visitor<'de> for Image {
            type Value = ImageConstraints;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a format with what is needed of it")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ImageConstraints, A::Error> {
                let (mut fourcc, mut tiling, mut planes) = (None, None, None);
                let mut fields = Record::new();
                while let Some(name) = map.next_key::<String>()? {
                    match &*name {
                        "fourcc" => once(&mut fourcc, "fourcc", &mut map)?,
                        "modifier" => once(&mut tiling, "modifier", &mut map)?,
                        "planes" => once(&mut planes, "planes", &mut map)?,
                        name => read_field(&mut fields, name, &mut map, belongs)?,
                    }
                }
                Ok(assemble(
                    FormatKey { fourcc, tiling },
                    fields,
                    planes.unwrap_or_default(),
                ))
            }
        }

        deserializer.deserialize_map(Image)
    }
}

fn belongs(scope: Scope) -> bool {
    matches!(scope, Scope::Image | Scope::Plane)
}

fn assemble(key: FormatKey, fields: Record, planes: Vec<Record>) -> ImageConstraints {
    let of = |scope| {
        let fields = fields.iter().filter(move |(field, _)| field.scope() == scope);
        fields.map(|(field, value)| (field, value.clone())).collect()
    };
    ImageConstraints {
        key,
        image: of(Scope::Image),
        every_plane: of(Scope::Plane),
        planes,
    }
}

/// Reads the value of an entry that may come once.
pub(crate) fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}
