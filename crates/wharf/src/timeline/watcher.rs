//! The waiter thread: one for all imported timelines of the process that have fences with callbacks.

use super::imported::Imported;
use crate::liveness::Liveness;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use wharf_memory::{Deadline, HeapWords, Ordering, ReadWords, WriteWords, fence, wake};
use wharf_stream::timeline::sleep_in_turns;

/// How long the thread stays when there is nothing to watch: who makes a fence for every frame keeps it.
const LINGER: Duration = Duration::from_secs(1);

/// The cell of the control word.
const CONTROL: usize = 0;

static WATCHER: LazyLock<Watcher> = LazyLock::new(|| Watcher {
    control: HeapWords::new([], [CONTROL]),
    state: Mutex::new(State {
        watched: Vec::new(),
        is_running: false,
        process: std::process::id(),
    }),
});

struct Watcher {
    /// u32: counts changes of `watched` and of what is pending there. The thread sleeps on it, among others.
    control: HeapWords,
    state: Mutex<State>,
}

struct State {
    /// The timelines with pending fences, and some that had.
    watched: Vec<Arc<Imported>>,
    /// Whether there is a thread.
    is_running: bool,
    /// The process that it is in.
    process: u32,
}

/// Has the waiter thread look after the pending fences of `timeline`.
pub(super) fn watch(timeline: &Arc<Imported>) {
    let watcher = &*WATCHER;
    let mut state = watcher.lock();
    state.leave_parent();
    if !state.watched.iter().any(|watched| Arc::ptr_eq(watched, timeline)) {
        state.watched.push(Arc::clone(timeline));
    }
    if state.is_running {
        // ORDERING: Release: the thread that sees the new count sees what is pending.
        watcher.control.increment_u32(CONTROL, Ordering::Release);
        wake(watcher.control.futex(CONTROL));
    } else {
        let thread = Builder::new().name("wharf-waiter".to_owned());
        // Without a thread the next call tries again.
        state.is_running = thread.spawn(|| WATCHER.run()).is_ok();
    }
}

impl State {
    /// In a child of `fork` there is no thread, and what the parent watched is the parent's: not even to be dropped.
    fn leave_parent(&mut self) {
        let process = std::process::id();
        if self.process != process {
            std::mem::forget(std::mem::take(&mut self.watched));
            (self.is_running, self.process) = (false, process);
        }
    }
}

impl Watcher {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let (mut liveness, mut turn) = (Liveness::new(), 0);
        loop {
            // ORDERING: Acquire, as in `watch`. Before looking at what it counts.
            let control = self.control.load_u32(CONTROL, Ordering::Acquire);
            let watched = self.lock().watched.clone();
            if watched.is_empty() {
                let over = Deadline::after(LINGER);
                wharf_memory::wait_any(&[(self.control.futex(CONTROL), control)], Some(over));
                if over.has_passed() && self.end() {
                    return;
                }
                continue;
            }
            // ORDERING: between what was announced for the pending fences, by other threads, and looking at the timelines.
            fence(Ordering::SeqCst);
            // The words before what they tell of.
            let timelines = watched.iter().flat_map(|timeline| timeline.words());
            let words: Vec<_> = [(self.control.futex(CONTROL), control)]
                .into_iter()
                .chain(timelines)
                .collect();
            serve(&watched, &mut liveness);
            if self.forget_idle() {
                continue;
            }
            sleep_in_turns(&words, Some(liveness.until(None)), &mut turn);
        }
    }

    /// Lets go of the timelines that nothing is pending for; says whether there were any.
    fn forget_idle(&self) -> bool {
        let mut state = self.lock();
        // Under the lock: who adds a fence does so before it asks to be watched.
        let idle: Vec<_> = state
            .watched
            .extract_if(.., |timeline| !timeline.has_pending())
            .collect();
        drop(state);
        // The last handle on an import tells the broker: with no lock held.
        !idle.is_empty()
    }

    /// Ends the thread if there is still nothing to watch.
    fn end(&self) -> bool {
        let mut state = self.lock();
        state.is_running = !state.watched.is_empty();
        !state.is_running
    }
}

/// Signals the fences that are due.
fn serve(watched: &[Arc<Imported>], liveness: &mut Liveness) {
    if liveness.is_due() {
        for timeline in watched {
            timeline.look();
            timeline.prune();
        }
    }
    for timeline in watched {
        timeline.take_due().settle();
    }
}
