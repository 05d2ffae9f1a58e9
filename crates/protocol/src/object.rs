//! JSON objects whose shape another crate decides.

use serde::{Deserialize, Serialize};

/// A value that travels as a JSON object and is described by the crate it comes from: needs, plans and reports of
/// `wharf_core`, which checks them as it reads them.
///
/// In the interface description its type is `object`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object<T>(pub T);

impl<T> Object<T> {
    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

#[cfg(test)]
impl<T> zlink::introspect::Type for Object<T> {
    const TYPE: &'static zlink::idl::Type<'static> = &zlink::idl::Type::ForeignObject;
}
