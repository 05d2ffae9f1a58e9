//! Handles to buffers.
//!
//! A buffer lives as long as one strong handle ([`DmaBuf`]) or guard ([`CpuAccess`]) does; each guard holds
//! a handle of its own, so that the order in which they go does not matter. Then its exporter is released, once.

use std::any::Any;
use std::fmt;
use std::mem;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::attachment::Devices;
use crate::contain::contain;
use crate::cpu::{self, CpuAccess, CpuAccessError};
use crate::export::{self, CheckedExport, ExportError, ExportInfo};
use crate::user_mapping::UserMappings;
use crate::vmap::VmapCount;
use crate::{AccessMode, BufferId, BufferName, DataDirection, Exporter, ExporterControl, Reservation, Wait};

/// A strong handle to a buffer. Cloning is cheap and gives the same buffer with the same access.
///
/// Handles are equal if they mean the same buffer, whatever access they allow.
///
/// # References
/// include/linux/dma-buf.h `struct dma_buf`, `dma_buf_export`, `get_dma_buf`.
#[derive(Clone)]
pub struct DmaBuf {
    shared: Arc<Shared>,
    access: AccessMode,
}

/// A handle that does not keep its buffer alive.
#[derive(Clone)]
pub struct WeakDmaBuf {
    shared: Weak<Shared>,
    access: AccessMode,
}

/// What all handles of a buffer have in common.
struct Shared {
    id: BufferId,
    size_bytes: u64,
    exporter_name: Box<str>,
    name: Mutex<Option<BufferName>>,
    reservation: Arc<Reservation>,
    devices: Devices,
    vmap: VmapCount,
    user_mappings: UserMappings,
    exporter: Box<dyn Exporter>,
}

