//! Closing things where it cannot hold up the loop.
//!
//! `close` can take its time: the last descriptor of gigabytes of memory frees them page by page, and a descriptor that
//! a peer sent may be a file of a file system that the peer itself serves, where closing waits for the peer. Contract: P1.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

/// A thread that drops what it is given. It starts when it gets the first thing.
#[derive(Debug)]
pub(super) struct Disposal<T> {
    name: &'static str,
    worker: OnceLock<Option<Worker<T>>>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Worker<T> {
    sender: Sender<T>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Disposal<T> {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            worker: OnceLock::new(),
            waiting: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// Drops `rubbish` on the other thread, or here if there can be none.
    pub(super) fn dispose(&self, rubbish: T) {
        if let Some(worker) = self.worker.get_or_init(|| self.start()) {
            // ORDERING: Relaxed, a count that only limits; the channel orders what it is about.
            self.waiting.fetch_add(1, Ordering::Relaxed);
            // The receiver lives as long as the sender does.
            let _ = worker.sender.send(rubbish);
        }
    }

    fn start(&self) -> Option<Worker<T>> {
        let (sender, receiver) = channel::<T>();
        let waiting = Arc::clone(&self.waiting);
        let work = move || {
            for rubbish in receiver {
                drop(rubbish);
                // ORDERING: Relaxed, as in `dispose`.
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
        };
        match Builder::new().name(self.name.to_owned()).spawn(work) {
            Ok(thread) => Some(Worker { sender, thread }),
            Err(error) => {
                tracing::warn!(%error, thread = self.name, "cannot start a thread; descriptors are closed in the loop");
                None
            }
        }
    }

    /// How many things are not dropped yet.
    pub(super) fn waiting(&self) -> usize {
        // ORDERING: Relaxed, as in `dispose`.
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits until everything is dropped.
    pub(super) fn finish(self) {
        if let Some(Worker { sender, thread }) = self.worker.into_inner().flatten() {
            drop(sender);
            // A panic of the thread has been reported by itself; everything it held is dropped.
            let _ = thread.join();
        }
    }
}

/// A descriptor that came from a peer and may be anything. It is closed elsewhere.
#[derive(Debug)]
pub(super) struct ForeignFd {
    fd: Option<OwnedFd>,
    disposal: Arc<Disposal<OwnedFd>>,
}

impl ForeignFd {
    pub(super) fn new(fd: OwnedFd, disposal: &Arc<Disposal<OwnedFd>>) -> Self {
        Self {
            fd: Some(fd),
            disposal: Arc::clone(disposal),
        }
    }

    /// The descriptor.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Takes the descriptor out, once it is known that closing it waits for nobody.
    pub(super) fn into_fd(mut self) -> Option<OwnedFd> {
        self.fd.take()
    }
}

impl Drop for ForeignFd {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take() {
            self.disposal.dispose(fd);
        }
    }
}
