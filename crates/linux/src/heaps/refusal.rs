//! Why a heap gives nothing.

use std::fmt;

use rustix::io::Errno;
use wharf_memory::MapError;

use super::AllocationRequest;
use crate::{KernelError, MemfdError};

/// What a heap says when it does not allocate: nothing is left behind, and the next heap can be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("heap '{heap}' refuses {size_bytes} bytes for '{label}': {reason}")]
pub struct HeapRefusal {
    /// Name of the heap.
    pub heap: String,
    /// For whom the memory was to be.
    pub label: String,
    /// Bytes asked for.
    pub size_bytes: u64,
    /// Why.
    pub reason: RefusalReason,
}

/// The reason of a [`HeapRefusal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The size is zero, or too large to be rounded up to whole chunks. EINVAL.
    #[error("no such size; ask for 1 to {max_bytes} bytes")]
    Size {
        /// The largest size, in bytes.
        max_bytes: u64,
    },
    /// There is not enough memory of this kind. ENOMEM.
    #[error("{call} found no memory ({source}); free some, or allow another heap")]
    NoMemory {
        /// The call that failed.
        call: &'static str,
        /// What the kernel answered.
        source: Errno,
    },
    /// The memory would lack a property that was asked for. ENOMEM: memory like this cannot be had now.
    #[error("{field} would be {got}, but {needed} is needed; {}", field.advice())]
    Promise {
        /// The property.
        field: PromiseField,
        /// What was asked for.
        needed: u64,
        /// What there is.
        got: u64,
    },
    /// A limit of this process would be exceeded. EDQUOT.
    #[error(
        "{requested_bytes} bytes more than the {used_bytes} bytes locked already exceed the limit of {limit_bytes} bytes; raise {limit}"
    )]
    Limit {
        /// Name of the limit.
        limit: &'static str,
        /// The limit in bytes.
        limit_bytes: u64,
        /// Bytes used of it.
        used_bytes: u64,
        /// Bytes asked for, in whole chunks.
        requested_bytes: u64,
    },
    /// This machine or kernel cannot do it at all. EOPNOTSUPP.
    #[error("not possible here: {why}")]
    Unsupported {
        /// What is missing, and where it would come from.
        why: String,
    },
    /// The memory file could not be made, for other reasons than want of memory: mostly out of descriptors.
    #[error(transparent)]
    Memfd(MemfdError),
    /// The kernel would not make it what it is to be, for other reasons than want of memory.
    #[error(transparent)]
    Kernel(KernelError),
    /// The memory could not be mapped to be prepared, for other reasons than want of memory.
    #[error("it cannot be mapped to prepare it: {0}")]
    Map(MapError),
}

/// A property that memory lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PromiseField {
    /// Bytes of the whole.
    SizeBytes,
    /// Bytes of each contiguous piece.
    ChunkBytes,
    /// Bytes that were verified to be in contiguous pieces of the size promised.
    BytesInChunks,
    /// 1 for pages that stay in RAM.
    Locked,
}

impl PromiseField {
    /// Its name, with the unit.
    pub fn name(self) -> &'static str {
        match self {
            Self::SizeBytes => "size_bytes",
            Self::ChunkBytes => "chunk_bytes",
            Self::BytesInChunks => "bytes_in_chunks",
            Self::Locked => "locked",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::SizeBytes => "this heap is at fault, use another",
            Self::ChunkBytes => "use a heap with larger chunks",
            Self::BytesInChunks => {
                "free memory is in pieces: reserve huge pages (vm.nr_hugepages) or allow another heap"
            }
            Self::Locked => "use a heap that locks",
        }
    }
}

impl fmt::Display for PromiseField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl HeapRefusal {
    /// What heap `heap` says to `request`.
    pub fn new(heap: &str, request: &AllocationRequest, reason: RefusalReason) -> Self {
        Self {
            heap: heap.to_owned(),
            label: request.label.clone(),
            size_bytes: request.size_bytes,
            reason,
        }
    }

    /// The error number of the reason.
    pub fn errno(&self) -> Errno {
        self.reason.errno()
    }
}

impl RefusalReason {
    /// The error number, as given at each variant; otherwise that of the call that failed.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Size { .. } => Errno::INVAL,
            Self::NoMemory { .. } | Self::Promise { .. } => Errno::NOMEM,
            Self::Limit { .. } => Errno::DQUOT,
            Self::Unsupported { .. } => Errno::OPNOTSUPP,
            Self::Memfd(error) => error.errno(),
            Self::Kernel(error) => error.errno(),
            Self::Map(error) => error.errno(),
        }
    }

    /// Nothing wrong if there is as much as is needed.
    pub(super) fn unless_enough(field: PromiseField, needed: u64, got: u64) -> Result<(), Self> {
        if got >= needed {
            return Ok(());
        }
        Err(Self::Promise { field, needed, got })
    }
}

impl From<MemfdError> for RefusalReason {
    fn from(error: MemfdError) -> Self {
        match error {
            MemfdError::System { syscall, source, .. } if is_no_memory(source) => Self::NoMemory {
                call: syscall,
                source,
            },
            other => Self::Memfd(other),
        }
    }
}

impl From<KernelError> for RefusalReason {
    fn from(error: KernelError) -> Self {
        if is_no_memory(error.errno()) {
            return Self::NoMemory {
                call: error.call(),
                source: error.errno(),
            };
        }
        Self::Kernel(error)
    }
}

impl From<MapError> for RefusalReason {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Os { call, errno, .. } if is_no_memory(errno) => Self::NoMemory { call, source: errno },
            other => Self::Map(other),
        }
    }
}

/// The pool of huge pages says ENOSPC when it is empty.
fn is_no_memory(errno: Errno) -> bool {
    matches!(errno, Errno::NOMEM | Errno::NOSPC)
}
