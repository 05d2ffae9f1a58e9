//! Closing things where it cannot hold up the loop.
//!
//! `close` can take its time: the last descriptor of gigabytes of memory frees them page by page, and a descriptor that
//! a peer sent may be a file of a file system that the peer itself serves, or a socket that lingers, where closing
//! waits for the peer. So it is done by threads, a few for each user: whoever sends what does not close gets no more
//! closed, and nobody else notices. Contract: P1.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

/// How many threads work for one user at a time.
pub(super) const MAX_CLOSERS: usize = 4;

/// How much may wait to be closed for one user before it can bring nothing more that has to be closed.
pub(super) const MAX_WAITING: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that close what they are given. They start when there is something to do, and end when it is done.
#[derive(Clone, Debug)]
pub(super) struct Disposal {
    name: &'static str,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    lanes: Mutex<BTreeMap<u32, Lane>>,
    /// A lane is gone.
    progress: Condvar,
}

/// What is to be done for one user. It exists as long as something is.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Job>,
    closers: usize,
}

impl Lane {
    /// How much is not done yet. A thread exists only while it has something to do.
    fn waiting(&self) -> usize {
        self.queue.len() + self.closers
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl Disposal {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            state: Arc::new(State::default()),
        }
    }

    /// Drops `rubbish` on another thread, on the account of user `uid`.
    pub(super) fn dispose(&self, uid: u32, rubbish: impl Send + 'static) {
        self.run(uid, move || drop(rubbish));
    }

    /// Does something that may wait for a peer on another thread, on the account of user `uid`.
    pub(super) fn run(&self, uid: u32, job: impl FnOnce() + Send + 'static) {
        let mut lanes = self.state.lock();
        let lane = lanes.entry(uid).or_default();
        lane.queue.push_back(Box::new(job));
        if lane.closers >= MAX_CLOSERS {
            return;
        }
        let state = Arc::clone(&self.state);
        match Builder::new()
            .name(self.name.to_owned())
            .spawn(move || state.work(uid))
        {
            Ok(_) => lane.closers += 1,
            // It waits for the next one that comes, or for the end.
            Err(error) => tracing::debug!(%error, thread = self.name, "cannot start a thread"),
        }
    }

    /// Whether so much waits to be closed for a user that it shall bring nothing more.
    pub(super) fn is_full(&self, uid: u32) -> bool {
        self.state
            .lock()
            .get(&uid)
            .is_some_and(|lane| lane.waiting() >= MAX_WAITING)
    }

    /// Waits until everything is done.
    pub(super) fn finish(&self) {
        let mut lanes = self.state.lock();
        loop {
            // What no thread could be had for is done here.
            let orphaned = lanes.iter().find(|(_, lane)| lane.closers == 0);
            if let Some((&uid, _)) = orphaned {
                let lane = lanes.remove(&uid);
                drop(lanes);
                lane.unwrap_or_default().queue.into_iter().for_each(|job| job());
                lanes = self.state.lock();
            } else if lanes.is_empty() {
                return;
            } else {
                let waited = self.state.progress.wait(lanes);
                lanes = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Lane>> {
        // Nothing that can panic is done under the lock.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a closer: it ends when nothing waits for it any more.
    fn work(&self, uid: u32) {
        let mut lanes = self.lock();
        while let Some(job) = lanes.get_mut(&uid).and_then(|lane| lane.queue.pop_front()) {
            drop(lanes);
            job();
            lanes = self.lock();
        }
        if let Some(lane) = lanes.get_mut(&uid) {
            lane.closers = lane.closers.saturating_sub(1);
            if lane.waiting() == 0 {
                lanes.remove(&uid);
                self.progress.notify_all();
            }
        }
    }
}

/// A descriptor that came from a peer and may be anything. It is closed elsewhere.
#[derive(Debug)]
pub(super) struct ForeignFd {
    fd: Option<OwnedFd>,
    uid: u32,
    disposal: Disposal,
}

impl ForeignFd {
    /// Takes in a descriptor that user `uid` has sent.
    pub(super) fn new(fd: OwnedFd, uid: u32, disposal: &Disposal) -> Self {
        Self {
            fd: Some(fd),
            uid,
            disposal: disposal.clone(),
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
            self.disposal.dispose(self.uid, fd);
        }
    }
}
