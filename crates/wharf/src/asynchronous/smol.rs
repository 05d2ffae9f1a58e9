//! Readiness as `async-io` tells it.

use super::Readiness;
use async_io::Async;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Watches a descriptor with `async-io`, the reactor of smol.
#[derive(Debug)]
pub struct SmolReadiness(Async<Arc<OwnedFd>>);

impl Readiness for SmolReadiness {
    fn watch(fd: Arc<OwnedFd>) -> io::Result<Self> {
        Async::new_nonblocking(fd).map(Self)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx)
    }
}
