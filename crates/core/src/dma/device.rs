//! Devices and their functions.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{DeviceError, DirectDma, DmaLimits, DmaOps, merge};

/// Identifies a device in its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(u64);

/// What really does the transfers: the kernel's `struct device` of an attachment. Cloning gives the same device.
///
/// A device has functions with limits of their own: the scan-out of a display may need contiguous memory that its overlays do
/// not. An attachment names the functions it uses, see [`Device::using`]. Contract: A1.
///
/// # Examples
/// ```
/// use wharf_core::dma::{Device, DmaLimits};
///
/// let scanout = DmaLimits::builder().address_mask(0x3fff_ffff).contiguous().build()?;
/// let display = Device::builder("display")
///     .function("scanout", scanout)
///     .function("overlay", DmaLimits::kernel_default())
///     .build()?;
/// let overlay = display.using(&["overlay"])?;
/// assert_eq!(overlay.label(), "display.overlay");
/// assert!(!overlay.limits().is_contiguous());
/// assert!(display.using(&["scanout", "overlay"])?.limits().is_contiguous());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Device {
    shared: Arc<Shared>,
}

struct Shared {
    id: DeviceId,
    label: Box<str>,
    functions: Box<[Function]>,
    ops: Arc<dyn DmaOps>,
}

/// One thing that a device does, and what memory that needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The name, one of its kind in the device.
    pub name: Box<str>,
    /// What it can address.
    pub limits: DmaLimits,
}

/// Collects what makes up a device; made by [`Device::builder`].
#[must_use]
pub struct DeviceBuilder {
    label: Box<str>,
    functions: Vec<Function>,
    ops: Arc<dyn DmaOps>,
}

/// A device and which of its functions use a buffer, with their limits merged.
#[derive(Debug, Clone)]
pub struct DeviceUse {
    device: Device,
    functions: Box<[Box<str>]>,
    limits: DmaLimits,
    label: Box<str>,
}

impl Device {
    /// Begins a device that people know as `label`, with direct addressing and no functions yet.
    pub fn builder(label: &str) -> DeviceBuilder {
        DeviceBuilder {
            label: label.into(),
            functions: Vec::new(),
            ops: Arc::new(DirectDma),
        }
    }

    /// Makes a device with one function, named `dma`.
    ///
    /// # Errors
    /// [`DeviceError::Name`]: EINVAL when the label is empty or has control characters.
    ///
    /// ```
    /// use wharf_core::dma::{Device, DmaLimits};
    /// let camera = Device::new("camera", DmaLimits::kernel_default())?;
    /// assert_eq!(camera.using_all()?.label(), "camera");
    /// # Ok::<(), wharf_core::dma::DeviceError>(())
    /// ```
    pub fn new(label: &str, limits: DmaLimits) -> Result<Self, DeviceError> {
        Self::builder(label).function("dma", limits).build()
    }

    /// Returns what tells the device from all others of the process.
    pub fn id(&self) -> DeviceId {
        self.shared.id
    }

    /// Returns what people call the device.
    pub fn label(&self) -> &str {
        &self.shared.label
    }

    /// Returns the functions, in the order they were given.
    pub fn functions(&self) -> &[Function] {
        &self.shared.functions
    }

    /// Returns how the device maps memory.
    pub fn ops(&self) -> &dyn DmaOps {
        self.shared.ops.as_ref()
    }

