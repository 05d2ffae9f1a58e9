//! Devices, what they can address, and what memory suits them all.
//!
//! | Type | Kernel | What it is |
//! |---|---|---|
//! | [`Storage`] | pages of an exporter | where a buffer's memory is, in physical addresses |
//! | [`SgTable`] | `struct sg_table` | the buffer as one device sees it, in that device's addresses |
//! | [`DmaLimits`] | `struct device_dma_parameters`, masks | what a device can address |
//! | [`Device`], [`Function`] | `struct device` | what does the transfers, and its parts with needs of their own |
//! | [`DmaOps`], [`DirectDma`] | `struct dma_map_ops` | how a device maps memory; safe to implement and not trusted |
//! | [`collate`], [`Requirements`] | "collate requirements" in `struct dma_buf_ops` | what all participants need of the memory |
//! | [`Conflict`], [`Violation`] | EBUSY | who needs what, and what does not keep which limit |
//!
//! Limits speak of the device's address space, storage and requirements of physical memory; a [`Translation`] leads from one to
//! the other. A limit means different things in different places: behind an IOMMU that coalesces, a device that needs one
//! segment is content with scattered memory.
//!
//! Everything here is a pure function of its arguments, takes no lock and does not block. What limits have and how several
//! become one is said once, in the table of [`constraints`](crate::constraints).
//!
//! Contracts: A1, A2, A4, B5, and the field names of N.
//!
//! # Examples
//! A late device that the memory does not suit:
//! ```
//! use wharf_core::dma::{self, Device, DmaLimits, PhysicalRun, Storage};
//!
//! let camera = Device::new("camera", DmaLimits::kernel_default())?;
//! let scanout = DmaLimits::builder().address_mask(0x3fff_ffff).contiguous().build()?;
//! let display = Device::builder("display").function("scanout", scanout).build()?;
//!
//! let (camera, display) = (camera.using_all()?, display.using(&["scanout"])?);
//! let early = dma::collate([(camera.label(), camera.limits())], 0x20000)?;
//! let storage = Storage::new([
//!     PhysicalRun { address: 0x8000_0000, length_bytes: 0x10000 },
//!     PhysicalRun { address: 0x8002_0000, length_bytes: 0x10000 },
//! ])?;
//! assert!(early.allows(&storage).is_ok());
//! let busy = display.limits().check_storage(&storage).unwrap_err();
//! assert_eq!(
//!     busy.to_string(),
//!     "windows: segment 0 at 0x80000000..=0x8000ffff is not inside 0x0..=0x3fffffff"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod addressing;
mod check;
mod collate;
mod conflict;
mod device;
mod device_error;
mod effective;
mod limits;
mod merge;
mod ops;
mod physical;
mod requirements;
mod serial;
mod split;
mod storage;
mod table;
mod validate;
mod violation;
mod window;

pub use crate::constraints::{Field, MergeKind, Unit, Value};
pub use addressing::{Coherency, Translation};
pub use collate::collate;
pub use conflict::{Conflict, Need};
pub use device::{Device, DeviceBuilder, DeviceId, DeviceUse, Function};
pub use device_error::DeviceError;
pub use limits::{DmaLimits, DmaLimitsBuilder};
pub use merge::merge;
pub use ops::{DirectDma, DmaOps};
pub(crate) use physical::Physical;
pub use requirements::{Requirements, Unsuitable};
pub use storage::{PhysicalRun, Storage, StorageError};
pub use table::{SgSegment, SgTable};
pub use validate::LimitsError;
pub use violation::{Place, Violation};
pub use window::{Window, Windows};
