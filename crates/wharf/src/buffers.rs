//! Buffers that the broker allocated, as dma-bufs of this process.

mod moving;
mod negotiated;
#[cfg(test)]
mod tests;
pub(crate) mod twin;

use crate::connection::Connection;
use crate::error::{BufferError, SessionError};
use crate::generation::{Generation, Share};
pub use moving::{Contents, Reallocation};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wharf_core::{AccessMode, BufferName, DmaBuf, ExportInfo, Exporter};
use wharf_linux::dma_buf::KernelBuffer;
use wharf_linux::{HeapError, Memfd, MemfdError, MemfdExporter};
use wharf_memory::Mapping;
use wharf_protocol::{FreeBuffers, IssueToken, ObjectKind, ReleaseImport, Role, SetId, Token};

/// What buffers to allocate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferSpec<'a> {
    /// What people call them: 1 to 31 bytes.
    pub name: &'a str,
    /// Size of each in bytes, at least 1; rounded up to whole pages.
    pub size_bytes: u64,
    /// How many: 1..=64.
    pub count: u32,
}

/// The exporter behind every buffer that came from the broker: a proxy for it in this process.
///
/// It holds the buffer's memory file and its one mapping. The kernel frees the memory when the last process has let go; the
/// broker's own hold ends with the set.
#[derive(Debug)]
pub struct BrokerBuffer {
    memory: MemfdExporter,
    /// The same memory as a dma-buf.
    dma_buf: Option<KernelBuffer>,
    /// Its descriptor was asked for: others may have it.
    is_shown: AtomicBool,
    /// Keeps the broker's record of the set, or of the membership, until the last buffer is released.
    _hold: Arc<dyn Hold>,
}

/// What keeps buffers valid at the broker: a set this session owns or imported, or its membership in a stream.
pub(crate) trait Hold: Send + Sync + std::fmt::Debug {}

impl BrokerBuffer {
    /// The mapping of the whole buffer into this process.
    pub fn mapping(&self) -> &Mapping {
        self.memory.mapping()
    }

    /// The same memory as a dma-buf of the kernel, for its drivers: for who writes it, if the memory is of the heap `udmabuf` (somebody in the
    /// set has stated [`needs_dma_buf`](wharf_linux::needs_dma_buf)) and this process may open `/dev/udmabuf`. Whoever gets it can write
    /// the buffer for as long as it lives.
    pub fn dma_buf(&self) -> Option<&KernelBuffer> {
        self.dma_buf.as_ref()
    }
}

impl AsFd for BrokerBuffer {
    /// The buffer's descriptor, to pass to another process or API. With it goes the right to read the buffer for as long as the
    /// descriptor lives, and to write it until a stream is made of it or it is first shared.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // ORDERING: relaxed: who passes the descriptor on while another thread makes a stream of the buffer wins or loses that race.
        self.is_shown.store(true, Ordering::Relaxed);
        self.memory.memfd().as_fd()
    }
}

impl Exporter for BrokerBuffer {
    fn name(&self) -> &str {
        "wharf-broker"
    }
}

/// Equal buffers that belong together: those of one stream.
#[derive(Debug)]
pub struct BufferSet {
    name: String,
    memory: Generation,
    /// What the set is being moved to, made ready.
    next: Option<Generation>,
    share: Share,
}

/// This session's hold on a set; tells the broker when it ends.
#[derive(Debug)]
pub(crate) struct SetHold {
    connection: Arc<Connection>,
    set: SetId,
    origin: Origin,
}

/// How this session came by a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It allocated it, and may write it.
    Allocated,
    /// It imported it, to read.
    Imported,
}

impl SetHold {
    pub(crate) fn new(connection: &Arc<Connection>, set: SetId, origin: Origin) -> Arc<Self> {
        let connection = Arc::clone(connection);
        Arc::new(Self {
            connection,
            set,
            origin,
        })
    }
}

impl Hold for SetHold {}

impl Drop for SetHold {
    fn drop(&mut self) {
        let set = self.set;
        match self.origin {
            Origin::Allocated => self.connection.give_back(FreeBuffers { set }),
            Origin::Imported => self.connection.give_back(ReleaseImport { set }),
        }
    }
}

