//! How a device addresses memory, and whether it sees the CPU's caches.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Window, serial};
use crate::text::bytes_or_text;

/// How the addresses of a device come from physical ones.
///
/// ```
/// use wharf_core::dma::{Translation, Window};
///
/// let bus = Translation::Direct { offset_bytes: 0xc000_0000 };
/// assert_eq!(bus.to_string(), "directly at +0xc0000000");
/// let iommu = Translation::Iommu {
///     aperture: Window { first: 0, last: 0xffff_ffff },
///     page_bytes: 4096,
///     coalesce: true,
/// };
/// assert_eq!(iommu.to_string(), "by an IOMMU with 4096-byte pages at 0x0..=0xffffffff, coalescing");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Translation {
    /// The device sees physical memory, moved by a constant: segments are physical runs.
    Direct {
        /// Device address minus physical address, in bytes: a multiple of the page unit.
        #[serde(with = "serial::offset")]
        offset_bytes: i64,
    },
    /// The device sees what an IOMMU maps for it, so that limits on addresses do not concern physical memory.
    Iommu {
        /// The device addresses that can be mapped.
        aperture: Window,
        /// The unit of mapping in bytes: runs of memory begin and end at multiples of it. A power of two.
        #[serde(with = "bytes_or_text")]
        page_bytes: u64,
        /// Whether scattered runs can be made to follow each other.
        coalesce: bool,
    },
}

impl Translation {
    /// What a device has that states no translation: physical addresses.
    pub const PHYSICAL: Self = Self::Direct { offset_bytes: 0 };
}

/// Whether a device sees what is in the CPU's caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coherency {
    /// It does: nothing to be done at a hand-over.
    Snoops,
    /// It does not: caches are cleaned and invalidated at every hand-over.
    NeedsSync,
}

impl fmt::Display for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct { offset_bytes } => {
                let sign = if *offset_bytes < 0 { '-' } else { '+' };
                write!(f, "directly at {sign}{:#x}", offset_bytes.unsigned_abs())
            }
            Self::Iommu {
                aperture,
                page_bytes,
                coalesce,
            } => {
                let joining = if *coalesce { ", coalescing" } else { "" };
                write!(
                    f,
                    "by an IOMMU with {page_bytes}-byte pages at {aperture}{joining}"
                )
            }
        }
    }
}

impl fmt::Display for Coherency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snoops => "snooping",
            Self::NeedsSync => "sync at every hand-over",
        })
    }
}
