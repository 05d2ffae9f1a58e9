//! The dma-buf framework in one process, as a library: what the kernel's does for drivers, for programs.
//!
//! A *buffer* is memory that several devices and the CPU use. Its *exporter* provides the memory; *importers* attach their devices to it.
//! The framework makes them get on although none knows the others: it collects what the devices can address, has the memory allocated to
//! suit all of them, keeps track of who has it mapped, tells who must be told when it moves, and lets everybody know what is still
//! being done to it. It decides nothing that belongs to others: where memory comes from is the exporter's business, and who may touch a
//! buffer when is said by fences, which it carries but does not enforce.
//!
//! It is pure: no system call of its own but those of locks and clocks, no file descriptor, no unsafe code. Exporters and devices do the rest, in
//! `wharf-linux`, `wharf` and programs. Everything foreign is re-checked and its panics contained. Contract: B5.
//!
//! # What is where
//! | Module or type | Kernel | What it is |
//! |---|---|---|
//! | [`DmaBuf`], [`WeakDmaBuf`] | `struct dma_buf` | a counted handle to a buffer, with the access it grants |
//! | [`Exporter`] | `struct dma_buf_ops` | who provides the memory |
//! | [`attachment`] | `dma_buf_attach`, `map_attachment`, `pin` | devices at buffers: static, dynamic, revocable |
//! | [`dma`] | `struct device_dma_parameters`, `struct sg_table` | devices, what they can address, what memory suits them all |
//! | [`moves`] | `dma_buf_move_notify` | what an exporter may do: move a buffer, take it away |
//! | [`CpuAccess`], [`Page`], [`Vmap`] | `begin_cpu_access`, `kmap`, `vmap` | the CPU at the contents, from within the process |
//! | [`UserMapping`], [`user_mapping`] | `mmap` | the CPU at the contents by page tables, coherent, by faults or by brackets |
//! | [`fence`] | `dma_fence`, `_array`, `_chain`, `_unwrap` | work that will have been done |
//! | [`reservation`] | `dma_resv` | a buffer's lock, and the fences of everybody who works on it |
//! | [`ww`] | `ww_mutex` | locks that can be taken in any order |
//! | [`order`] | `lockdep` | the checker that turns latent deadlocks into certain failures, in debug builds |
//! | [`Wait`], [`Deadline`], [`Interrupt`] | timeouts, signals | how long a call may block |
//! | [`BufferSnapshot`] | debugfs `bufinfo` | what can be seen of a buffer |
//! | [`set`] | – | buffers that are negotiated together: who takes part, when memory is allocated, when it moves |
//! | [`layout`] | `struct drm_mode_fb_cmd2` | where the planes of a picture are in a buffer |
//! | [`Errno`] | error numbers | what Linux answers for the same mistake: every error has an `errno()` |
//!
//! # Life of a buffer
//! | Step | Call | Exporter is asked to |
//! |---|---|---|
//! | made, perhaps without memory | [`DmaBuf::export`] | – |
//! | each device says what it can address | [`DmaBuf::attach`], [`DmaBuf::attach_dynamic`] | [`attach`](DmaExporter::attach) |
//! | memory that suits all of them | the first `map` or `pin` | [`allocate`](DmaExporter::allocate) |
//! | reachable for a device | [`Attachment::map`], [`DynamicAttachment::map`] | `map` |
//! | reachable for the CPU | [`DmaBuf::begin_cpu_access`], [`DmaBuf::vmap`], [`DmaBuf::map_user`] | the like |
//! | moved for a late device, or as the exporter wants | [`DmaBuf::attach`], [`ExporterControl::move_buffer`] | [`relocate`](DynamicExporter::relocate) |
//! | no longer reachable | drop of the guard, or its explicit form | `unmap`, `end_cpu_access`, … |
//! | gone | drop of the last handle, mapping or guard | [`release`](Exporter::release), once |
//!
//! ```
//! use wharf_core::dma::{DeviceUse, PhysicalRun, Requirements};
//! use wharf_core::{
//!     AccessMode, Backing, DataDirection, Device, DmaBuf, DmaExporter, DmaLimits, Errno, ExportInfo, Exporter, MapOps,
//!     MapRequest, Refusal, SgTable, StaticExporter, Storage, Wait,
//! };
//! use std::sync::OnceLock;
//!
//! /// One buffer, wherever it suits everybody: a heap that defers.
//! struct Heap(OnceLock<Storage>);
//!
//! impl Exporter for Heap {
//!     fn name(&self) -> &str {
//!         "heap"
//!     }
//!     fn map_ops(&self) -> MapOps<'_> {
//!         MapOps::Static(self)
//!     }
//! }
//! impl DmaExporter for Heap {
//!     fn backing(&self) -> Backing {
//!         self.0.get().map_or(Backing::Deferred, |storage| Backing::At(storage.clone()))
//!     }
//!     fn allocate(&self, requirements: &Requirements) -> Result<(), Refusal> {
//!         let places = [0x1_0000_0000, 0x10_0000].into_iter().map(|address| {
//!             Storage::new([PhysicalRun { address, length_bytes: 0x2000 }]).expect("whole pages")
//!         });
//!         let place = places.into_iter().find(|place| requirements.allows(place).is_ok());
//!         let place = place.ok_or(Refusal::new(Errno::ENOMEM, "no place suits all devices"))?;
//!         self.0.set(place).map_err(|_| Refusal::new(Errno::EBUSY, "allocated twice"))
//!     }
//! }
//! impl StaticExporter for Heap {
//!     fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
//!         match self.backing() {
//!             Backing::At(storage) => request.attachment.map(&storage, request.direction),
//!             _ => Err(Refusal::new(Errno::ENOMEM, "nothing is allocated")),
//!         }
//!     }
//!     fn unmap(&self, request: &MapRequest<'_>, table: &SgTable) {
//!         request.attachment.unmap(table, request.direction);
//!     }
//! }
//!
//! fn device(label: &str, address_mask: u64) -> Result<DeviceUse, Box<dyn std::error::Error>> {
//!     let limits = DmaLimits::builder().address_mask(address_mask).build()?;
//!     Ok(Device::new(label, limits)?.using_all()?)
//! }
//!
//! let buffer = DmaBuf::export(ExportInfo::new(Heap(OnceLock::new()), 0x2000))?;
//! let gpu = buffer.attach(&device("gpu", u64::MAX)?, AccessMode::ReadWrite, &Wait::forever())?;
//! let camera = buffer.attach(&device("camera", 0xffff_ffff)?, AccessMode::ReadWrite, &Wait::forever())?;
//! // Only now is anything allocated, below 4 GiB because of the camera.
//! let mapping = gpu.map(DataDirection::ToDevice, &Wait::forever())?;
//! assert_eq!(mapping.segments()[0].address, 0x10_0000);
//! mapping.unmap(&Wait::forever())?;
//! println!("{}", buffer.snapshot());
//! # drop(camera);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which call with which lock
//! The lock is the buffer's [`Reservation`]; its guard is a parameter where it must be held. Contract: L2, L3.
//!
//! | Held by the caller (guard as parameter) | Not held: the call takes it, or the exporter may |
//! |---|---|
//! | [`DynamicAttachment::map`], [`DynamicMapping::unmap`] | [`DmaBuf::export`], drop of the last handle |
//! | [`DynamicAttachment::pin`], [`Pin::unpin`] | [`DmaBuf::attach`], [`DmaBuf::attach_dynamic`], `detach` |
//! | [`DmaBuf::vmap`] | [`Attachment::map`], [`Mapping::unmap`] |
//! | [`ExporterControl::move_buffer`], [`ExporterControl::revoke`] | [`DmaBuf::begin_cpu_access`], [`CpuAccess::end`] |
//! | [`ReservationGuard::add_fence`] and the like | [`DmaBuf::map_user`], faults of [`UserMapping`] |
//! | | everything named `_unlocked` |
//!
//! | Exporter and importer are called | With the lock | Without |
//! |---|---|---|
//! | [`StaticExporter`] | – | always (but see [`MismatchPolicy::PinOnMap`]) |
//! | [`DynamicExporter`], its [`DmaExporter::backing`] and [`DmaExporter::allocate`] | always | – |
//! | [`DmaExporter::backing`] and [`DmaExporter::allocate`] of a [`StaticExporter`] | if [`DmaBuf::vmap`] needs the memory first | else |
//! | [`DmaExporter::attach`], [`DmaExporter::detach`] | – | always |
//! | [`Importer::move_notify`], [`Revocable::revoked`] | always | – |
//!
//! Guards, mappings and pins may be dropped anywhere, also while the lock is held: what needs the lock is then done by whoever holds it, and what
//! must not be done with it, after that.
//!
//! # Rules of fences
//! 1. A fence is signaled once, in bounded time, whatever happens: whoever may signal it and goes away instead signals it with an error.
//! 2. Nothing on the way to a signal waits for a reservation or another fence; [`order::signaling_section`] has the checker watch over that.
//! 3. Callbacks run on the thread that signals. They do little, block on nothing and lock no reservation.
//! 4. Room for a fence is reserved before the work begins, so that adding it cannot fail afterwards.
//! 5. A dynamic importer obeys all fences on the reservation that concern it before its device touches anything, and adds its own; a static one is
//!    served by the framework.
//! 6. Fences order work; they are no access control, and nothing enforces them. Contract: F, R.
//!
//! # Levels
//! Behaviour is that of Linux 7.1 unless said otherwise, with the mapping at attach of v5.5 as the default for mismatched sides, and that of v6.15 on
//! request ([`MismatchPolicy`]). Differences are marked `DIFFERENCE:` in the code and listed in docs/compat.toml.

