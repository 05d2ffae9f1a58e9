//! Attaching devices to buffers, and mapping buffers for them.
//!
//! | Importer | It has | Lock during map and unmap | When the buffer moves |
//! |---|---|---|---|
//! | static | [`Attachment`], [`Mapping`] | none | it does not, while mapped |
//! | dynamic | [`DynamicAttachment`], [`DynamicMapping`], [`Pin`] | the reservation, as a parameter | [`Importer::move_notify`] |
//! | revocable | the same | the same | also [`Revocable::revoked`] |
//!
//! # Life of an attachment
//! | State | Left by | Exporter is called |
//! |---|---|---|
//! | none | [`DmaBuf::attach`](crate::DmaBuf::attach), [`DmaBuf::attach_dynamic`](crate::DmaBuf::attach_dynamic) | `attach`; on a mismatch also `pin` and `map` |
//! | attached | `map` | `allocate` the first time, `map` |
//! | mapped | `unmap`, drop | `unmap` |
//! | attached | `detach`, drop of the last of attachment, mappings and pins | `unmap` and `unpin` of what was kept, `detach` |
//!
//! Guards keep what they need alive, so that they can be dropped in any order.
//!
//! # Who is called with which lock (2019 convention)
//! Pairings of a static and a dynamic side are served as [`MismatchPolicy`](crate::MismatchPolicy) says. Contract: A1 to A6, L1 to L6.
//!
//! | Importer | Exporter | `MapAtAttach` (v5.5) | `PinOnMap` (v6.15) |
//! |---|---|---|---|
//! | static | static | map and unmap pass through, no lock | the same |
//! | dynamic | dynamic | map and unmap pass through, the importer holds the lock | the same |
//! | static | dynamic | pinned and mapped at attach, with the lock; map returns that | pinned around each map, with the lock |
//! | dynamic | static | mapped at attach, no lock; map returns that | map and unmap pass through, the importer holds the lock |
//!
//! # References
//! drivers/dma-buf/dma-buf.c (v6.12; v5.5 for mapping at attach); Kernel documentation "Buffer Sharing and Synchronization", "DMA-BUF locking convention".

mod attach;
mod attach_error;
mod backing;
mod calls;
mod core;
mod devices;
mod dynamic_importer;
mod ending;
mod error;
mod holder;
mod importer;
mod info;
mod mapping;
mod pin;
mod snapshot;
mod static_importer;

pub use attach_error::{AttachError, AttachFault, NotMoved};
pub use dynamic_importer::{DynamicAttachment, DynamicMapping};
pub use error::{BackingError, GiveBackError, MapError, MapFault, Parties};
pub use holder::{Hold, Holder};
pub use importer::{Importer, Notice, Revocable};
pub use info::{AttachmentId, AttachmentInfo, Contract};
pub use pin::Pin;
pub use snapshot::AttachmentSnapshot;
pub use static_importer::{Attachment, DetachError, Mapping};

pub(crate) use self::core::Core;
pub(crate) use backing::{ensure as ensure_backing, ensure_unlocked as ensure_backing_unlocked};
pub(crate) use calls::Callee;
pub(crate) use devices::{Devices, cpu_holders};
