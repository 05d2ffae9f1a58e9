//! Soft devices: a machine in which a forgotten bracket shows stale data, every time, and is named.
//!
//! | Type | Plays |
//! |---|---|
//! | [`SoftMachine`] | memory that may be scattered, and a CPU whose cache no device sees |
//! | [`SoftDevice`] | a device with any limits, directly addressed or behind an IOMMU, coherent or with a cache of its own |
//! | [`Job`], [`SoftJob`] | its DMA engine: a thread that fills, copies and sums up, and signals fences |
//! | [`SoftExporter`] | exporters of that memory: static, dynamic, deferring |
//! | [`Finding`] | what the machine has noticed: stale reads, with what was missing, and accesses outside mappings |
//!
//! The caches are worse than real ones in that nothing ever leaves them by itself, and better in that every mistake shows: real
//! ones evict lines at any time, so that the same mistake shows once in a thousand runs.
//!
//! # Examples
//! The CPU forgets to tell that it has written:
//! ```
//! use wharf_core::dma::{Coherency, DmaLimits, DmaOps};
//! use wharf_core::{DataDirection, Wait};
//! use wharf_testkit::soft::{Job, Placement, SoftDevice, SoftMachine, Span};
//!
//! let machine = SoftMachine::new([0..=0xffff_ffff]);
//! let limits = DmaLimits::builder().coherency(Coherency::NeedsSync).build()?;
//! let encoder = SoftDevice::new(&machine, "encoder", limits.clone())?;
//! let storage = machine.allocate("frame", 0x1000, &Placement::contiguous())?;
//!
//! let table = encoder.device().ops().map(&storage, &limits, DataDirection::ToDevice)?;
//! machine.cpu_write(&storage, 0, &[1; 64])?;
//! encoder.submit(Job::Checksum { of: Span::all(&table) }).fence().wait(&Wait::forever())?;
//!
//! let findings = machine.take_findings();
//! assert_eq!(
//!     findings[0].to_string(),
//!     "'frame', bytes 0..64: device 'encoder' read what was there before the CPU wrote: no end_cpu_access since the write"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address_space;
mod cache;
mod device;
mod dma;
mod engine;
mod exporter;
mod exporting;
mod finding;
mod job;
mod machine;
mod memory;
mod state;
mod writes;

pub use cache::LINE_BYTES;
pub use device::{SoftDevice, SoftDeviceBuilder};
pub use engine::Held;
pub use exporter::{SoftExportError, SoftExporter};
pub use finding::{Bracket, Cause, DeviceAccess, DeviceFault, FaultReason, Finding, StaleRead};
pub use job::{Job, SoftJob, Span, checksum};
pub use machine::SoftMachine;
pub use memory::{OutOfMemory, Placement};
pub use writes::Party;
