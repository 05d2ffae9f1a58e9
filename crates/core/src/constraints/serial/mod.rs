//! Constraints in files: maps of field names and values, in words that people write and programs read.
//!
//! | Values of | In a file |
//! |---|---|
//! | bytes, masks | `4096`, `"0x1000"`, `"4 KiB"` |
//! | pixels, rows, buffers, segments | `16`, `"16"` |
//! | addresses | `["0..1 GiB", "0x80000000..=0xffffffff"]`: as Rust writes ranges, without and with their end |
//! | translation | `{ direct = { offset_bytes = "3 GiB" } }`, `{ iommu = { aperture = "0..4 GiB", page_bytes = 4096, coalesce = true } }` |
//! | coherency | `"snoops"`, `"needs-sync"` |
//! | use by the CPU | `"never"`, `"rarely"`, `"often"` |
//! | names | `["cached", "uncached"]`; a single one: `"none"` |
//! | sizes of pictures | `["1920x1080", "1080x1920"]` |
//! | rules for strides | `["round-up 256", "fixed 2048"]` |
//! | formats | `fourcc = "NV12"`, `modifier = "linear"`, `"0x0100000000000001"` or `"implicit(driver)"`; left out, any |
//! | vendors' fields | `{ vendor = "example.org", name = "banks", kind = "lcm", must_understand = true, value = { bytes = 64 } }` |
//! | what is needed | `true`; left out, it is not |
//!
//! What is read goes through the same checks as what a program builds. A field that is unknown, stated twice, or stated where it does
//! not belong is refused with its name.

mod declaration;
pub(super) mod extension;
mod fields;
mod image;
mod pictures;
mod value;

pub(crate) use declaration::{Statements, serialize_statements};
pub(crate) use image::once;
