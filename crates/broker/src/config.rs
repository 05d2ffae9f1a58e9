//! What can be configured.

use wharf_protocol::Amounts;

use crate::state::DEFAULT_QUOTA;

/// How a broker behaves. The default suits one user's session on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// What each user may hold at most (Contract: P3). A user that asks for more gets
    /// [`QuotaExceeded`](wharf_protocol::BrokerError::QuotaExceeded), `EDQUOT`.
    pub quota: Amounts,
}

impl Default for Config {
    fn default() -> Self {
        Self { quota: DEFAULT_QUOTA }
    }
}
