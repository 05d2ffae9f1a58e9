//! The kernel's interface to dma-bufs and what belongs to them: the numbers of calls and the layouts of their arguments.
//!
//! | module | device or descriptor | calls |
//! |---|---|---|
//! | [`dma_heap`] | `/dev/dma_heap/*` | `ALLOC` |
//! | [`udmabuf`] | `/dev/udmabuf` | `CREATE`, `CREATE_LIST` |
//! | [`dma_buf`] | a buffer | `SYNC`, `SET_NAME`, `EXPORT_SYNC_FILE`, `IMPORT_SYNC_FILE` |
//! | [`sync_file`] | a fence as a file | `MERGE`, `FILE_INFO`, `SET_DEADLINE` |
//! | [`drm`] | `/dev/dri/card*` | those of `vgem` that make buffers and fences |
//! | [`sw_sync`] | a timeline driven by a program | `CREATE_FENCE`, `INC`, `GET_DEADLINE` |
//!
//! No system calls and no `unsafe`: arguments are made from bytes and turned into bytes, in the byte order of the machine. The
//! layouts are those of C on every architecture, for 32-bit programs too; `tests/layout.rs` compares them with the system's headers.
//! Numbers follow the common encoding of [`ioctl`], which all architectures use but Alpha, MIPS, PowerPC and SPARC.
//!
//! Contract: E1. Facts: kernel 6.x user-space headers.

#![forbid(unsafe_code)]

#[macro_use]
mod argument;
pub mod dma_buf;
pub mod dma_heap;
pub mod drm;
pub mod ioctl;
pub mod sw_sync;
pub mod sync_file;
pub mod udmabuf;

pub use ioctl::Ioctl;
