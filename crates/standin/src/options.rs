//! What can be asked of a run.

use std::path::PathBuf;

use rustix::io::Errno;

use crate::devices::Exactness;
use crate::error::RunError;

/// How a program is to be run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Options {
    /// The names in `/dev/dma_heap`. All give the same memory; programs look for different ones.
    pub heaps: Vec<String>,
    /// Whether there is `/dev/sw_sync` (and `/sys/kernel/debug/sync/sw_sync`, which hides the rest of that directory).
    pub sw_sync: bool,
    /// Whether there is `/dev/dri/card0`, a driver like `vgem` (which hides the machine's `/dev/dri`).
    pub vgem: bool,
    /// Whether `/dev/udmabuf` makes buffers of parts of memory files, too. Takes x86-64, and every shared mapping of a file more time.
    pub exact_udmabuf: bool,
    /// Whether devices and the CPU have a view of each buffer of their own, and what is wrong with the program's brackets is told at its
    /// end. Devices are those of the card.
    pub check_coherency: bool,
    /// The exit code for a program that ends well but has brackets that are wrong, not zero. Without it that changes nothing.
    pub coherency_exit: Option<u8>,
    /// The broker's socket. Without it: the one where clients look, if a broker answers there, and else a broker of the run's own.
    pub socket: Option<PathBuf>,
}

impl Options {
    /// Whether this machine can do all of it.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        if self.exact_udmabuf && !cfg!(target_arch = "x86_64") {
            return Err(RunError::Setup {
                reason: "cannot have buffers of parts of memory files: --exact-udmabuf takes an x86-64 machine; without it parts are refused \
                         with EINVAL"
                    .to_owned(),
                errno: Errno::NOSYS,
            });
        }
        Ok(())
    }

    pub(crate) fn exactness(&self) -> Exactness {
        if self.exact_udmabuf {
            Exactness::Exact
        } else {
            Exactness::Whole
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heaps: vec!["system".to_owned()],
            sw_sync: false,
            vgem: false,
            exact_udmabuf: false,
            check_coherency: false,
            coherency_exit: None,
            socket: None,
        }
    }
}
