//! Vendors' fields: their keys side by side with the rest.

use serde::{Deserialize, Serialize};

use crate::constraints::{Extension, ExtensionKey, MergeKind, Value};

/// An extension as one map.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::constraints) struct Entry {
    vendor: Box<str>,
    name: Box<str>,
    kind: MergeKind,
    #[serde(default)]
    must_understand: bool,
    value: Value,
}

impl From<Entry> for Extension {
    fn from(entry: Entry) -> Self {
        Self {
            key: ExtensionKey {
                vendor: entry.vendor,
                name: entry.name,
            },
            kind: entry.kind,
            must_understand: entry.must_understand,
            value: entry.value,
        }
    }
}

impl From<Extension> for Entry {
    fn from(extension: Extension) -> Self {
        Self {
            vendor: extension.key.vendor,
            name: extension.key.name,
            kind: extension.kind,
            must_understand: extension.must_understand,
            value: extension.value,
        }
    }
}
