//! The memory that frames are made in.

use wharf::layout::{FrameLayout, LayoutError};
use wharf::{BufferPlan, Producer};

use crate::report::MemoryReport;
use crate::shared;
use crate::size::Size;

/// One generation of the stream's buffers, as the camera uses them.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) size: Size,
    /// How pictures lie in each buffer.
    pub(super) layout: FrameLayout,
    pub(super) report: MemoryReport,
}

/// Why pictures have no place in memory that was negotiated for them. Blame: the broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoLayout {
    /// Nothing is said about pictures.
    #[error("generation {generation} of the buffers came without a layout")]
    Missing { generation: u64 },
    /// What is said does not suit them.
    #[error("generation {generation} of the buffers: {source}")]
    Unsuitable { generation: u64, source: LayoutError },
}

impl Memory {
    /// Learns about the buffers that the producer has in use.
    pub(super) fn of(producer: &Producer, size: Size) -> Result<Self, NoLayout> {
        let generation = producer.generation();
        let negotiated = producer.layout().ok_or(NoLayout::Missing { generation })?;
        let layout = shared::layout(&negotiated, size);
        let layout = layout.map_err(|source| NoLayout::Unsuitable { generation, source })?;
        let plan = BufferPlan::read(producer.plan());
        Ok(Self {
            size,
            layout,
            report: describe(producer, plan.as_ref()),
        })
    }
}

/// Describes memory for people. What is not known of it is 0 or empty.
fn describe(producer: &Producer, plan: Option<&BufferPlan>) -> MemoryReport {
    let luma = plan.and_then(|plan| plan.image.as_ref()?.planes.first().copied());
    let memory = plan.and_then(|plan| plan.memories.first());
    let buffers = producer.buffers();
    MemoryReport {
        generation: producer.generation(),
        heap: plan
            .and_then(|plan| plan.heaps.first())
            .map(ToString::to_string)
            .unwrap_or_default(),
        // CAST: usize is at most 64 bits wide on Linux.
        count: buffers.len() as u64,
        size_bytes: buffers.first().map_or(0, wharf::DmaBuf::size_bytes),
        chunk_bytes: memory.map_or(0, |memory| memory.min_chunk_bytes),
        stride_bytes: luma.map_or(0, |luma| luma.stride_bytes),
        rows: luma.map_or(0, |luma| luma.rows),
    }
}