impl Shared {
    fn name(&self) -> MutexGuard<'_, Option<BufferName>> {
        // Nothing can panic while this lock is held, so a poisoned one still protects a whole name.
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer without handles, which is still to be released.
pub(crate) struct Last(#[allow(dead_code, reason = "kept to be dropped")] Shared);

/// Takes the exporter's place once it is released.
struct Released;

impl Exporter for Released {
    fn name(&self) -> &str {
        "released"
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        tracing::debug!(target: "wharf_core::buffer", buffer = self.id.get(), "released");
        let mut exporter = mem::replace(&mut self.exporter, Box::new(Released));
        // The panic hook has already reported a panic here, and there is nobody left to tell. Two steps: an exporter
        // that panics in release is still dropped, and so gives back the memory it owns.
        let _ = contain(|| exporter.release());
        let _ = contain(|| drop(exporter));
    }
}

impl DmaBuf {
    /// Makes a buffer out of an exporter's memory.
    ///
    /// # Errors
    /// The exporter comes back inside the error, not released. EINVAL when the size is zero or not page-granular
    /// or the exporter's name is unusable; EOVERFLOW when the size is above what a file can have; EIO when the
    /// exporter panics. Contract: B1, B2, B5.
    pub fn export(info: ExportInfo) -> Result<Self, ExportError> {
        let CheckedExport {
            info,
            exporter_name,
            exporter_role,
        } = export::check(info)?;
        let shared = Shared {
            id: BufferId::next(),
            size_bytes: info.size_bytes,
            exporter_name,
            name: Mutex::new(info.name),
            reservation: info.reservation.unwrap_or_else(Reservation::new),
            devices: Devices::new(exporter_role, info.mismatch),
            vmap: VmapCount::default(),
            user_mappings: UserMappings::default(),
            exporter: info.exporter,
        };
        let buffer = Self {
            shared: Arc::new(shared),
            access: info.access,
        };
        // The panic hook has reported a panic here; an exporter that wants no control can be used all the same.
        let _ = contain(|| buffer.exporter_dyn().exported(ExporterControl::new(&buffer)));
        tracing::debug!(target: "wharf_core::buffer", buffer = buffer.id().get(), exporter = buffer.exporter_name(),
            size_bytes = buffer.size_bytes(), "exported");
        Ok(buffer)
    }

    /// Returns the buffer's number.
    pub fn id(&self) -> BufferId {
        self.shared.id
    }

    /// Returns the size in bytes, which never changes. Contract: B1.
    #[inline]
    pub fn size_bytes(&self) -> u64 {
        self.shared.size_bytes
    }

    /// Returns what this handle allows.
    #[inline]
    pub fn access(&self) -> AccessMode {
        self.access
    }

    /// Returns the name that the exporter had at export.
    pub fn exporter_name(&self) -> &str {
        &self.shared.exporter_name
    }

    /// Returns the buffer's name, if it has one.
    pub fn name(&self) -> Option<BufferName> {
        self.shared.name().clone()
    }

    /// Changes the name for all handles, as `DMA_BUF_SET_NAME` does; `None` takes it away.
    pub fn set_name(&self, name: Option<BufferName>) {
        *self.shared.name() = name;
    }

    /// Returns the buffer's reservation, which it may share with others.
    ///
    /// # References
    /// `struct dma_buf` `resv` (include/linux/dma-buf.h, v6.12).
    pub fn reservation(&self) -> &Arc<Reservation> {
        &self.shared.reservation
    }

    /// Returns the exporter if it is an `E`: the kernel's `dmabuf->ops == &my_ops` followed by `dmabuf->priv`.
    pub fn exporter<E: Exporter>(&self) -> Option<&E> {
        let exporter: &dyn Any = self.exporter_dyn();
        exporter.downcast_ref()
    }

    /// Makes a handle to the same buffer that does not allow writing.
    ///
    /// ```
    /// # use wharf_core::{DataDirection, DmaBuf, Errno, Exporter, ExportInfo};
    /// # struct Scratch;
    /// # impl Exporter for Scratch {
    /// #     fn name(&self) -> &str {
    /// #         "scratch"
    /// #     }
    /// # }
    /// # let info = ExportInfo::new(Scratch, 4096);
    /// let buffer = DmaBuf::export(info)?;
    /// let viewer = buffer.to_read_only();
    /// assert_eq!(viewer, buffer);
    /// let refused = viewer.begin_cpu_access(.., DataDirection::ToDevice);
    /// assert_eq!(refused.map_err(|error| error.errno()).err(), Some(Errno::EACCES));
    /// # Ok::<(), wharf_core::ExportError>(())
    /// ```
    pub fn to_read_only(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            access: AccessMode::ReadOnly,
        }
    }

    /// Makes a handle that does not keep the buffer alive and allows the same access.
    pub fn downgrade(&self) -> WeakDmaBuf {
        WeakDmaBuf {
            shared: Arc::downgrade(&self.shared),
            access: self.access,
        }
    }

    /// Opens a window in which the CPU may touch `range` (in bytes), and returns its guard: [`DmaBuf::begin_cpu_access_within`]
    /// without bounds of waiting. Contract: C3.
    ///
    /// # Blocking
    /// Until devices are done with what they do to the buffer now, and as long as the exporter takes.
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// See there; it neither times out nor is it interrupted.
    pub fn begin_cpu_access(
        &self,
        range: impl RangeBounds<u64>,
        direction: DataDirection,
    ) -> Result<CpuAccess, CpuAccessError> {
        self.begin_cpu_access_within(range, direction, &Wait::forever())
    }

    /// Opens a window in which the CPU may touch `range` (in bytes), and returns its guard. Contract: C3.
    ///
    /// The direction is the device's, as in the kernel: `FromDevice` to read, `ToDevice` to write, `Bidirectional`
    /// for both. Windows may overlap; this orders nobody's accesses. First it waits for the fences of the buffer's reservation: for
    /// those of writers before reading, and for those of readers too before writing. Then the exporter makes the range right.
    ///
    /// # Blocking
    /// For fences that are on the reservation now, within the bounds of `wait`; then as long as the exporter takes, and memory that
    /// is always coherent takes no time.
    ///
    /// # Locking
    /// The reservation must not be held: fences may need it to get signaled, and so may the exporter.
    ///
    /// # Errors
    /// There is no window, and nothing to end. [`CpuAccessError::Range`]: EINVAL when the range is empty or ends behind the
    /// buffer, EOVERFLOW when its end does not fit in 64 bits. [`CpuAccessError::ReadOnly`]: EACCES when the CPU would write and
    /// this handle does not allow it. [`CpuAccessError::Wait`]: ETIMEDOUT, EINTR. [`CpuAccessError::Exporter`]: the exporter's
    /// own number, or EIO when it panics.
    ///
    /// # Examples
    /// ```
    /// # use wharf_core::{AccessMode, DmaBuf, Exporter, ExportInfo};
    /// # struct Scratch;
    /// # impl Exporter for Scratch {
    /// #     fn name(&self) -> &str {
    /// #         "scratch"
    /// #     }
    /// # }
    /// # let info = ExportInfo::new(Scratch, 4096);
    /// # let buffer = DmaBuf::export(info)?;
    /// use wharf_core::{DataDirection, Errno, FenceContext, Usage, Wait};
    ///
    /// let scanout = FenceContext::new("display", "crtc-0").fence(1);
    /// let guard = buffer.reservation().lock(&Wait::forever())?;
    /// guard.reserve_fences(1)?;
    /// guard.add_fence(&scanout.fence(), Usage::Read)?;
    /// drop(guard);
    ///
    /// // The display still reads: others may read as well, and nobody may write.
    /// buffer.begin_cpu_access_within(.., DataDirection::FromDevice, &Wait::not())?.end()?;
    /// let refused = buffer.begin_cpu_access_within(.., DataDirection::ToDevice, &Wait::not());
    /// assert_eq!(refused.map_err(|error| error.errno()).err(), Some(Errno::ETIMEDOUT));
    /// scanout.signal();
    /// buffer.begin_cpu_access_within(.., DataDirection::ToDevice, &Wait::not())?.end()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    /// `dma_buf_begin_cpu_access` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn begin_cpu_access_within(
        &self,
        range: impl RangeBounds<u64>,
        direction: DataDirection,
        wait: &Wait<'_>,
    ) -> Result<CpuAccess, CpuAccessError> {
        cpu::begin(self, range, direction, wait)
    }

