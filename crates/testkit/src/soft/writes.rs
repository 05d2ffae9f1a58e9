//! Which write a byte is from, and what became of it.

use std::fmt;

use wharf_core::DataDirection;

/// The number of a write; 0 is the zeroing at allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(u32);

impl Stamp {
    pub(super) const ZEROED: Self = Self(0);
}

/// Who reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Party {
    /// The CPU.
    Cpu,
    /// A device.
    Device(Box<str>),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("the CPU"),
            Self::Device(label) => write!(f, "device '{label}'"),
        }
    }
}

/// One write.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) by: Party,
    /// The direction of the CPU's bracket or of the device's mapping, if there was one.
    pub(super) direction: Option<DataDirection>,
    /// What threw some of it away.
    pub(super) lost: Option<Box<str>>,
}

/// All writes of a machine.
pub(super) struct Writes(Vec<Write>);

impl Writes {
    pub(super) fn new() -> Self {
        let zeroing = Write {
            by: Party::Cpu,
            direction: None,
            lost: None,
        };
        Self(vec![zeroing])
    }

    pub(super) fn add(&mut self, by: Party, direction: Option<DataDirection>) -> Stamp {
        let number = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.push(Write {
            by,
            direction,
            lost: None,
        });
        Stamp(number)
    }

    pub(super) fn get(&self, stamp: Stamp) -> &Write {
        // CAST: 32 bits fit.
        &self.0[stamp.0 as usize]
    }

    /// Notes what threw a write away, in whole or in part; the first to do so is kept.
    pub(super) fn lose(&mut self, stamp: Stamp, how: impl FnOnce() -> Box<str>) {
        self.0[stamp.0 as usize].lost.get_or_insert_with(how);
    }
}
