//! The dma-buf framework in one process: buffers, the exporters behind them, and bracketed CPU access.
//!
//! | Type | Kernel | What it is |
//! |---|---|---|
//! | [`DmaBuf`], [`WeakDmaBuf`] | `struct dma_buf` | a counted handle to a buffer, with the access it grants |
//! | [`Exporter`] | `struct dma_buf_ops` | who provides the memory; safe to implement and not trusted |
//! | [`CpuAccess`] | `dma_buf_begin_cpu_access` … `end` | the window in which the CPU may touch the contents |
//! | [`layout::FrameLayout`] | `struct drm_mode_fb_cmd2` | where the planes of a picture are in a buffer |
//! | [`Errno`] | error numbers | what Linux answers for the same mistake |
//!
//! What it does not do: it makes no system call, knows no file descriptor and maps no memory. Exporters do, in
//! `wharf-linux` and `wharf`. Contracts: B1, B2, B5, C3.
//!
//! # Examples
//! ```
//! use wharf_core::{BufferName, DataDirection, DmaBuf, Exporter, ExportInfo};
//!
//! struct Scratch;
//! impl Exporter for Scratch {
//!     fn name(&self) -> &str {
//!         "scratch"
//!     }
//! }
//!
//! let buffer = DmaBuf::export(ExportInfo {
//!     name: Some(BufferName::new("preview")?),
//!     ..ExportInfo::new(Scratch, 8192)
//! })?;
//! let access = buffer.begin_cpu_access(0..4096, DataDirection::ToDevice)?;
//! // … write the first page …
//! access.end()?;
//! assert!(buffer.exporter::<Scratch>().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod access;
pub mod attachment;
mod contain;
mod cpu;
pub mod dma;
mod dmabuf;
mod errno;
mod export;
mod exporter;
pub mod fence;
pub mod layout;
pub mod moves;
mod name;
pub mod order;
mod range;
pub mod reservation;
mod sync;
mod user_mapping;
mod vmap;
mod wait;
pub mod ww;

pub use access::{AccessMode, DataDirection};
pub use attachment::{
    AttachError, Attachment, AttachmentId, AttachmentInfo, BackingError, Contract, DetachError,
    DynamicAttachment, DynamicMapping, GiveBackError, Hold, Holder, Importer, MapError, Mapping, NotMoved,
    Notice, Parties, Pin, Revocable,
};
pub use cpu::{CpuAccess, CpuAccessError, CpuBytes, CpuBytesError, Page};
pub use dma::{Device, DmaLimits, DmaOps, SgSegment, SgTable, Storage};
pub use dmabuf::{BufferId, DmaBuf, WeakDmaBuf};
pub use errno::Errno;
pub use export::{ExportError, ExportFault, ExportInfo, MismatchPolicy};
pub use exporter::{
    Backing, DmaExporter, DynamicExporter, Exporter, ExporterFault, MapOps, MapRequest, Refusal,
    StaticExporter,
};
pub use fence::{
    CallbackHandle, CallbackOutcome, ContainerError, ContextId, Fence, FenceArray, FenceChain, FenceContext,
    FenceOps, FenceStatus, SeqnoError, SignalError, Signaling, UniqueFence, WaitAnyError,
};
pub use moves::{ExporterControl, MoveError, RevokeError};
pub use name::{BufferName, NameError};
pub use range::RangeError;
pub use reservation::{
    AddFenceError, Fences, RESERVATION_CLASS, Reservation, ReservationDeadlock, ReservationGuard,
    ReservationLockError, ReservationSet, ReserveError, SlowReservationError, Usage,
};
pub use user_mapping::{
    BackendFault, Coherency, CoherencyDeclaration, FaultKind, FaultTrackedExporter, MapUserError,
    MappingBackend, PageRun, SecondRange, UserArea, UserMapping, UserMappingError, UserMappingExporter,
};
pub use vmap::{Vmap, VmapError, VmapExporter};
pub use wait::{Deadline, Interrupt, Wait, WaitError};
pub use ww::{
    AcquireCtx, Deadlock, WwAlgorithm, WwClass, WwGuard, WwLockError, WwLockSet, WwMisuse, WwMutex,
    WwWaitError,
};

/// The page unit in bytes: every buffer size is a non-zero multiple of it. Contract: B1.
pub const PAGE_BYTES: u64 = 4096;
