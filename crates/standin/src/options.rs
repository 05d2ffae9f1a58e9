//! What can be asked of a run.

use std::path::PathBuf;

/// What the descriptors of buffers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum FdKind {
    /// Those of memory files.
    #[default]
    Memfd,
    /// Those of files of a FUSE file system of the run's, mapped without it. Needs root of the machine and Linux 6.9.
    Fuse,
}

/// How a program is to be run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Options {
    /// The names in `/dev/dma_heap`. All give the same memory; programs look for different ones.
    pub heaps: Vec<String>,
    /// Whether there is `/dev/sw_sync` (and `/sys/kernel/debug/sync/sw_sync`, which hides the rest of that directory).
    pub sw_sync: bool,
    /// Whether there is `/dev/dri/card0`, a driver like `vgem` (which hides the machine's `/dev/dri`).
    pub vgem: bool,
    /// What the descriptors of buffers are.
    pub fd_kind: FdKind,
    /// The broker's socket. Without it: the one where clients look, if a broker answers there, and else a broker of the run's own.
    pub socket: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heaps: vec!["system".to_owned()],
            sw_sync: false,
            vgem: false,
            fd_kind: FdKind::default(),
            socket: None,
        }
    }
}
