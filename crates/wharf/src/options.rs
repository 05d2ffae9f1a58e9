//! On which terms a consumer joins.

use wharf_stream::Policy;

/// The terms on which a consumer joins a stream (contract S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinOptions {
    /// Most frames it may have queued and held together: 1..=64. The broker sets as many buffers of the stream aside.
    pub depth: u32,
    /// What happens when it does not keep up.
    pub policy: Policy,
}

impl JoinOptions {
    /// Every frame, in order; the producer waits while `depth` of them are queued or held.
    pub fn every_frame(depth: u32) -> Self {
        Self {
            depth,
            policy: Policy::Block,
        }
    }

    /// The newest frames; older ones that were not received in time are lost to this consumer, and counted.
    pub fn latest(depth: u32) -> Self {
        Self {
            depth,
            policy: Policy::Latest,
        }
    }
}
