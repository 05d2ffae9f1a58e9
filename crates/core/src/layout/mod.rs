//! Where the samples of a picture are in a buffer.
//!
//! A [`FrameLayout`] is a value: sides, format and one [`Plane`] per plane. Making one checks everything that does not
//! need the buffer; [`FrameLayout::validate`] then compares it with the buffer's size. A layout that came from another
//! process goes through [`FrameLayout::from_planes`], which believes nothing.
//!
//! ```
//! use wharf_core::layout::{FrameLayout, Fourcc};
//!
//! let frame = FrameLayout::linear(Fourcc::YUV420, 1280, 720, 64)?;
//! assert_eq!(frame.size_bytes(), 1280 * 720 * 3 / 2);
//! frame.validate(1_384_448)?;
//! assert!(frame.validate(4096).is_err());
//! # Ok::<(), wharf_core::layout::LayoutError>(())
//! ```

mod error;
mod format;
mod frame;

pub use error::LayoutError;
pub use format::{Fourcc, Modifier};
pub use frame::{FrameLayout, Plane, PlaneExtent};

/// The longest side of a picture in pixels.
pub const MAX_SIDE_PIXELS: u32 = 32_768;

/// The most planes a picture can have, as in DRM.
pub const MAX_PLANES: usize = 4;

/// The largest stride alignment in bytes.
pub const MAX_STRIDE_ALIGNMENT_BYTES: u32 = 65_536;
