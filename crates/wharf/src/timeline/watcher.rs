//! The waiter thread: one for all work of other processes that fences with callbacks of this one wait for.

use crate::liveness::Liveness;
use crate::lock::lock;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::thread::Builder;
use std::time::Duration;
use wharf_memory::{Deadline, FutexWord, HeapWords, Ordering, ReadWords, WriteWords, fence, wake};
use wharf_stream::timeline::sleep_in_turns;

/// Work of another process: an imported timeline, or one side of a stream.
pub(crate) trait Watched: Send + Sync {
    /// The words to sleep on, with their values now: what tells of work, then what tells of its owner.
    fn words(&self) -> [(FutexWord<'_>, u32); 2];

    /// Whether there are fences that somebody wants to be told of.
    fn has_pending(&self) -> bool;

    /// Looks at what no word tells, and forgets fences that nobody has any more.
    fn look(&self);

    /// Signals the fences that are due. To be called with no lock held.
    fn serve(&self);
}

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
    /// What has pending fences, and some that had.
    watched: Vec<Arc<dyn Watched>>,
    /// Whether there is a thread.
    is_running: bool,
    /// The process that it is in.
    process: u32,
}

/// Has the waiter thread look after the pending fences of `work`.
pub(crate) fn watch<W: Watched + 'static>(work: &Arc<W>) {
    let watcher = &*WATCHER;
    let mut state = watcher.lock();
    state.leave_parent();
    let is_it = |watched: &Arc<dyn Watched>| std::ptr::addr_eq(Arc::as_ptr(watched), Arc::as_ptr(work));
    if !state.watched.iter().any(is_it) {
        state.watched.push(Arc::<W>::clone(work));
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
        lock(&self.state)
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
            let others = watched.iter().flat_map(|work| work.words());
            let words: Vec<_> = [(self.control.futex(CONTROL), control)]
                .into_iter()
                .chain(others)
                .collect();
            serve(&watched, &mut liveness);
            if self.forget_idle() {
                continue;
            }
            sleep_in_turns(&words, Some(liveness.until(None)), &mut turn);
        }
    }

    /// Lets go of that for which nothing is pending; says whether there were any.
    fn forget_idle(&self) -> bool {
        let mut state = self.lock();
        // Under the lock: who adds a fence does so before it asks to be watched.
        let idle: Vec<_> = state.watched.extract_if(.., |work| !work.has_pending()).collect();
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
fn serve(watched: &[Arc<dyn Watched>], liveness: &mut Liveness) {
    if liveness.is_due() {
        watched.iter().for_each(|work| work.look());
    }
    watched.iter().for_each(|work| work.serve());
}
