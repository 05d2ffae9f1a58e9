//! Calls on devices and descriptors, each with the argument that belongs to it.
//!
//! Every call here has a type of its own for what goes in and what comes out, so that the rest of the house makes none by number. Which
//! descriptor it is made on is the caller's business: one that is something else answers `ENOTTY`.
//!
//! References: `linux/dma-buf.h`, `linux/dma-heap.h`, `linux/udmabuf.h`, `linux/sync_file.h` of the user-space headers, v6.12.

mod buffer;
mod heap;
mod raw;
mod sync_file;

pub use buffer::{add_fences, begin_or_end_access, set_name, take_fences};
pub use heap::{MemoryPart, allocate, make_of_part, make_of_parts};
pub use sync_file::{Fences, advance, ask, hint_deadline, make_fence, merge};
