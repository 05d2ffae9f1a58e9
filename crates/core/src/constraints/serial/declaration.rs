//! Constraints as one map: what is stated of the device, the memory and the set side by side, then formats and extensions.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::fields::{read_field, serialize_fields};
use super::image::once;
use crate::constraints::{Constraints, Extension, ImageConstraints, Record, Scope};

impl Serialize for Constraints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_statements(&mut map, self)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Constraints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl<'de> Visitor<'de> for Whole {
            type Value = Constraints;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of constraints")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Constraints, A::Error> {
                let mut statements = Statements::default();
                while let Some(name) = map.next_key::<String>()? {
                    statements.read(&name, &mut map)?;
                }
                statements.build()
            }
        }

        deserializer.deserialize_map(Whole)
    }
}

/// Writes constraints among the other entries of a map.
pub(crate) fn serialize_statements<M: SerializeMap>(
    map: &mut M,
    constraints: &Constraints,
) -> Result<(), M::Error> {
    serialize_fields(map, &constraints.dma().fields().collect())?;
    serialize_fields(map, constraints.memory())?;
    serialize_fields(map, constraints.set())?;
    if !constraints.images().is_empty() {
        map.serialize_entry("images", constraints.images())?;
    }
    let extensions: Vec<&Extension> = constraints.extensions().collect();
    if !extensions.is_empty() {
        map.serialize_entry("extensions", &extensions)?;
    }
    Ok(())
}

/// Constraints as they are read, entry by entry of a map that has others, too.
#[derive(Default)]
pub(crate) struct Statements {
    fields: Record,
    images: Option<Vec<ImageConstraints>>,
    extensions: Option<Vec<Extension>>,
}

impl Statements {
    /// Says whether nothing was stated.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.images.is_none() && self.extensions.is_none()
    }

    /// Reads the value of the entry `name`.
    pub(crate) fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "images" => once(&mut self.images, "images", map),
            "extensions" => once(&mut self.extensions, "extensions", map),
            name => read_field(&mut self.fields, name, map, belongs),
        }
    }

    /// Checks what was read.
    pub(crate) fn build<E: Error>(self) -> Result<Constraints, E> {
        let mut builder = Constraints::builder();
        for (field, value) in self.fields.iter() {
            builder = builder.set(field, value.clone());
        }
        for image in self.images.into_iter().flatten() {
            builder = builder.image(image);
        }
        for extension in self.extensions.into_iter().flatten() {
            builder = builder.extension(extension);
        }
        builder.build().map_err(E::custom)
    }
}

fn belongs(scope: Scope) -> bool {
    matches!(scope, Scope::Device | Scope::Memory | Scope::Set)
}
