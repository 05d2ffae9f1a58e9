//! Who needs what, and who cannot have it together.

use std::fmt;

use crate::Errno;

use super::{Field, Value};

/// What one participant needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// What it needs something of.
    pub field: Field,
    /// Who needs it.
    pub who: Box<str>,
    /// How much.
    pub value: Value,
}

/// Needs that nothing can satisfy together.
///
/// The list is minimal: without any one of its needs, the others could be satisfied. It does not depend on the order in which
/// participants were given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Conflict {
    /// The field in which it shows.
    pub field: Field,
    /// Size of the buffer in bytes, where that matters.
    pub size_bytes: Option<u64>,
    /// Who needs what, in the order of fields.
    pub needs: Vec<Need>,
}

impl Conflict {
    /// Returns EOPNOTSUPP: there is no such memory. Where memory is already there, and was right for the others, the answer to who
    /// comes late is EBUSY.
    pub fn errno(&self) -> Errno {
        Errno::EOPNOTSUPP
    }

    /// Reduces `needs` that cannot be satisfied together to the fewest that cannot.
    ///
    /// `failing` names the field in which needs cannot be satisfied. More needs never satisfy what fewer do not.
    pub(super) fn smallest(
        mut needs: Vec<Need>,
        size_bytes: Option<u64>,
        failing: impl Fn(&[Need]) -> Option<Field>,
    ) -> Self {
        // Equal needs of several are told by the first in the alphabet: each of the others could be left out.
        needs.sort_unstable_by(|one, other| {
            (one.field, &one.value, &one.who).cmp(&(other.field, &other.value, &other.who))
        });
        needs.dedup_by(|one, other| (one.field, &one.value) == (other.field, &other.value));
        for number in (0..needs.len()).rev() {
            let need = needs.remove(number);
            if failing(&needs).is_none() {
                needs.insert(number, need);
            }
        }
        needs.sort_unstable();
        let field = failing(&needs).unwrap_or(Field::Size);
        Self {
            field,
            size_bytes,
            needs,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Needed => write!(f, "{} needs {}", self.who, self.field),
            value => write!(
                f,
                "{} needs {} {} {value}",
                self.who,
                self.field,
                self.field.relation()
            ),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size_bytes {
            Some(size_bytes) => write!(f, "no memory of {size_bytes} bytes suits: ")?,
            None => f.write_str("no memory suits: ")?,
        }
        for (number, need) in self.needs.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{need}")?;
        }
        Ok(())
    }
}
