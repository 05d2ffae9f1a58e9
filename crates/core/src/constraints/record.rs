//! Fields with their values: what one participant states, or what several come to.

use std::collections::BTreeMap;

use super::{Field, Key, Unmergeable, Value, merge};

/// The values of some fields; a field without a value does not restrict anything.
///
/// ```
/// use wharf_core::constraints::{Bytes, Record, key};
///
/// let one = Record::new().with(key::STRIDE_ALIGN, Bytes(48)).with(key::MAX_STRIDE, Bytes(8192));
/// let other = Record::new().with(key::STRIDE_ALIGN, Bytes(64));
/// let both = one.merged(&other)?;
/// assert_eq!(both.number(key::STRIDE_ALIGN.field()), Some(192));
/// assert_eq!(both.number(key::MAX_STRIDE.field()), Some(8192));
/// # Ok::<(), wharf_core::constraints::Unmergeable>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record(BTreeMap<Field, Value>);

impl Record {
    /// Makes a record that restricts nothing.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// States a field, instead of what was stated of it before.
    #[must_use]
    pub fn with<T: Into<Value>>(mut self, key: Key<T>, value: T) -> Self {
        self.0.insert(key.field(), value.into());
        self
    }

    /// States a field whose type is known only when the program runs. The value's type is checked when it is declared.
    pub fn set(&mut self, field: Field, value: Value) {
        self.0.insert(field, value);
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: Field) -> Option<Value> {
        self.0.remove(&field)
    }

    /// Returns the value of a field.
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.0.get(&field)
    }

    /// Returns the value of a field that is a number, in the field's unit; needed is 1.
    pub fn number(&self, field: Field) -> Option<u64> {
        self.get(field).and_then(Value::number)
    }

    /// Says whether something is needed.
    pub fn needs(&self, field: Field) -> bool {
        self.0.contains_key(&field)
    }

    /// Returns the fields that have a value, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &Value)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    /// Says whether no field has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts two records together.
    ///
    /// # Errors
    /// [`Unmergeable`]: the first field in which nothing satisfies both.
    pub fn merged(&self, other: &Self) -> Result<Self, Unmergeable> {
        let mut all = self.clone();
        for (field, value) in other.iter() {
            let value = match all.get(field) {
                Some(before) => merge(field, before, value)?,
                None => value.clone(),
            };
            all.set(field, value);
        }
        Ok(all)
    }
}

impl FromIterator<(Field, Value)> for Record {
    fn from_iter<I: IntoIterator<Item = (Field, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}