    pub(crate) fn exporter_dyn(&self) -> &dyn Exporter {
        self.shared.exporter.as_ref()
    }

    /// Gives this handle up; returns the buffer itself if it was the last one. Dropping that releases it.
    pub(crate) fn into_last(self) -> Option<Last> {
        Arc::into_inner(self.shared).map(Last)
    }

    pub(crate) fn handle_count(&self) -> usize {
        Arc::strong_count(&self.shared)
    }

    pub(crate) fn devices(&self) -> &Devices {
        &self.shared.devices
    }

    pub(crate) fn vmap_count(&self) -> &VmapCount {
        &self.shared.vmap
    }

    pub(crate) fn user_mappings(&self) -> &UserMappings {
        &self.shared.user_mappings
    }
}

impl PartialEq for DmaBuf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for DmaBuf {}

impl fmt::Debug for DmaBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaBuf")
            .field("id", &self.id().get())
            .field("name", &self.name())
            .field("exporter", &self.exporter_name())
            .field("size_bytes", &self.size_bytes())
            .field("access", &self.access)
            .finish()
    }
}

impl WeakDmaBuf {
    /// Returns a strong handle, or `None` if the buffer has been released or is just being released.
    pub fn upgrade(&self) -> Option<DmaBuf> {
        Some(DmaBuf {
            shared: self.shared.upgrade()?,
            access: self.access,
        })
    }
}

impl fmt::Debug for WeakDmaBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakDmaBuf")
    }
}
