//! Who holds a buffer where it is.

use std::fmt;

/// One party that keeps a buffer from moving. Contract: A5.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The device, with its functions if they were named; or what else it is.
    pub who: Box<str>,
    /// How it holds the buffer.
    pub how: Hold,
}

/// What keeps a buffer from moving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold {
    /// Pins of a dynamic importer.
    Pinned {
        /// How many.
        pins: usize,
    },
    /// A mapping that a static importer has for the life of its attachment.
    MappedAtAttach,
    /// Mappings of a static importer, which pins around each.
    Mapped {
        /// How many.
        mappings: usize,
    },
    /// The CPU has it mapped in the process, by vmap.
    Vmapped,
    /// User mappings that are not fault-tracked.
    UserMapped {
        /// How many.
        mappings: usize,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            Hold::Pinned { pins } => write!(f, "'{}' (pinned {pins} times)", self.who),
            Hold::MappedAtAttach => write!(f, "'{}' (static: mapped as long as it is attached)", self.who),
            Hold::Mapped { mappings } => write!(f, "'{}' (static: {mappings} mappings)", self.who),
            Hold::Vmapped => write!(f, "'{}' (vmap)", self.who),
            Hold::UserMapped { mappings } => write!(f, "'{}' ({mappings} user mappings)", self.who),
        }
    }
}

pub(super) fn list(f: &mut fmt::Formatter<'_>, holders: &[Holder]) -> fmt::Result {
    for (index, holder) in holders.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{holder}")?;
    }
    Ok(())
}
