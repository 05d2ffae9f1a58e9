//! What heaps have to offer, in the same words.

use serde::{Deserialize, Serialize};

use crate::constraints::Names;
use crate::dma::Windows;
use crate::text::{bytes_or_text, optional_bytes_or_text};

/// What a heap promises of the memory it gives. What it does not promise, nobody may count on. Contract: N4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guarantees {
    /// The physical addresses the memory lies in; `None` if the heap does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
    /// Whether the memory of a buffer is one run.
    pub contiguous: bool,
    /// The length of the chunks of a buffer, in bytes: a power of two, and what each begins at a multiple of.
    #[serde(with = "bytes_or_text")]
    pub chunk_bytes: u64,
    /// What the first byte of a buffer lies at a multiple of, in physical memory, in bytes.
    #[serde(with = "bytes_or_text")]
    pub base_align_bytes: u64,
    /// The cache modes the CPU's mapping can have; empty if the CPU cannot map it.
    pub cache_modes: Names,
    /// Whether caches can be cleaned and invalidated at hand-overs, for devices that do not see them.
    pub can_sync: bool,
    /// Whether devices are served with hidden copies where they cannot reach the memory.
    pub bounces: bool,
    /// How it is protected; `none` for memory that everybody may read.
    pub protection: Box<str>,
    /// Whether it is zeroed before anybody sees it.
    pub zeroed: bool,
    /// Whether it is never swapped out.
    pub locked: bool,
    /// The largest buffer, in bytes.
    #[serde(with = "bytes_or_text")]
    pub max_size_bytes: u64,
    /// The extensions it understands, as `vendor/name`.
    pub extensions: Names,
}

/// A heap: where memory could come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeapOffer {
    /// Its name, one of its kind.
    pub name: Box<str>,
    /// What it promises.
    #[serde(default)]
    pub guarantees: Guarantees,
    /// How scarce its memory is: of several heaps that suit, the one of the lowest cost is asked first.
    #[serde(default)]
    pub cost: u32,
    /// How much it has now, in bytes, where that is known: a heap that has too little is asked last.
    #[serde(
        default,
        with = "optional_bytes_or_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub capacity_bytes: Option<u64>,
}

impl Default for Guarantees {
    /// Pages of ordinary memory, somewhere: cached, zeroed, swappable.
    fn default() -> Self {
        Self {
            windows: None,
            contiguous: false,
            chunk_bytes: crate::PAGE_BYTES,
            base_align_bytes: crate::PAGE_BYTES,
            cache_modes: ["cached"].into_iter().collect(),
            can_sync: true,
            bounces: false,
            protection: "none".into(),
            zeroed: true,
            locked: false,
            max_size_bytes: u64::MAX,
            extensions: Names::default(),
        }
    }
}
