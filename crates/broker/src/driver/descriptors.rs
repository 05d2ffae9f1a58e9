//! The descriptors the broker holds, under the names the state machine knows them by.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use wharf_linux::{BellEnd, HeapMemory, Memfd, PidFd, Residency};

use super::disposal::Disposal;
use crate::state::FdHandle;

/// On whose account the broker's own descriptors are closed. No peer can make that wait.
const OURS: u32 = 0;

/// A descriptor the broker holds.
#[derive(Debug)]
pub(super) enum Descriptor {
    /// Memory, as it was created or received.
    Memory(Memfd),
    /// Memory, opened again for reading only.
    ReadOnly(OwnedFd),
    /// The process of a peer.
    Process(PidFd),
    /// An end of a doorbell.
    Bell(BellEnd),
    /// Something a peer sent that cannot be shared. It is not kept.
    Refused,
}

/// A descriptor that may also wait in the output of several peers, or be on its way to be sealed.
pub(super) type Shared = Arc<Kept>;

/// A descriptor that is closed elsewhere, wherever its last user drops it: freeing its memory can take its time.
#[derive(Debug)]
pub(super) struct Kept {
    descriptor: Descriptor,
    /// What keeps its pages in RAM.
    residency: Option<Arc<Residency>>,
    disposal: Disposal,
}

impl Kept {
    pub(super) fn new(descriptor: Descriptor, disposal: &Disposal) -> Self {
        Self {
            descriptor,
            residency: None,
            disposal: disposal.clone(),
        }
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor.fd()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.descriptor, Descriptor::Refused) {
            memory @ (Descriptor::Memory(_) | Descriptor::ReadOnly(_)) => {
                self.disposal.dispose(OURS, (memory, self.residency.take()));
            }
            Descriptor::Process(_) | Descriptor::Bell(_) | Descriptor::Refused => {}
        }
    }
}

impl Descriptor {
    /// The descriptor, if there is one.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Memory(memory) => Some(memory.as_fd()),
            Self::ReadOnly(fd) => Some(fd.as_fd()),
            Self::Process(process) => Some(process.as_fd()),
            Self::Bell(end) => Some(end.as_fd()),
            Self::Refused => None,
        }
    }

    /// The same memory as a read-only description of its own, so that its receivers share neither flags nor offset with its
    /// maker. Where `/proc` is not to be had, sealed memory is as good as it is.
    pub(super) fn read_only(memory: Memfd) -> Self {
        reopen(&memory).map_or_else(|| Self::Memory(memory), Self::ReadOnly)
    }
}

/// Opens memory again for reading only. `None` where that cannot be done.
pub(super) fn reopen(memory: &Memfd) -> Option<OwnedFd> {
    memory
        .reopen_read_only()
        .inspect_err(|error| tracing::debug!(%error, "sharing memory by its own descriptor"))
        .ok()
}

/// All descriptors the state machine knows of.
#[derive(Debug)]
pub(super) struct Descriptors {
    held: HashMap<FdHandle, Shared>,
    last: u64,
    released: Disposal,
}

impl Descriptors {
    /// Knows no descriptor yet; `released` closes them.
    pub(super) fn new(released: &Disposal) -> Self {
        Self {
            held: HashMap::new(),
            last: 0,
            released: released.clone(),
        }
    }

    /// Takes in a descriptor and names it.
    pub(super) fn add(&mut self, descriptor: Descriptor) -> FdHandle {
        self.last += 1;
        let handle = FdHandle(self.last);
        self.held
            .insert(handle, Arc::new(Kept::new(descriptor, &self.released)));
        handle
    }

    /// Takes in what a heap gave and names it. What keeps its pages in RAM lasts as long as the name and all who send it.
    pub(super) fn add_memory(&mut self, memory: HeapMemory) -> FdHandle {
        let (memory, residency) = memory.into_parts();
        self.last += 1;
        let handle = FdHandle(self.last);
        let mut kept = Kept::new(Descriptor::Memory(memory), &self.released);
        kept.residency = Some(Arc::new(residency));
        self.held.insert(handle, Arc::new(kept));
        handle
    }

    pub(super) fn get(&self, handle: FdHandle) -> Option<&Shared> {
        self.held.get(&handle)
    }

    /// Gives a descriptor away: its name means nothing from now on.
    pub(super) fn take(&mut self, handle: FdHandle) -> Option<Shared> {
        self.held.remove(&handle)
    }

    pub(super) fn remove(&mut self, handle: FdHandle) {
        self.held.remove(&handle);
    }

    pub(super) fn clear(&mut self) {
        self.held.clear();
    }

    /// Lets a name stand for another descriptor of the same memory, if it still stands for one. The one before is closed here if nobody uses
    /// it any more: as the memory stays, that frees nothing and takes no time.
    pub(super) fn replace(&mut self, handle: FdHandle, descriptor: Descriptor) {
        if let Some(held) = self.held.get_mut(&handle) {
            let mut kept = Kept::new(descriptor, &self.released);
            kept.residency.clone_from(&held.residency);
            let before = std::mem::replace(held, Arc::new(kept));
            if let Some(mut before) = Arc::into_inner(before) {
                before.descriptor = Descriptor::Refused;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many descriptors of this process are of a memory file of this name.
    fn count_open(name: &str) -> usize {
        let links = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
        let of_it = |target: &std::path::PathBuf| target.to_string_lossy().contains(name);
        targets.filter(of_it).count()
    }

    #[test]
    fn replaced_descriptor_is_closed_at_once() {
        let name = "replaced-descriptor";
        let memory = Memfd::create(name, 4096).unwrap();
        let again = memory.reopen_read_only().unwrap();
        let mut descriptors = Descriptors::new(&Disposal::new("test"));
        let handle = descriptors.add(Descriptor::Memory(memory));
        assert_eq!(count_open(name), 2);
        descriptors.replace(handle, Descriptor::ReadOnly(again));
        assert_eq!(count_open(name), 1);
    }
}
