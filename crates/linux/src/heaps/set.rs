//! The buffers of a set, from the first heap that can give all.

use std::sync::Arc;

use rustix::io::Errno;

use super::{AllocationRequest, Heap, HeapMemory, HeapRefusal, RefusalReason};

/// Heaps in order, each with a name of its own.
#[derive(Debug, Clone, Default)]
pub struct Heaps {
    pub(super) heaps: Vec<Arc<dyn Heap>>,
}

/// The buffers of a set.
#[derive(Debug)]
pub struct AllocatedSet {
    /// Name of the heap they all come from.
    pub heap: String,
    /// As many as were asked for.
    pub buffers: Vec<HeapMemory>,
    /// What the heaps said that were tried before.
    pub trail: Vec<HeapRefusal>,
}

/// The reason why no heap gave the buffers of a set; nothing is left allocated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetRefusal {
    /// No buffers or no heaps were asked for.
    #[error("no buffers for '{label}': {count} were asked of {heaps} heaps; name at least one of each")]
    Nothing {
        /// For whom the memory was to be.
        label: String,
        /// Buffers asked for.
        count: u32,
        /// Heaps named.
        heaps: usize,
    },
    /// All heaps refused.
    #[error(
        "no heap gives {count} buffers of {size_bytes} bytes for '{label}': {}",
        each(trail)
    )]
    AllRefused {
        /// For whom the memory was to be.
        label: String,
        /// Buffers asked for.
        count: u32,
        /// Bytes asked for, of each.
        size_bytes: u64,
        /// What each heap said, in the order tried.
        trail: Vec<HeapRefusal>,
    },
}

/// Another heap has this name already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is a heap '{name}' already; give the new one another name")]
pub struct DuplicateHeap {
    /// The name.
    pub name: String,
}

impl DuplicateHeap {
    /// EEXIST.
    pub fn errno(&self) -> Errno {
        Errno::EXIST
    }
}

impl SetRefusal {
    /// EINVAL for [`SetRefusal::Nothing`]; otherwise what the last heap said.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Nothing { .. } => Errno::INVAL,
            Self::AllRefused { trail, .. } => trail.last().map_or(Errno::NOMEM, HeapRefusal::errno),
        }
    }

    /// What each heap said, in the order tried.
    pub fn trail(&self) -> &[HeapRefusal] {
        match self {
            Self::Nothing { .. } => &[],
            Self::AllRefused { trail, .. } => trail,
        }
    }
}

fn each(trail: &[HeapRefusal]) -> String {
    let texts: Vec<String> = trail.iter().map(HeapRefusal::to_string).collect();
    texts.join("; ")
}

impl Heaps {
    /// No heaps.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a heap behind the others.
    ///
    /// # Errors
    /// [`DuplicateHeap`] (EEXIST) when its name is taken.
    pub fn add(&mut self, heap: Arc<dyn Heap>) -> Result<(), DuplicateHeap> {
        if let Some(other) = self.get(heap.name()) {
            return Err(DuplicateHeap {
                name: other.name().to_owned(),
            });
        }
        self.heaps.push(heap);
        Ok(())
    }

    /// The heap of this name.
    pub fn get(&self, name: &str) -> Option<&dyn Heap> {
        self.iter().find(|heap| heap.name() == name)
    }

    /// All heaps, in order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Heap> {
        self.heaps.iter().map(|heap| &**heap)
    }

    /// Allocates `count` buffers like `request` from one heap: the first of `order` that can give all of them. What a heap
    /// gave before it refused is freed at once. Contract: N4, N5.
    ///
    /// What heaps give is checked here, so that one which keeps no promise only leads to the next.
    ///
    /// # Blocking
    /// While the kernel finds and zeroes pages.
    ///
    /// # Errors
    /// [`SetRefusal`]: EINVAL when nothing is asked for; otherwise the error number of the last refusal, with all of them.
    pub fn allocate_set(
        &self,
        request: &AllocationRequest,
        count: u32,
        order: &[&str],
    ) -> Result<AllocatedSet, SetRefusal> {
        if count == 0 || order.is_empty() {
            return Err(SetRefusal::Nothing {
                label: request.label.clone(),
                count,
                heaps: order.len(),
            });
        }
        let mut trail = Vec::new();
        for name in order {
            match self.allocate_all(request, count, name) {
                Ok(buffers) => {
                    return Ok(AllocatedSet {
                        heap: (*name).to_owned(),
                        buffers,
                        trail,
                    });
                }
                Err(refusal) => trail.push(refusal),
            }
        }
        Err(SetRefusal::AllRefused {
            label: request.label.clone(),
            count,
            size_bytes: request.size_bytes,
            trail,
        })
    }

    /// All from one heap. Dropping the buffers frees them.
    fn allocate_all(
        &self,
        request: &AllocationRequest,
        count: u32,
        name: &str,
    ) -> Result<Vec<HeapMemory>, HeapRefusal> {
        let refusal = |reason| HeapRefusal::new(name, request, reason);
        let heap = self.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.iter().map(Heap::name).collect();
            refusal(RefusalReason::Unsupported {
                why: format!("there is no such heap, only {known:?}"),
            })
        })?;
        let allocate = |_| {
            let memory = heap.allocate(request)?;
            memory.check(request).map_err(refusal)?;
            Ok(memory)
        };
        (0..count).map(allocate).collect()
    }
}
