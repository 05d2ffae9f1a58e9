//! Fields that vendors add.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::merge::{MergeFailure, merge_as};
use super::serial::extension::Entry;
use super::{Field, MergeKind, Unmergeable, Value};
use crate::text::Shown;

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

impl Extension {
    /// Puts two statements of one extension together.
    ///
    /// # Errors
    /// [`Unmergeable`] of [`Field::Extension`]: they have different keys or kinds, nothing satisfies both, or the number is too large.
    ///
    /// ```
    /// use wharf_core::constraints::{Extension, ExtensionKey, MergeKind, Value};
    ///
    /// let banks = |bytes, must_understand| Extension {
    ///     key: ExtensionKey { vendor: "example.org".into(), name: "banks".into() },
    ///     kind: MergeKind::Lcm,
    ///     must_understand,
    ///     value: Value::Bytes(bytes),
    /// };
    /// assert_eq!(banks(48, false).merged(&banks(64, true))?, banks(192, true));
    /// # Ok::<(), wharf_core::constraints::Unmergeable>(())
    /// ```
    pub fn merged(&self, other: &Self) -> Result<Self, Unmergeable> {
        let fail = |overflow| Unmergeable {
            field: Field::Extension,
            one: self.value.clone(),
            other: other.value.clone(),
            overflow,
        };
        if self.key != other.key || self.kind != other.kind {
            return Err(fail(false));
        }
        let value = merge_as(self.kind, &self.value, &other.value)
            .map_err(|failure| fail(failure == MergeFailure::Overflow))?;
        Ok(Self {
            must_understand: self.must_understand || other.must_understand,
            value,
            ..self.clone()
        })
    }
}

impl fmt::Display for ExtensionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Shown(&self.vendor), Shown(&self.name))
    }
}
