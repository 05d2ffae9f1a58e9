//! What can be asked of a run.

use std::path::PathBuf;

use rustix::io::Errno;

use crate::devices::Exactness;
use crate::error::RunError;

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
        if self.exact_udmabuf && self.fd_kind == FdKind::Fuse {
            return Err(RunError::Setup {
                reason: "cannot have buffers of parts of memory files (--exact-udmabuf) that are files of FUSE (--fd-kind fuse): such a file passes \
                         through to one memory file only; leave out one of the two"
                    .to_owned(),
                errno: Errno::INVAL,
            });
        }
        if self.check_coherency && self.fd_kind == FdKind::Fuse {
            return Err(RunError::Setup {
                reason: "cannot check the coherency (--check-coherency) of buffers that are files of FUSE (--fd-kind fuse): what processes \
                         outside of the run do with those is not seen; leave out one of the two"
                    .to_owned(),
                errno: Errno::INVAL,
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
            fd_kind: FdKind::default(),
            exact_udmabuf: false,
            check_coherency: false,
            coherency_exit: None,
            socket: None,
        }
    }
}
