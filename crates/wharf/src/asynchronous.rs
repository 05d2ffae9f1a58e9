//! Streams in async code, with any runtime. Contract: S7.
//!
//! A runtime only has to tell when a descriptor is readable: [`Readiness`]. Wharf brings that for tokio (feature `tokio`) and
//! for smol and everything else on `async-io` (feature `smol`). No thread is started, and many streams can be on one thread.

mod consumer;
mod producer;
#[cfg(feature = "smol")]
mod smol;
#[cfg(feature = "tokio")]
mod tokio;

pub use consumer::AsyncConsumer;
pub use producer::AsyncProducer;
#[cfg(feature = "smol")]
pub use smol::SmolReadiness;
#[cfg(feature = "tokio")]
pub use tokio::TokioReadiness;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A consumer for tokio.
#[cfg(feature = "tokio")]
pub type TokioConsumer = AsyncConsumer<TokioReadiness>;
/// A producer for tokio.
#[cfg(feature = "tokio")]
pub type TokioProducer = AsyncProducer<TokioReadiness>;
/// A consumer for smol, and for other runtimes beside `async-io`'s own thread.
#[cfg(feature = "smol")]
pub type SmolConsumer = AsyncConsumer<SmolReadiness>;
/// A producer for smol, and for other runtimes beside `async-io`'s own thread.
#[cfg(feature = "smol")]
pub type SmolProducer = AsyncProducer<SmolReadiness>;

/// What a runtime does for streams: it tells when a descriptor is readable.
pub trait Readiness: Sized + Unpin {
    /// Begins to watch `fd`, an epoll descriptor. It stays open at least as long as this does.
    ///
    /// # Errors
    ///
    /// Whatever the runtime says.
    fn watch(fd: Arc<OwnedFd>) -> io::Result<Self>;

    /// Ready when `fd` is readable or was since this was last ready; otherwise wakes the task when it is. It is asked only when
    /// `fd` was not readable a moment ago, so watching for changes (edge-triggered) is enough.
    ///
    /// # Errors
    ///
    /// Whatever the runtime says.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
