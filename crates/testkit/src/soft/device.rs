//! Devices that a CPU plays.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wharf_core::Device;
use wharf_core::dma::{Coherency, DeviceError, DmaLimits};

use super::address_space::AddressSpace;
use super::cache::Cache;
use super::dma::SoftDma;
use super::engine::{Engine, Held};
use super::job::{Job, SoftJob};
use super::machine::SoftMachine;
use super::state::DeviceState;

/// A device with a DMA engine, which a thread plays.
///
/// It addresses memory as its limits say, directly or through an IOMMU, and only what is mapped for it. If one of its functions needs
/// sync, it has a cache of its own: it sees what was in memory when it first read, and what it writes stays with it, until it is unmapped or synced.
///
/// Jobs are done one after the other, each after the latency. Dropping the device ends the engine, after the job it is at; fences of
/// the others are signaled with EDEADLK.
///
/// # Examples
/// ```
/// use wharf_core::dma::{Coherency, DmaLimits, DmaOps};
/// use wharf_core::{DataDirection, Wait};
/// use wharf_testkit::soft::{Job, Placement, SoftDevice, SoftMachine, Span, checksum};
///
/// let machine = SoftMachine::new([0..=0xffff_ffff]);
/// let limits = DmaLimits::builder().coherency(Coherency::NeedsSync).build()?;
/// let blitter = SoftDevice::new(&machine, "blitter", limits.clone())?;
/// let storage = machine.allocate("frame", 0x2000, &Placement::scattered(0x1000))?;
///
/// let ops = blitter.device().ops();
/// let table = ops.map(&storage, &limits, DataDirection::FromDevice)?;
/// let fill = blitter.submit(Job::Fill { to: Span::all(&table), value: 7 });
/// fill.fence().wait(&Wait::forever())?;
/// ops.unmap(&table, DataDirection::FromDevice);
///
/// let mut seen = vec![0; 0x2000];
/// machine.cpu_read(&storage, 0, &mut seen)?;
/// assert_eq!(checksum(&seen), checksum(&[7; 0x2000]));
/// machine.assert_clean();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SoftDevice {
    device: Device,
    engine: Engine,
}

/// Collects what makes up a soft device; made by [`SoftDevice::builder`].
#[derive(Debug)]
#[must_use]
pub struct SoftDeviceBuilder {
    machine: SoftMachine,
    label: Box<str>,
    functions: Vec<(Box<str>, DmaLimits)>,
    latency: Duration,
}

impl SoftDevice {
    /// Begins a device of a machine without latency and functions.
    pub fn builder(machine: &SoftMachine, label: &str) -> SoftDeviceBuilder {
        SoftDeviceBuilder {
            machine: machine.clone(),
            label: label.into(),
            functions: Vec::new(),
            latency: Duration::ZERO,
        }
    }

    /// Makes a device with one function, named `dma`.
    ///
    /// # Errors
    /// [`DeviceError::Name`]: EINVAL for a label that is none.
    pub fn new(machine: &SoftMachine, label: &str, limits: DmaLimits) -> Result<Self, DeviceError> {
        Self::builder(machine, label).function("dma", limits).build()
    }

    /// Returns the device for the framework.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Has the engine do something, after what it was given before.
    pub fn submit(&self, job: Job) -> SoftJob {
        self.engine.submit(job)
    }

    /// Stops the engine before its next job, until the guard is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.engine.hold()
    }
}

impl SoftDeviceBuilder {
    /// Adds a function.
    pub fn function(mut self, name: &str, limits: DmaLimits) -> Self {
        self.functions.push((name.into(), limits));
        self
    }

    /// Lets every job take at least this long.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Makes the device and starts its engine.
    ///
    /// # Errors
    /// [`DeviceError`]: see [`DeviceBuilder::build`](wharf_core::dma::DeviceBuilder::build).
    pub fn build(self) -> Result<SoftDevice, DeviceError> {
        let Self {
            machine,
            label,
            functions,
            latency,
        } = self;
        let has_cache = functions
            .iter()
            .any(|(_, limits)| limits.coherency() == Some(Coherency::NeedsSync));
        let number = {
            let mut state = machine.lock();
            state.devices.push(DeviceState {
                label: label.clone(),
                cache: has_cache.then(Cache::default),
                space: AddressSpace::default(),
            });
            state.devices.len() - 1
        };
        let dma = Arc::new(SoftDma::new(&machine, number));
        let mut builder = Device::builder(&label).ops(Arc::clone(&dma) as _);
        for (name, limits) in functions {
            builder = builder.function(&name, limits);
        }
        Ok(SoftDevice {
            device: builder.build()?,
            engine: Engine::start(&label, dma, latency),
        })
    }
}

impl fmt::Debug for SoftDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SoftDevice").field(&self.device).finish()
    }
}