    /// Names the functions that use a buffer; each once, however often it is named, and in any order.
    ///
    /// # Errors
    /// [`DeviceError::NoFunction`]: EINVAL for an empty list. [`DeviceError::Unknown`]: ENODEV.
    /// [`DeviceError::Conflict`]: EOPNOTSUPP when no memory suits the functions together.
    pub fn using(&self, functions: &[&str]) -> Result<DeviceUse, DeviceError> {
        if functions.is_empty() {
            let (device, known) = (self.label().into(), self.known());
            return Err(DeviceError::NoFunction { device, known });
        }
        let mut used = vec![false; self.functions().len()];
        for name in functions {
            let position = self
                .functions()
                .iter()
                .position(|function| *function.name == **name);
            let Some(position) = position else {
                let (device, function, known) = (self.label().into(), Box::from(*name), self.known());
                return Err(DeviceError::Unknown {
                    device,
                    function,
                    known,
                });
            };
            used[position] = true;
        }
        let used: Vec<&Function> = self
            .functions()
            .iter()
            .zip(used)
            .filter_map(|(function, used)| used.then_some(function))
            .collect();
        self.use_of(&used)
    }

    /// Names all functions; as [`Device::using`].
    ///
    /// # Errors
    /// [`DeviceError::Conflict`]: EOPNOTSUPP when no memory suits all functions together.
    pub fn using_all(&self) -> Result<DeviceUse, DeviceError> {
        self.use_of(&self.functions().iter().collect::<Vec<_>>())
    }

    fn use_of(&self, used: &[&Function]) -> Result<DeviceUse, DeviceError> {
        let parties = used.iter().map(|function| (&*function.name, &function.limits));
        let limits = merge(parties).map_err(|conflict| DeviceError::Conflict {
            device: self.label().into(),
            conflict,
        })?;
        let names: Vec<&str> = used.iter().map(|function| &*function.name).collect();
        let label = match self.functions() {
            [_] => self.label().into(),
            _ => format!("{}.{}", self.label(), names.join("+")).into(),
        };
        Ok(DeviceUse {
            device: self.clone(),
            functions: names.into_iter().map(Box::from).collect(),
            limits,
            label,
        })
    }

    fn known(&self) -> Box<str> {
        let names: Vec<&str> = self.functions().iter().map(|function| &*function.name).collect();
        names.join(", ").into()
    }
}

impl DeviceBuilder {
    /// Adds a function.
    pub fn function(mut self, name: &str, limits: DmaLimits) -> Self {
        self.functions.push(Function {
            name: name.into(),
            limits,
        });
        self
    }

    /// Says how the device maps memory, if not as [`DirectDma`] does.
    pub fn ops(mut self, ops: Arc<dyn DmaOps>) -> Self {
        self.ops = ops;
        self
    }

    /// Makes the device. One without functions gets one, `dma`, that reaches all memory.
    ///
    /// # Errors
    /// [`DeviceError::Name`] and [`DeviceError::Twice`]: EINVAL.
    pub fn build(mut self) -> Result<Device, DeviceError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        if self.functions.is_empty() {
            self = self.function("dma", DmaLimits::unconstrained());
        }
        check_name(&self.label)?;
        for (number, function) in self.functions.iter().enumerate() {
            check_name(&function.name)?;
            if self.functions[..number]
                .iter()
                .any(|other| other.name == function.name)
            {
                let function = function.name.clone();
                return Err(DeviceError::Twice {
                    device: self.label,
                    function,
                });
            }
        }
        // ORDERING: the number only has to be unique.
        let id = DeviceId(NEXT.fetch_add(1, Ordering::Relaxed));
        Ok(Device {
            shared: Arc::new(Shared {
                id,
                label: self.label,
                functions: self.functions.into_boxed_slice(),
                ops: self.ops,
            }),
        })
    }
}

fn check_name(name: &str) -> Result<(), DeviceError> {
    if name.is_empty() || name.contains(char::is_control) {
        return Err(DeviceError::Name { name: name.into() });
    }
    Ok(())
}

impl DeviceUse {
    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the names of the functions in use, in the order of the device's list.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(|name| &**name)
    }

    /// Returns what all functions in use can address.
    pub fn limits(&self) -> &DmaLimits {
        &self.limits
    }

    /// Returns what reports call this use: the device and, where it has several, its functions.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl DeviceId {
    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("id", &self.id().get())
            .field("label", &self.label())
            .field("functions", &self.functions())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeviceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceBuilder")
            .field("label", &self.label)
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}
