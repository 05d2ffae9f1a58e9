//! On which terms a consumer joins.

use wharf_protocol::MoveContract;
use wharf_stream::Policy;

/// The terms on which a consumer joins a stream (contract S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinOptions {
    /// Most frames it may have queued and held together: 1..=64. The broker sets as many buffers of the stream aside.
    pub depth: u32,
    /// What happens when it does not keep up.
    pub policy: Policy,
    /// What becomes of it when the buffers move to other memory.
    pub contract: MoveContract,
}

impl JoinOptions {
    /// Every frame, in order; the producer waits while `depth` of them are queued or held.
    pub fn every_frame(depth: u32) -> Self {
        Self {
            depth,
            policy: Policy::Block,
            contract: MoveContract::Movable,
        }
    }

    /// The newest frames; older ones that were not received in time are lost to this consumer, and counted.
    pub fn latest(depth: u32) -> Self {
        Self {
            depth,
            policy: Policy::Latest,
            contract: MoveContract::Movable,
        }
    }

    /// The same under another contract about moves.
    pub fn with_contract(self, contract: MoveContract) -> Self {
        Self { contract, ..self }
    }
}
