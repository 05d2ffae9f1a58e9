//! What can be seen of a buffer from outside: who is attached, who holds it, what is pending.
//!
//! # References
//! `dma_buf_debug_show` (drivers/dma-buf/dma-buf.c, v6.12), shown as debugfs `dma_buf/bufinfo`.

use std::fmt;

use crate::attachment::AttachmentSnapshot;
use crate::{BufferId, BufferName, DmaBuf, FenceStatus, Usage};

/// The state of a buffer at about one moment.
///
/// Printed, it is one line for the buffer, one for each attachment and one for each pending fence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BufferSnapshot {
    /// The buffer's number.
    pub id: BufferId,
    /// Its name, if it has one.
    pub name: Option<BufferName>,
    /// The name of its exporter.
    pub exporter: Box<str>,
    /// What its exporter does for devices.
    pub role: ExporterRole,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// How many strong handles there are, those of attachments, mappings and guards included.
    pub handles: usize,
    /// Whether somebody holds the reservation.
    pub is_locked: bool,
    /// Whether it was taken away for good.
    pub is_revoked: bool,
    /// Whether the CPU has it mapped in this process, by vmap.
    pub is_vmapped: bool,
    /// How many user mappings there are.
    pub user_mappings: usize,
    /// The attachments, in the order of attaching.
    pub attachments: Vec<AttachmentSnapshot>,
    /// The fences on the reservation, in the order of adding.
    pub fences: Vec<FenceSnapshot>,
}

/// What an exporter does for devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExporterRole {
    /// Nothing.
    Unmappable,
    /// Its memory never moves.
    Static,
    /// Its memory may move.
    Dynamic,
}

/// One fence on a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FenceSnapshot {
    /// What it means for others.
    pub usage: Usage,
    /// Who signals it.
    pub driver: Box<str>,
    /// On which timeline.
    pub timeline: Box<str>,
    /// The point on the timeline.
    pub seqno: u64,
    /// How far it is, as far as anybody has noticed.
    pub status: FenceStatus,
}

impl DmaBuf {
    /// Returns what can be seen of the buffer.
    ///
    /// # Blocking
    /// No, not even while others hold the reservation. It calls nobody: neither exporter nor importers nor the sources of fences; but an
    /// attachment whose last handle goes at this very moment may end on this thread.
    ///
    /// # Examples
    /// ```
    /// # use wharf_core::{DmaBuf, Exporter, ExportInfo};
    /// # struct Scratch;
    /// # impl Exporter for Scratch {
    /// #     fn name(&self) -> &str {
    /// #         "scratch"
    /// #     }
    /// # }
    /// let buffer = DmaBuf::export(ExportInfo::new(Scratch, 4096))?;
    /// let seen = buffer.snapshot();
    /// assert_eq!((seen.handles, seen.attachments.len()), (1, 0));
    /// assert!(seen.to_string().contains("4096 bytes by 'scratch'"));
    /// # Ok::<(), wharf_core::ExportError>(())
    /// ```
    ///
    /// # References
    /// `dma_buf_debug_show` (drivers/dma-buf/dma-buf.c, v6.12).
    // DIFFERENCE: the kernel takes each reservation, so that a stuck lock blocks the report that would show it.
    pub fn snapshot(&self) -> BufferSnapshot {
        let attached = self.devices().attachments();
        let attachments: Vec<_> = attached.iter().map(|core| core.snapshot()).collect();
        drop(attached);
        BufferSnapshot {
            id: self.id(),
            name: self.name(),
            exporter: self.exporter_name().into(),
            role: self.devices().role(),
            size_bytes: self.size_bytes(),
            handles: self.handle_count(),
            is_locked: self.reservation().is_locked(),
            is_revoked: self.devices().is_revoked(),
            is_vmapped: self.vmap_count().is_in_use(),
            user_mappings: self.user_mappings().count(),
            attachments,
            fences: self.fence_snapshots(),
        }
    }

    fn fence_snapshots(&self) -> Vec<FenceSnapshot> {
        let fences = self.reservation().all_fences();
        fences
            .map(|(fence, usage)| FenceSnapshot {
                usage,
                driver: fence.driver().into(),
                timeline: fence.timeline().into(),
                seqno: fence.seqno(),
                status: fence.noticed_status(),
            })
            .collect()
    }
}

impl fmt::Display for BufferSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "buffer {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " '{name}'")?;
        }
        write!(
            f,
            ": {} bytes by '{}' ({:?}), {} handles",
            self.size_bytes, self.exporter, self.role, self.handles
        )?;
        for (is_so, text) in [
            (self.is_locked, ", locked"),
            (self.is_vmapped, ", vmapped"),
            (self.is_revoked, ", revoked"),
        ] {
            f.write_str(if is_so { text } else { "" })?;
        }
        if self.user_mappings > 0 {
            write!(f, ", {} user mappings", self.user_mappings)?;
        }
        for attachment in &self.attachments {
            write!(f, "\n  {attachment}")?;
        }
        for fence in &self.fences {
            write!(f, "\n  {fence}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FenceSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "fence {:?} {}:{} #{} ",
            self.usage, self.driver, self.timeline, self.seqno
        )?;
        match self.status.error() {
            Some(error) => write!(f, "failed: {error}"),
            None if self.status.is_signaled() => f.write_str("signaled"),
            None => f.write_str("pending"),
        }
    }
}
