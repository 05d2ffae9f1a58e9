//! Access of the CPU: windows, pages of a window, and the bytes behind them.
//!
//! | Call | Kernel | The exporter needs |
//! |---|---|---|
//! | [`DmaBuf::begin_cpu_access`](crate::DmaBuf::begin_cpu_access) … [`CpuAccess::end`] | `dma_buf_begin_cpu_access`, `DMA_BUF_IOCTL_SYNC` | nothing |
//! | [`CpuAccess::page`] | `dma_buf_kmap` (up to v5.5) | [`CpuBytes`] |
//! | [`DmaBuf::vmap_unlocked`](crate::DmaBuf::vmap_unlocked) | `dma_buf_vmap_unlocked` | [`VmapExporter`](crate::VmapExporter) |
//! | [`DmaBuf::map_user`](crate::DmaBuf::map_user) | `mmap` | [`UserMappingExporter`](crate::UserMappingExporter) |
//!
//! Contents are copied in and out and never seen as a Rust slice: others may write them at any moment. Contracts: C3, C5, C7.

mod access;
mod bytes;
mod page;

pub(crate) use access::begin;
pub use access::{CpuAccess, CpuAccessError};
pub(crate) use bytes::span;
pub use bytes::{CpuBytes, CpuBytesError};
pub use page::{Page, PageMut};