#![forbid(unsafe_code)]

mod access;
pub mod attachment;
pub mod constraints;
mod contain;
pub mod cpu;
pub mod dma;
mod dmabuf;
mod errno;
mod export;
mod exporter;
pub mod fence;
mod id;
pub mod layout;
pub mod moves;
mod name;
pub mod negotiation;
pub mod order;
mod outside;
mod range;
pub mod reservation;
pub mod set;
mod snapshot;
mod sync;
mod text;
pub mod user_mapping;
pub mod vmap;
mod wait;
pub mod ww;

pub use access::{AccessMode, DataDirection};
pub use attachment::{
    AttachError, AttachFault, Attachment, AttachmentId, AttachmentInfo, AttachmentSnapshot, BackingError,
    Contract, DetachError, DynamicAttachment, DynamicMapping, GiveBackError, Hold, Holder, Importer,
    MapError, MapFault, Mapping, NotMoved, Notice, Parties, Pin, Revocable,
};
pub use cpu::{CpuAccess, CpuAccessError, CpuBytes, CpuBytesError, Page, PageMut};
pub use dma::{Device, DmaLimits, DmaOps, SgSegment, SgTable, Storage};
pub use dmabuf::{DmaBuf, WeakDmaBuf};
pub use errno::Errno;
pub use export::{ExportError, ExportFault, ExportInfo, MismatchPolicy};
pub use exporter::{
    Backing, DmaExporter, DynamicExporter, Exporter, ExporterFault, MapOps, MapRequest, Refusal,
    StaticExporter,
};
pub use fence::{
    CallbackHandle, CallbackOutcome, ContainerError, ContextId, Fence, FenceArray, FenceChain, FenceContext,
    FenceOps, FenceStatus, SeqnoError, SignalError, Signaling, UniqueFence, WaitAnyError, WeakFence,
};
pub use id::BufferId;
pub use moves::{ExporterControl, MoveError, RevokeError};
pub use name::{BufferName, NameError};
pub use outside::RefreshError;
pub use range::RangeError;
pub use reservation::{
    AddFenceError, Fences, RESERVATION_CLASS, Reservation, ReservationDeadlock, ReservationGuard,
    ReservationLockError, ReservationSet, ReserveError, SlowReservationError, Usage,
};
pub use snapshot::{BufferSnapshot, ExporterRole, FenceSnapshot};
pub use text::InvalidText;
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
