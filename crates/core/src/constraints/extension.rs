//! Fields that vendors add.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::serial::extension::Entry;
use super::{MergeKind, Value};

/// Whose field it is, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionKey {
    /// Who defines it, such as a domain name.
    pub vendor: Box<str>,
    /// What it is called there.
    pub name: Box<str>,
}

/// A field that is not in the table. Its merge kind comes with it, so that it can be merged, and blamed, by who does not understand
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Entry", into = "Entry")]
pub struct Extension {
    /// Whose it is.
    pub key: ExtensionKey,
    /// How values become one. All who state the field have to agree.
    pub kind: MergeKind,
    /// Whether whoever provides the memory has to understand it: it is refused otherwise, with the key.
    pub must_understand: bool,
    /// What is stated: a number of bytes, names, one name, or needed, as its kind wants it.
    pub value: Value,
}

impl fmt::Display for ExtensionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vendor, self.name)
    }
}
