//! Exporters that can be watched and told to fail.

use wharf_core::Errno;

use super::{DeferredSut, MismatchPolicy};

/// What an exporter is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// To take note of a device.
    Attach,
    /// To forget it.
    Detach,
    /// To keep the memory where it is.
    Pin,
    /// To end that.
    Unpin,
    /// To make the memory reachable for a device.
    Map,
    /// To end that.
    Unmap,
    /// To allocate memory.
    Allocate,
    /// To make caches right for the CPU.
    BeginCpuAccess,
    /// To make caches right for devices.
    EndCpuAccess,
    /// To let go of the buffer.
    Release,
}

/// A call that was made, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Called {
    /// What was asked.
    pub call: Call,
    /// Whether the buffer's lock was held.
    pub is_locked: bool,
}

/// How an exporter fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It says no. A number that is no error must not reach anybody.
    Refuse(Errno),
    /// It panics, dies, or whatever else a bug does.
    Panic,
    /// It answers with a table that is shorter than the buffer.
    ShortTable,
    /// It answers with a table of addresses that no device here reaches: the last page of 64 bits, again and again.
    WrongTable,
}

/// A system whose exporters can be watched and told to fail.
pub trait ExporterSut: DeferredSut {
    /// Has the exporter of this buffer fail in a call from now on, or no longer.
    fn set_fault(&self, buffer: &Self::Buffer, call: Call, fault: Option<Fault>);

    /// Returns what the exporter of this buffer was asked since the last time, without brackets of CPU access and releases.
    fn take_calls(&self, buffer: &Self::Buffer) -> Vec<Called>;
}

/// What an exporter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Its memory never moves.
    Static,
    /// The same, and it keeps the first mapping of an attachment for all others.
    Caching,
    /// Its memory may move, and can be pinned.
    Dynamic,
}

/// A system with exporters of all kinds.
pub trait PairingSut: ExporterSut {
    /// Makes a buffer of an exporter of this kind.
    fn create_as(&self, kind: Kind, policy: MismatchPolicy, size_bytes: u64) -> Result<Self::Buffer, Errno>;
}
