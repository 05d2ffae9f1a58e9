//! Readiness as tokio tells it.

use super::Readiness;
use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Watches a descriptor with tokio. Made within a runtime that has its I/O driver enabled.
#[derive(Debug)]
pub struct TokioReadiness(AsyncFd<Arc<OwnedFd>>);

impl Readiness for TokioReadiness {
    #[allow(
        deprecated,
        reason = "what replaces it is unsafe for types that could name another descriptor later; an Arc<OwnedFd> cannot"
    )]
    fn watch(fd: Arc<OwnedFd>) -> io::Result<Self> {
        AsyncFd::with_interest(fd, Interest::READABLE).map(Self)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What happens after this makes it ready again, and the caller looks after it.
        ready!(self.0.poll_read_ready(cx))?.clear_ready();
        Poll::Ready(Ok(()))
    }
}
