//! What is to be solved.

use serde::{Deserialize, Serialize};

use super::{HeapOffer, Participant};
use crate::text::bytes_or_text;

/// The limits of whoever provides the memory, and how hard to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// How often records are merged at most, before [`ReportKind::Budget`](super::ReportKind::Budget).
    pub max_merges: u64,
    /// Whether slack is given at all. Without, a set has the fewest buffers that cannot deadlock: for tests.
    pub slack: bool,
    /// The most buffers of a set.
    pub max_buffers: u32,
    /// The largest buffer, in bytes.
    #[serde(with = "bytes_or_text")]
    pub max_buffer_bytes: u64,
    /// The most bytes of all buffers of a set.
    #[serde(with = "bytes_or_text")]
    pub max_total_bytes: u64,
}

/// Participants, heaps and policy: all that the plan depends on. Their order does not matter. Contract: N1.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Who takes part.
    pub participants: &'a [Participant],
    /// Where memory could come from.
    pub heaps: &'a [HeapOffer],
    /// What the provider allows.
    pub policy: &'a Policy,
}

impl Default for Policy {
    /// 10 000 merges, with slack, 64 buffers of up to 1 TiB.
    fn default() -> Self {
        Self {
            max_merges: 10_000,
            slack: true,
            max_buffers: 64,
            max_buffer_bytes: 1 << 40,
            max_total_bytes: 1 << 46,
        }
    }
}
