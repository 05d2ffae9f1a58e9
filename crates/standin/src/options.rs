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
    /// Whether devices and the CPU have a view of each buffer of their own, and what is wrong with the program's brackets is told at its
    /// end. Devices are those of the card.
    pub check_coherency: bool,
    /// The exit code for a program that ends well but has brackets that are wrong, not zero. Without it that changes nothing.
    pub coherency_exit: Option<u8>,
    /// The broker's socket. Without it: the one where clients look, if a broker answers there, and else a broker of the run's own.
    pub socket: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heaps: vec!["system".to_owned()],
            sw_sync: false,
            vgem: false,
            check_coherency: false,
            coherency_exit: None,
            socket: None,
        }
    }
}
