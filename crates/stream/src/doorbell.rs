//! What wakes those who wait with poll or epoll. Contract: S7.

use std::fmt::Debug;

/// Somebody's doorbell, as others see it.
pub trait Doorbell: Debug + Send + Sync {
    /// Makes the owner's descriptor readable until the owner silences it. Never blocks, whatever the owner does.
    fn ring(&self);
}
