//! The thread that plays a DMA engine.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wharf_core::order::signaling_section;
use wharf_core::{Errno, FenceContext, UniqueFence};

use super::dma::SoftDma;
use super::job::{self, Job, Outcome, SoftJob};

pub(super) struct Engine {
    queue: Mutex<Queue>,
    gate: Arc<Gate>,
    thread: Option<JoinHandle<()>>,
}

/// The end that jobs are put in, and the number of the last one.
struct Queue {
    jobs: Option<Sender<Work>>,
    timeline: FenceContext,
    last: u64,
}

struct Work {
    job: Job,
    done: UniqueFence,
    outcome: Outcome,
}

/// Lets the engine pass while nobody holds it, or once the device goes.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    holders: usize,
    is_over: bool,
}

/// Keeps an engine from beginning jobs; see [`SoftDevice::hold`](super::SoftDevice::hold).
#[must_use = "the engine goes on when the guard is dropped"]
pub struct Held<'a> {
    gate: &'a Gate,
}

impl Engine {
    pub(super) fn start(label: &str, dma: Arc<SoftDma>, latency: Duration) -> Self {
        let (jobs, queue) = channel();
        let gate = Arc::new(Gate::default());
        let passing = Arc::clone(&gate);
        let thread = thread::spawn(move || play(&queue, &passing, &dma, latency));
        let timeline = FenceContext::new("soft", label);
        Self {
            queue: Mutex::new(Queue {
                jobs: Some(jobs),
                timeline,
                last: 0,
            }),
            gate,
            thread: Some(thread),
        }
    }

    pub(super) fn submit(&self, job: Job) -> SoftJob {
        let mut queue = lock(&self.queue);
        queue.last += 1;
        let done = queue.timeline.fence(queue.last);
        let outcome = Arc::new(OnceLock::new());
        let handle = SoftJob::new(done.fence(), Arc::clone(&outcome));
        if let Some(jobs) = &queue.jobs {
            // If the engine has died, the fence comes back in the error and is signaled with one.
            let _ = jobs.send(Work { job, done, outcome });
        }
        handle
    }

    pub(super) fn hold(&self) -> Held<'_> {
        lock(&self.gate.state).holders += 1;
        Held { gate: &self.gate }
    }
}

/// Plays the engine until there is nobody left to give it jobs.
fn play(queue: &Receiver<Work>, gate: &Gate, dma: &SoftDma, latency: Duration) {
    while let Ok(work) = queue.recv() {
        if !gate.pass() {
            return;
        }
        thread::sleep(latency);
        let Work { job, done, outcome } = work;
        let section = signaling_section();
        let result = job::run(&job, dma);
        let failed = result.is_err();
        // Set once: the work is this thread's alone.
        let _ = outcome.set(result);
        drop(section);
        if failed {
            // The fence is unsignaled and EIO an error, so that this cannot fail.
            let _ = done.signal_error(Errno::EIO);
        } else {
            done.signal();
        }
    }
}

impl Gate {
    /// Blocks while somebody holds the engine; false if it is over.
    fn pass(&self) -> bool {
        let mut state = lock(&self.state);
        while state.holders > 0 && !state.is_over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.is_over
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.gate.change(|state| state.holders -= 1);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        lock(&self.queue).jobs = None;
        self.gate.change(|state| state.is_over = true);
        if let Some(thread) = self.thread.take() {
            // A panic of the engine has been reported by the panic hook, and its fences say so too.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
