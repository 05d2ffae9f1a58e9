//! vgem: a graphics driver without hardware, whose fences a program signals.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use wharf_core::Usage;
use wharf_linux::dma_buf::KernelBuffer;

use super::{Work, call, code};

/// An open card of vgem.
pub(crate) struct Card {
    fd: Arc<OwnedFd>,
}

/// `struct drm_prime_handle`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Prime {
    handle: u32,
    flags: u32,
    fd: i32,
}

/// `struct drm_vgem_fence_attach`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Attach {
    handle: u32,
    flags: u32,
    out_fence: u32,
    pad: u32,
}

/// `struct drm_vgem_fence_signal`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Signal {
    fence: u32,
    flags: u32,
}

/// The device writes.
const WRITE: u32 = 1;

impl Card {
    pub(crate) fn find() -> Option<Self> {
        (0..8).find_map(|number| {
            let device = fs::canonicalize(format!("/sys/class/drm/card{number}/device")).ok()?;
            if device.file_name()? != "vgem" {
                return None;
            }
            let path = format!("/dev/dri/card{number}");
            let fd = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok()?;
            Some(Self { fd: Arc::new(fd) })
        })
    }

    pub(crate) fn begin(&self, buffer: &KernelBuffer, usage: Usage) -> Work {
        let mut prime = Prime {
            handle: 0,
            flags: 0,
            fd: buffer.as_fd().as_raw_fd(),
        };
        call(&*self.fd, code::<Prime>(b'd', 0x2e), &mut prime).unwrap();
        let mut attach = Attach {
            handle: prime.handle,
            flags: if usage == Usage::Write { WRITE } else { 0 },
            out_fence: 0,
            pad: 0,
        };
        call(&*self.fd, code::<Attach>(b'd', 0x41), &mut attach).unwrap();
        let card = Arc::clone(&self.fd);
        Work {
            end: Box::new(move || {
                let mut signal = Signal {
                    fence: attach.out_fence,
                    flags: 0,
                };
                // The kernel only reads it.
                let number = code::<Signal>(b'd', 0x42) & !(1 << 31);
                call(&*card, number, &mut signal).unwrap();
            }),
        }
    }
}
