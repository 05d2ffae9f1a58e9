//! Constraints are data: the words in which participants say what they need of a buffer, and heaps what they have.
//!
//! | Type | What it is |
//! |---|---|
//! | [`Field`], [`key`] | the table: every field with its name, unit, merge kind, scope and neutral value |
//! | [`Value`], [`Bytes`], [`Pixels`], … | values with their units |
//! | [`Record`] | fields with values: what is stated, or what several statements come to |
//! | [`merge()`] | two values become one, as the table says |
//! | [`ImageConstraints`], [`FormatKey`] | how a picture may lie in a buffer, format by format |
//! | [`Constraints`] | all that one function of a device needs |
//! | [`Extension`] | a field that a vendor added, which brings its merge kind along |
//!
//! Everything here is a pure function of its arguments, takes no lock and does not block. What several participants' constraints
//! come to is worked out by [`negotiation`](crate::negotiation). Contract: N, N2.

mod declaration;
mod extension;
mod field;
mod image;
mod merge;
mod record;
mod validate;
mod value;

pub use declaration::{Constraints, ConstraintsBuilder};
pub use extension::{Extension, ExtensionKey};
pub use field::{Field, Key, MergeKind, Scope, Unit, key};
pub use image::{FormatKey, ImageConstraints, Tiling};
pub(crate) use merge::merge_numbers;
pub use merge::{Unmergeable, merge};
pub use record::Record;
pub use validate::InvalidConstraint;
pub use value::{
    Buffers, Bytes, CpuUse, Names, Pixels, Rows, Rules, Segments, Size, Sizes, StrideRule, Value,
};
