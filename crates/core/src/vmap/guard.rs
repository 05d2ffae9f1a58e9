//! Buffers while they are mapped for the CPU of this process.

use std::fmt;
use std::sync::Arc;

use super::VmapError;
use super::count::{Mapped, Refused};
use crate::attachment::ensure_backing;
use crate::cpu::span;
use crate::exporter::call;
use crate::{AccessMode, CpuBytes, CpuBytesError, DmaBuf, Refusal, ReservationGuard, Wait};

/// A buffer mapped for the CPU of this process; the exporter unmaps it after the last of these guards.
///
/// It keeps the buffer alive, so a buffer is never released while it is mapped: the kernel has a `BUG_ON` there. Unless the
/// exporter's memory is always coherent, open a window with [`DmaBuf::begin_cpu_access`] around accesses. Contracts: C5, C7.
///
/// The last one to be dropped unmaps with the reservation held: at once if it is free, or when its holder unlocks it.
///
/// # References
/// `dma_buf_vmap`, `dma_buf_vunmap` (drivers/dma-buf/dma-buf.c, v6.12).
#[must_use = "the buffer is unmapped when the guard is dropped"]
pub struct Vmap {
    buffer: DmaBuf,
    /// Here until the drop.
    bytes: Option<Mapped>,
}

impl DmaBuf {
    /// Maps the whole buffer for the CPU of this process; a buffer that is mapped already is not mapped again but counted.
    ///
    /// # Blocking
    /// As long as the exporter takes; a buffer that has no memory yet gets it now.
    ///
    /// # Locking
    /// `guard` holds the buffer's reservation.
    ///
    /// # Errors
    /// Nothing is left behind by any. [`VmapError::Unsupported`]: EINVAL when the exporter has no
    /// [`VmapExporter`](crate::VmapExporter). [`VmapError::WrongGuard`]: EINVAL. [`VmapError::Backing`]: ENOMEM and the like.
    /// [`VmapError::Recursive`]: EDEADLK. [`VmapError::Exporter`]: the
    /// exporter's own number, or EIO when it panics.
    ///
    /// # Examples
    /// See [`DmaBuf::vmap_unlocked`].
    ///
    /// # References
    /// `dma_buf_vmap` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn vmap(&self, guard: &ReservationGuard<'_>) -> Result<Vmap, VmapError> {
        if !guard.guards(self.reservation()) {
            return Err(VmapError::WrongGuard { buffer: self.id() });
        }
        if self.devices().is_revoked() {
            return Err(VmapError::Revoked { buffer: self.id() });
        }
        self.ensure_for_vmap()?;
        let exporter = self.exporter_dyn();
        match self.vmap_count().acquire(guard, exporter) {
            Ok(bytes) => {
                tracing::debug!(target: "wharf_core::cpu", buffer = self.id().get(), "vmapped");
                Ok(Vmap {
                    buffer: self.clone(),
                    bytes: Some(bytes),
                })
            }
            Err(refused) => Err(self.vmap_error(refused)),
        }
    }

    fn ensure_for_vmap(&self) -> Result<(), VmapError> {
        let answer = call(|| Ok(self.exporter_dyn().vmap_ops().is_some()));
        match answer {
            Ok(true) => {}
            Ok(false) => return Err(self.vmap_error(Refused::Unsupported)),
            Err(fault) => return Err(self.vmap_error(Refused::Fault(fault))),
        }
        ensure_backing(self).map_err(|source| VmapError::Backing {
            buffer: self.id(),
            source: Box::new(source),
        })
    }

    fn vmap_error(&self, refused: Refused) -> VmapError {
        let (buffer, exporter) = (self.id(), self.exporter_name().into());
        match refused {
            Refused::Unsupported => VmapError::Unsupported { buffer, exporter },
            Refused::Recursive => VmapError::Recursive { buffer, exporter },
            Refused::Fault(fault) => VmapError::Exporter {
                buffer,
                exporter,
                fault,
            },
        }
    }

    /// Does what [`DmaBuf::vmap`] does, and locks the reservation meanwhile.
    ///
    /// # Blocking
    /// For the reservation, within the bounds of `wait`, and as long as the exporter takes.
    ///
    /// # Locking
    /// Takes the reservation; this thread must not hold one.
    ///
    /// # Errors
    /// [`VmapError::Lock`]: ETIMEDOUT, EINTR, or EDEADLK when this thread holds the reservation. Otherwise as [`DmaBuf::vmap`].
    ///
    /// # Examples
    /// ```
    /// # use wharf_core::{
    /// #     AccessMode, CpuBytes, DmaBuf, Exporter, ExportInfo, Refusal, ReservationGuard, VmapExporter, Wait,
    /// # };
    /// struct Zeroes;
    /// # impl CpuBytes for Zeroes {
    /// #     fn read_at(&self, _: u64, into: &mut [u8]) -> Result<(), Refusal> {
    /// #         into.fill(0);
    /// #         Ok(())
    /// #     }
    /// #     fn write_at(&self, _: u64, _: &[u8]) -> Result<(), Refusal> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// impl VmapExporter for Zeroes {
    ///     fn vmap(&self, _: &ReservationGuard<'_>) -> Result<Box<dyn CpuBytes>, Refusal> {
    ///         Ok(Box::new(Zeroes))
    ///     }
    /// }
    /// impl Exporter for Zeroes {
    ///     fn name(&self) -> &str {
    ///         "zeroes"
    ///     }
    ///     fn vmap_ops(&self) -> Option<&dyn VmapExporter> {
    ///         Some(self)
    ///     }
    /// }
    ///
    /// # let info = ExportInfo::new(Zeroes, 8192);
    /// # let buffer = DmaBuf::export(info)?;
    /// let vmap = buffer.vmap_unlocked(&Wait::forever())?;
    /// let mut metadata = [0xff; 16];
    /// vmap.read_at(64, &mut metadata)?;
    /// assert_eq!(metadata, [0; 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    /// `dma_buf_vmap_unlocked` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn vmap_unlocked(&self, wait: &Wait<'_>) -> Result<Vmap, VmapError> {
        if !self.devices().is_dynamic() && !self.devices().is_revoked() {
            // Before the lock, which a static exporter is not called with where it can be helped.
            self.ensure_for_vmap()?;
        }
        let guard = self.reservation().lock(wait).map_err(|source| VmapError::Lock {
            buffer: self.id(),
            source,
        })?;
        self.vmap(&guard)
    }
}

