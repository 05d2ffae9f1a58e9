//! What a machine has noticed.

use std::fmt;
use std::ops::Range;

use wharf_core::DataDirection;

use super::writes::Party;

/// A mistake of the program under test, as the machine saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Somebody read what was there before the last write.
    Stale(StaleRead),
    /// A device accessed what it may not: what an IOMMU reports.
    Fault(DeviceFault),
}

/// A read of bytes that have been written since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleRead {
    /// What was read: the name of the memory.
    pub buffer: Box<str>,
    /// Which bytes of it.
    pub bytes: Range<u64>,
    /// Who read.
    pub reader: Party,
    /// Who wrote last.
    pub writer: Party,
    /// Why the reader does not see it.
    pub cause: Cause,
}

/// Why a write is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Something was not done at all.
    Missing(Bracket),
    /// It was done in a direction that does not include this.
    WrongDirection {
        /// What was done.
        bracket: Bracket,
        /// In which direction.
        direction: DataDirection,
    },
    /// The write is gone.
    Lost {
        /// What threw it away.
        how: Box<str>,
    },
}

/// What makes writes of one party visible to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bracket {
    /// `begin_cpu_access`, before the CPU reads.
    BeginCpuAccess,
    /// `end_cpu_access`, after the CPU wrote.
    EndCpuAccess,
    /// Mapping for a device, before it reads; or `sync_for_device`.
    Map,
    /// Unmapping from a device, after it wrote; or `sync_for_cpu`, which `begin_cpu_access` does.
    Unmap,
}

/// An access of a device that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFault {
    /// Which device.
    pub device: Box<str>,
    /// Where, in the device's address space.
    pub address: u64,
    /// What it wanted.
    pub access: DeviceAccess,
    /// Why not.
    pub reason: FaultReason,
}

/// What a device wants of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAccess {
    /// To read.
    Read,
    /// To write.
    Write,
}

/// Why a device may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultReason {
    /// Nothing is mapped there.
    NotMapped,
    /// The mapping is for the other direction.
    Direction(DataDirection),
    /// The memory behind the mapping has been given back.
    Freed,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(stale) => stale.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for StaleRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            buffer,
            bytes,
            reader,
            writer,
            cause,
        } = self;
        write!(
            f,
            "'{buffer}', bytes {}..{}: {reader} read what was there before ",
            bytes.start, bytes.end
        )?;
        write!(f, "{writer} wrote: ")?;
        match cause {
            Cause::Missing(bracket @ (Bracket::BeginCpuAccess | Bracket::Map)) => {
                write!(f, "no {bracket} before the read")
            }
            Cause::Missing(bracket) => write!(f, "no {bracket} since the write"),
            Cause::WrongDirection { bracket, direction } => {
                write!(f, "{bracket} was for {direction:?} only")
            }
            Cause::Lost { how } => write!(f, "{how}"),
        }
    }
}

impl fmt::Display for Bracket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeginCpuAccess => "begin_cpu_access",
            Self::EndCpuAccess => "end_cpu_access",
            Self::Map => "mapping for the device",
            Self::Unmap => "unmapping from the device or begin_cpu_access",
        })
    }
}

impl fmt::Display for DeviceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            DeviceAccess::Read => "read",
            DeviceAccess::Write => "write",
        };
        write!(
            f,
            "device '{}' cannot {access} {:#x}: ",
            self.device, self.address
        )?;
        match self.reason {
            FaultReason::NotMapped => f.write_str("nothing is mapped there"),
            FaultReason::Direction(direction) => write!(f, "it is mapped for {direction:?} only"),
            FaultReason::Freed => f.write_str("the memory has been given back"),
        }
    }
}