impl BufferSet {
    /// Takes what the broker sent for the set of `hold`: one descriptor a buffer.
    pub(crate) fn adopt(
        hold: Arc<SetHold>,
        (name, generation, plan): (&str, u64, String),
        fds: (Vec<OwnedFd>, u64),
    ) -> Result<Self, SessionError> {
        let share = Share {
            connection: Arc::clone(&hold.connection),
            set: hold.set,
            role: match hold.origin {
                Origin::Allocated => Role::Owner,
                Origin::Imported => Role::Importer,
            },
            seat: None,
            name: name.to_owned(),
            _hold: hold,
        };
        Ok(Self {
            name: name.to_owned(),
            memory: share.adopt(generation, fds, plan)?,
            next: None,
            share,
        })
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its generation: counts re-allocations, from 1 (contract N5).
    pub fn generation(&self) -> u64 {
        self.memory.number
    }

    /// What its owner says about this generation; empty for the first.
    pub fn plan(&self) -> &str {
        &self.memory.plan
    }

    /// Its buffers.
    pub fn buffers(&self) -> &[DmaBuf] {
        &self.memory.buffers
    }

    /// Makes a token with which `uses` (1..=1000) other sessions can import the set, to read it.
    ///
    /// The first token seals the buffers: nobody can map them for writing from then on. This library has mapped them before.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `EACCES` when the set was imported and not allocated by this session.
    pub fn token(&self, uses: u32) -> Result<Token, SessionError> {
        let request = IssueToken {
            kind: ObjectKind::Set,
            id: self.share.set.0,
            uses,
        };
        Ok(self.share.connection.ask(request)?.token)
    }

    /// Seals the buffers, which are mapped, against other writers, so that the broker need not start a thread for it: sealing waits for
    /// whoever is writing to the file by its descriptor. Buffers whose descriptors others may have are left to the broker, and so are those
    /// that cannot be sealed here.
    pub(crate) fn seal(&self) {
        for buffer in self.buffers().iter().filter_map(DmaBuf::exporter::<BrokerBuffer>) {
            if !buffer.is_shown.load(Ordering::Relaxed) {
                let _ = buffer.memory.memfd().seal_future_writes();
            }
        }
    }

    pub(crate) fn set(&self) -> SetId {
        self.share.set
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.buffers()
            .iter()
            .all(|buffer| buffer.access() == AccessMode::ReadWrite)
    }

    /// Its buffers, and what it takes to move them.
    pub(crate) fn into_parts(self) -> (Generation, Share) {
        (self.memory, self.share)
    }
}

/// Maps and exports descriptors the broker sent, each of which must be a sealed memory file of exactly `size_bytes`; with `twins` as dma-bufs, too.
pub(crate) fn export_all<H: Hold + 'static>(
    fds: Vec<OwnedFd>,
    size_bytes: u64,
    name: &str,
    (access, twins): (AccessMode, bool),
    hold: &Arc<H>,
) -> Result<Vec<DmaBuf>, SessionError> {
    let export = |(index, fd)| {
        let hold: Arc<dyn Hold> = Arc::<H>::clone(hold);
        export_one(fd, size_bytes, name, (access, twins), hold).map_err(|source| SessionError::Buffer {
            name: name.to_owned(),
            index,
            source,
        })
    };
    fds.into_iter().enumerate().map(export).collect()
}

fn export_one(
    fd: OwnedFd,
    size_bytes: u64,
    name: &str,
    (access, twins): (AccessMode, bool),
    hold: Arc<dyn Hold>,
) -> Result<DmaBuf, BufferError> {
    let memfd = Memfd::from_fd(fd).map_err(|error| HeapError::from(MemfdError::from(error)))?;
    let actual_bytes = memfd.inspect().map_err(HeapError::from)?.size_bytes;
    if actual_bytes != size_bytes {
        return Err(BufferError::Size {
            actual_bytes,
            size_bytes,
        });
    }
    let dma_buf = twins.then(|| twin::make(&memfd)).flatten();
    let exporter = BrokerBuffer {
        dma_buf,
        is_shown: AtomicBool::new(false),
        memory: MemfdExporter::map(memfd, access)?,
        _hold: hold,
    };
    // A name from the broker that is no good as a name is not worth failing for.
    let name = BufferName::new(name).ok();
    let info = ExportInfo {
        name,
        access,
        ..ExportInfo::new(exporter, size_bytes)
    };
    Ok(DmaBuf::export(info).map_err(HeapError::from)?)
}

/// The mapping behind a buffer that this library exported.
pub(crate) fn mapping(buffer: &DmaBuf) -> Option<&Mapping> {
    buffer.exporter::<BrokerBuffer>().map(BrokerBuffer::mapping)
}
