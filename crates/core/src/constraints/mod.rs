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
//!
//! # In files
//! Everything serialises as maps of field names and values, with `serde`: in TOML, JSON, or any other format that says of what type
//! its values are. Bytes are numbers or texts such as `"64 KiB"`; addresses are ranges as Rust writes them, `"0..1 GiB"` or
//! `"0x0..=0x3fffffff"`; what is needed is `true`.
//!
//! ```
//! use wharf_core::constraints::{Bytes, Constraints, key};
//!
//! let read: Constraints = serde_json::from_str(r#"{"windows": ["0..1 GiB"], "size_align_bytes": "4 KiB"}"#)?;
//! assert_eq!(read.memory().get(key::SIZE_ALIGN.field()), Some(&Bytes(4096).into()));
//! assert!(serde_json::from_str::<Constraints>(r#"{"size_align_bytes": 0}"#).is_err());
//! # Ok::<(), serde_json::Error>(())
//! ```

mod declaration;
mod extension;
mod field;
mod image;
mod invalid;
mod merge;
mod parts;
mod record;
pub(crate) mod serial;
mod validate;
mod value;

pub use declaration::{Constraints, ConstraintsBuilder};
pub use extension::{Extension, ExtensionKey};
pub use field::{CACHE_MODES, Field, Key, MergeKind, Scope, Unit, key};
pub use image::{FormatKey, ImageConstraints, Tiling};
pub use invalid::{InvalidConstraint, MAX_ENTRIES, MAX_NAME_BYTES};
pub(crate) use merge::merge_numbers;
pub use merge::{Unmergeable, merge};
pub use record::Record;

pub use parts::{CpuUse, Names, Rules, Size, Sizes, StrideRule};
use value::Typed;
pub use value::{Buffers, Bytes, Mask, Pixels, Rows, Segments, Value, ValueType};
