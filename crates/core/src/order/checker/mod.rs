//! The checker of debug builds: what each thread holds, and the order learnt from all of them.

mod graph;
mod render;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::{Mutex, PoisonError};

use self::graph::{ClassKey, Edge, Graph, Seen, key};
use super::class::{Kind, SIGNALING};
use super::{How, LockClass, OrderReport, USER_MAPPINGS, Violation};

pub(super) const IS_ENABLED: bool = true;

static GRAPH: Mutex<Graph> = Mutex::new(Graph::empty());

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
    /// How many calls of [`catch`] this thread is in.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
}

#[derive(Default)]
struct Thread {
    held: Vec<HeldLock>,
    last: u64,
    /// Edges known to be in the graph, so that it is locked only for new ones.
    known: BTreeSet<(ClassKey, ClassKey)>,
}

#[derive(Debug, Clone, Copy)]
struct HeldLock {
    number: u64,
    class: &'static LockClass,
    /// What keeps several of the class in order: an acquire context, a lock around them.
    set: Option<u64>,
    at: &'static Location<'static>,
}

/// What a thread is about to take.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    class: &'static LockClass,
    set: Option<u64>,
    at: &'static Location<'static>,
}

/// A lock on the thread's list.
#[derive(Debug)]
pub(super) struct Entry(u64);

impl Entry {
    /// Returns what locks inside this one have in common.
    pub(super) fn set(&self) -> Option<u64> {
        Some(self.0)
    }
}

/// Checks a lock that is about to be taken, and notes it as held.
#[track_caller]
pub(super) fn enter(class: &'static LockClass, how: How, set: Option<u64>) -> Entry {
    let at = Location::caller();
    let wanted = Wanted { class, set, at };
    let outcome = THREAD
        .try_with(|thread| {
            let mut thread = thread.borrow_mut();
            // A thread that unwinds has its report already.
            if how == How::Block && !std::thread::panicking() {
                thread.check(wanted)?;
            }
            Ok(thread.push(wanted))
        })
        // The thread ends: destructors of its thread-locals may still lock.
        .unwrap_or(Ok(Entry(0)));
    match outcome {
        Ok(entry) => entry,
        Err(report) => fail(report),
    }
}

/// Notes that a lock is given back.
pub(super) fn leave(entry: &Entry) {
    let _ = THREAD.try_with(|thread| thread.borrow_mut().held.retain(|held| held.number != entry.0));
}

/// Teaches the documented order for a ww-class: its contexts, and its mutexes.
pub(crate) fn teach([contexts, mutexes]: [&'static LockClass; 2]) {
    let documented = [&USER_MAPPINGS, contexts, mutexes, &SIGNALING];
    let _ = THREAD.try_with(|thread| {
        let mut thread = thread.borrow_mut();
        for pair in documented.windows(2) {
            if let [from, to] = *pair {
                // Refused only if a program has shown the opposite order before; then the next lock in this order is reported.
                let _ = thread.learn(Edge { from, to, seen: None });
            }
        }
    });
}

/// Reports a context that ends while it has locks.
pub(crate) fn forgotten(class: &LockClass, held: usize) {
    if !std::thread::panicking() {
        let text = render::forgotten(class, held);
        fail(OrderReport::new(Violation::Forgotten, text));
    }
}

impl Thread {
    fn push(&mut self, wanted: Wanted) -> Entry {
        self.last += 1;
        self.held.push(HeldLock {
            number: self.last,
            class: wanted.class,
            set: wanted.set,
            at: wanted.at,
        });
        Entry(self.last)
    }

    fn check(&mut self, wanted: Wanted) -> Result<(), OrderReport> {
        // The oldest lock first: what it contradicts is most telling.
        for index in 0..self.held.len() {
            let held = self.held[index];
            if std::ptr::eq(held.class, wanted.class) {
                self.check_same_class(held, wanted)?;
                continue;
            }
            let seen = Seen {
                held_at: held.at,
                taken_at: wanted.at,
            };
            self.learn(Edge {
                from: held.class,
                to: wanted.class,
                seen: Some(seen),
            })
            .map_err(|back| {
                OrderReport::new(
                    Violation::Inversion,
                    render::inversion(&self.held, held, wanted, &back),
                )
            })?;
        }
        Ok(())
    }

    fn check_same_class(&self, held: HeldLock, wanted: Wanted) -> Result<(), OrderReport> {
        let violation = match wanted.class.kind {
            // DIFFERENCE: lockdep also lets those pass that were tried without the context after it began; two threads that do so can
            // wait for each other, because such a lock is never given back to break a deadlock.
            Kind::WwMutex | Kind::Lock if held.set.is_some() && held.set == wanted.set => return Ok(()),
            Kind::Signaling => Violation::WaitInSignalingSection,
            _ => Violation::SameClass,
        };
        Err(OrderReport::new(
            violation,
            render::same_class(&self.held, held, wanted),
        ))
    }

    /// Adds an edge to the graph; the way back if that would close a circle.
    fn learn(&mut self, edge: Edge) -> Result<(), Vec<Edge>> {
        let ends = (key(edge.from), key(edge.to));
        if self.known.contains(&ends) {
            return Ok(());
        }
        GRAPH.lock().unwrap_or_else(PoisonError::into_inner).add(edge)?;
        self.known.insert(ends);
        Ok(())
    }
}

fn fail(report: OrderReport) -> ! {
    if CATCHING.get() > 0 {
        // Not by way of the panic hook: the report is expected.
        panic::resume_unwind(Box::new(report));
    }
    panic!("{report}");
}

/// Runs `body`; a report made in it comes back.
pub(super) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, OrderReport> {
    CATCHING.set(CATCHING.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(CATCHING.get() - 1);
    outcome.or_else(|payload| match payload.downcast::<OrderReport>() {
        Ok(report) => Err(*report),
        Err(payload) => panic::resume_unwind(payload),
    })
}