impl Vmap {
    /// Returns the buffer that is mapped.
    pub fn buffer(&self) -> &DmaBuf {
        &self.buffer
    }

    /// Copies the bytes from `offset_bytes` of the buffer on into all of `into`.
    ///
    /// # Blocking
    /// As long as the exporter takes.
    ///
    /// # Locking
    /// None is held or taken.
    ///
    /// # Errors
    /// [`CpuBytesError::Outside`]: EINVAL past the end of the buffer. [`CpuBytesError::Overflow`]: EOVERFLOW.
    /// [`CpuBytesError::Exporter`]: the exporter's own number, or EIO when it panics; `into` may have been written in part.
    pub fn read_at(&self, offset_bytes: u64, into: &mut [u8]) -> Result<(), CpuBytesError> {
        let start_bytes = self.check(offset_bytes, into.len())?;
        self.copy(into.is_empty(), |bytes| bytes.read_at(start_bytes, into))
    }

    /// Copies all of `from` to the bytes from `offset_bytes` of the buffer on.
    ///
    /// # Blocking
    /// As long as the exporter takes.
    ///
    /// # Locking
    /// None is held or taken.
    ///
    /// # Errors
    /// [`CpuBytesError::ReadOnly`]: EACCES when the buffer was mapped through a read-only handle. Otherwise as
    /// [`Vmap::read_at`]; the buffer may have been written in part.
    pub fn write_at(&self, offset_bytes: u64, from: &[u8]) -> Result<(), CpuBytesError> {
        if self.buffer.access() == AccessMode::ReadOnly {
            let buffer = self.buffer.id();
            return Err(CpuBytesError::ReadOnly { buffer });
        }
        let start_bytes = self.check(offset_bytes, from.len())?;
        self.copy(from.is_empty(), |bytes| bytes.write_at(start_bytes, from))
    }

    fn check(&self, offset_bytes: u64, len: usize) -> Result<u64, CpuBytesError> {
        span(
            self.buffer.id(),
            0,
            offset_bytes,
            len,
            &(0..self.buffer.size_bytes()),
        )
    }

    fn copy(
        &self,
        nothing: bool,
        copy: impl FnOnce(&dyn CpuBytes) -> Result<(), Refusal>,
    ) -> Result<(), CpuBytesError> {
        match &self.bytes {
            Some(bytes) if !nothing => call(|| copy(bytes.as_ref().as_ref()))
                .map_err(|fault| CpuBytesError::exporter(&self.buffer, fault)),
            _ => Ok(()),
        }
    }
}

impl Drop for Vmap {
    fn drop(&mut self) {
        // The guard's share goes first, so that the last guard leaves the count with the only one.
        self.bytes = None;
        if self.buffer.vmap_count().release_unless_last() {
            return;
        }
        let buffer = self.buffer.clone();
        let reservation = Arc::clone(buffer.reservation());
        reservation.defer(move |guard| {
            buffer.vmap_count().release(guard, buffer.exporter_dyn());
            tracing::debug!(target: "wharf_core::cpu", buffer = buffer.id().get(), "vmap given up");
            // The buffer may be released with this handle, and its exporter expects no lock then.
            Some(Box::new(move || drop(buffer)))
        });
    }
}

impl fmt::Debug for Vmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vmap")
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
