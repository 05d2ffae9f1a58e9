//! What can be asked of a run.

use std::path::PathBuf;

/// How a program is to be run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Options {
    /// The names in `/dev/dma_heap`. All give the same memory; programs look for different ones.
    pub heaps: Vec<String>,
    /// Whether there is `/dev/sw_sync` (and `/sys/kernel/debug/sync/sw_sync`, which hides the rest of that directory).
    pub sw_sync: bool,
    /// Whether there is `/dev/dri/card0`, a driver like `vgem` (which hides the machine's `/dev/dri`).
    pub vgem: bool,
    /// The broker's socket. Without it: the one where clients look, if a broker answers there, and else a broker of the run's own.
    pub socket: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heaps: vec!["system".to_owned()],
            sw_sync: false,
            vgem: false,
            socket: None,
        }
    }
}
