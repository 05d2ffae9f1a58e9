//! Models of fences on the real code with loom's locks and atomics.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-core --test loom_fence`. A lost wake-up leaves a thread asleep, which
//! loom reports as a deadlock. What callbacks find out is noted and asserted outside of them, because their panics are contained.
#![cfg(loom)]

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::sync::Arc;
use wharf_core::{
    CallbackOutcome, Errno, Fence, FenceArray, FenceChain, FenceContext, FenceOps, FenceStatus, Interrupt,
    Signaling, UniqueFence, Wait, WaitError, fence,
};

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn context() -> FenceContext {
    FenceContext::new("model", "queue")
}

fn lone() -> UniqueFence {
    context().fence(1)
}

/// Work that is published by a signal: written before it, read after it, both Relaxed.
#[derive(Clone)]
struct Work(Arc<AtomicUsize>);

impl Work {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn finish(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    fn is_finished(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

/// Counts runs of a callback, and those that found the work unfinished or the fence unsignaled.
#[derive(Clone)]
struct Runs {
    runs: Arc<AtomicUsize>,
    early: Arc<AtomicUsize>,
    work: Work,
}

impl Runs {
    fn new(work: &Work) -> Self {
        Self {
            runs: Arc::new(AtomicUsize::new(0)),
            early: Arc::new(AtomicUsize::new(0)),
            work: work.clone(),
        }
    }

    fn callback(&self) -> impl FnOnce(&Fence) + Send + 'static {
        let this = self.clone();
        move |fence| {
            if !this.work.is_finished() || !fence.is_signaled() {
                this.early.fetch_add(1, Ordering::Relaxed);
            }
            this.runs.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asserts that the callback ran as often as it should, and never early. Called when all threads have ended.
    fn assert(&self, expected: usize) {
        assert_eq!(self.early.load(Ordering::Relaxed), 0, "early");
        assert_eq!(self.runs.load(Ordering::Relaxed), expected, "runs");
    }
}

fn finish_and_signal(owner: UniqueFence, work: &Work) -> thread::JoinHandle<()> {
    let work = work.clone();
    thread::spawn(move || {
        work.finish();
        owner.signal();
    })
}

#[test]
fn a_callback_added_during_the_signal_runs_once_or_comes_back() {
    check(|| {
        let (owner, work) = (lone(), Work::new());
        let (fence, first, second) = (owner.fence(), Runs::new(&work), Runs::new(&work));
        let signaler = finish_and_signal(owner, &work);
        let (outcome_1, outcome_2) = (
            fence.add_callback(first.callback()),
            fence.add_callback(second.callback()),
        );
        for outcome in [outcome_1.is_added(), outcome_2.is_added()] {
            assert!(
                outcome || work.is_finished(),
                "given back before the work was done"
            );
        }
        signaler.join().unwrap();
        first.assert(usize::from(outcome_1.is_added()));
        second.assert(usize::from(outcome_2.is_added()));
    });
}

#[test]
fn a_callback_removed_during_the_signal_runs_or_not_as_the_removal_says() {
    check(|| {
        let (owner, work) = (lone(), Work::new());
        let (fence, stays, goes) = (owner.fence(), Runs::new(&work), Runs::new(&work));
        assert!(fence.add_callback(stays.callback()).is_added());
        let CallbackOutcome::Added(handle) = fence.add_callback(goes.callback()) else {
            panic!("signaled")
        };
        let signaler = finish_and_signal(owner, &work);
        let removed = handle.remove();
        signaler.join().unwrap();
        stays.assert(1);
        goes.assert(usize::from(!removed));
    });
}

#[test]
fn a_wait_ends_with_the_signal_and_sees_the_work() {
    check(|| {
        let (owner, work) = (lone(), Work::new());
        let fence = owner.fence();
        let signaler = finish_and_signal(owner, &work);
        assert_eq!(fence.wait(&Wait::forever()), Ok(()));
        assert!(work.is_finished());
        signaler.join().unwrap();
    });
}

#[test]
fn a_wait_ends_when_the_owner_is_dropped() {
    check(|| {
        let owner = lone();
        let fence = owner.fence();
        let dropper = thread::spawn(move || drop(owner));
        assert_eq!(fence.wait(&Wait::forever()), Ok(()));
        assert_eq!(fence.status(), FenceStatus::Failed(Errno::EDEADLK));
        dropper.join().unwrap();
    });
}

#[test]
fn a_wait_ends_with_the_signal_or_the_interrupt_whichever_is_seen_first() {
    check(|| {
        let (owner, work, interrupt) = (lone(), Work::new(), Interrupt::new());
        let fence = owner.fence();
        let signaler = finish_and_signal(owner, &work);
        let raised = interrupt.clone();
        let raiser = thread::spawn(move || raised.raise());
        match fence.wait(&Wait::forever().interruptible(&interrupt)) {
            Ok(()) => assert!(work.is_finished()),
            Err(error) => assert_eq!(error, WaitError::Interrupted),
        }
        signaler.join().unwrap();
        raiser.join().unwrap();
    });
}

#[test]
fn an_interrupt_alone_ends_a_wait() {
    check(|| {
        let (owner, interrupt) = (lone(), Interrupt::new());
        let raised = interrupt.clone();
        let raiser = thread::spawn(move || raised.raise());
        let outcome = owner.fence().wait(&Wait::forever().interruptible(&interrupt));
        assert_eq!(outcome, Err(WaitError::Interrupted));
        raiser.join().unwrap();
    });
}

#[test]
fn wait_any_ends_with_either_signal() {
    check(|| {
        let (first, second) = (lone(), lone());
        let fences = [first.fence(), second.fence()];
        let signalers = [first, second].map(|owner| thread::spawn(move || owner.signal()));
        let index = Fence::wait_any(&fences, &Wait::forever()).unwrap();
        assert!(fences[index].is_signaled());
        for signaler in signalers {
            signaler.join().unwrap();
        }
    });
}

/// Ops that say at once that the work is over, and count how often they say it.
struct Over(Arc<AtomicUsize>);

impl FenceOps for Over {
    fn enable_signaling(&self) -> Signaling {
        self.0.fetch_add(1, Ordering::Relaxed);
        Signaling::AlreadySignaled
    }

    fn is_signaled(&self) -> bool {
        true
    }
}

/// Ops that only ever say it when asked.
struct OverWhenAsked(Work);

impl FenceOps for OverWhenAsked {
    fn enable_signaling(&self) -> Signaling {
        Signaling::Enabled
    }

    fn is_signaled(&self) -> bool {
        self.0.is_finished()
    }
}

#[test]
fn of_a_poll_and_the_owner_one_signals() {
    check(|| {
        let work = Work::new();
        work.finish();
        let owner = context().fence_with(1, Box::new(OverWhenAsked(work.clone())));
        let (fence, runs) = (owner.fence(), Runs::new(&work));
        assert!(fence.add_callback(runs.callback()).is_added());
        let failing = thread::spawn(move || owner.signal_error(Errno::EIO).is_ok());
        let seen = fence.status();
        let accepted = failing.join().unwrap();
        let expected = if accepted {
            FenceStatus::Failed(Errno::EIO)
        } else {
            FenceStatus::Signaled
        };
        assert_eq!((seen, fence.status()), (expected, expected));
        runs.assert(1);
    });
}

#[test]
fn two_who_enable_signaling_lose_no_callback() {
    check(|| {
        let work = Work::new();
        work.finish();
        let enabled = Arc::new(AtomicUsize::new(0));
        let owner = context().fence_with(1, Box::new(Over(enabled.clone())));
        let (first, second) = (Runs::new(&work), Runs::new(&work));
        let (fence, callback) = (owner.fence(), first.callback());
        let adder = thread::spawn(move || fence.add_callback(callback).is_added());
        let added_second = owner.fence().add_callback(second.callback()).is_added();
        let added_first = adder.join().unwrap();
        assert_eq!(enabled.load(Ordering::Relaxed), 1, "asked more than once");
        assert!(
            !(added_first && added_second),
            "the one who enabled gets its callback back"
        );
        first.assert(usize::from(added_first));
        second.assert(usize::from(added_second));
        owner.signal();
    });
}

#[test]
fn an_array_is_signaled_once_by_the_last_of_two_threads() {
    check(|| {
        let (first, second, work) = (lone(), lone(), Work::new());
        let array = FenceArray::new([first.fence(), second.fence()]).unwrap();
        let runs = Runs::new(&work);
        assert!(array.add_callback(runs.callback()).is_added());
        let failing = thread::spawn(move || first.signal_error(Errno::EIO).unwrap());
        let signaler = finish_and_signal(second, &work);
        failing.join().unwrap();
        signaler.join().unwrap();
        runs.assert(1);
        assert_eq!(array.status(), FenceStatus::Failed(Errno::EIO));
    });
}

#[test]
fn an_array_that_is_watched_while_its_member_is_signaled_tells() {
    check(|| {
        let (owner, work) = (lone(), Work::new());
        let array = FenceArray::new([owner.fence()]).unwrap();
        let runs = Runs::new(&work);
        let signaler = finish_and_signal(owner, &work);
        let added = array.add_callback(runs.callback()).is_added();
        signaler.join().unwrap();
        runs.assert(usize::from(added));
        assert_eq!(array.status(), FenceStatus::Signaled);
    });
}

#[test]
fn an_array_polled_and_watched_at_once_tells_once() {
    check(|| {
        let (owner, work) = (lone(), Work::new());
        let array = FenceArray::new([owner.fence()]).unwrap();
        let runs = Runs::new(&work);
        assert!(array.add_callback(runs.callback()).is_added());
        let signaler = finish_and_signal(owner, &work);
        let seen = array.is_signaled();
        assert!(!seen || work.is_finished());
        signaler.join().unwrap();
        runs.assert(1);
    });
}

#[test]
fn an_array_given_up_while_its_member_is_signaled_runs_its_callback_or_not_as_the_removal_says() {
    check(|| {
        let (owner, work) = (lone(), Work::new());
        let array = FenceArray::new([owner.fence()]).unwrap();
        let runs = Runs::new(&work);
        let CallbackOutcome::Added(handle) = array.add_callback(runs.callback()) else {
            panic!("signaled")
        };
        drop(array);
        let signaler = finish_and_signal(owner, &work);
        let removed = handle.remove();
        signaler.join().unwrap();
        runs.assert(usize::from(!removed));
    });
}

/// Links of owners, points 1, 2, …
fn links(owners: &[UniqueFence]) -> Vec<FenceChain> {
    let mut links: Vec<FenceChain> = Vec::new();
    for (seqno, owner) in (1..).zip(owners) {
        let prev = links.last().cloned().map(Fence::from);
        links.push(FenceChain::link(prev, owner.fence(), seqno).unwrap());
    }
    links
}

fn row(count: u64) -> Vec<UniqueFence> {
    let context = context();
    (1..=count).map(|seqno| context.fence(seqno)).collect()
}

#[test]
fn a_watched_chain_tells_once_when_two_threads_signal_its_fences() {
    check(|| {
        let (mut owners, work) = (row(2), Work::new());
        let head = links(&owners).pop().unwrap();
        let runs = Runs::new(&work);
        assert!(head.add_callback(runs.callback()).is_added());
        let later = owners.pop().unwrap();
        let signaler = thread::spawn(move || later.signal());
        work.finish();
        owners.pop().unwrap().signal();
        signaler.join().unwrap();
        runs.assert(1);
    });
}

#[test]
fn a_chain_polled_and_watched_at_once_tells_once() {
    check(|| {
        let (mut owners, work) = (row(2), Work::new());
        let head = links(&owners).pop().unwrap();
        owners.pop().unwrap().signal();
        let runs = Runs::new(&work);
        let signaler = finish_and_signal(owners.pop().unwrap(), &work);
        let looked = head.clone();
        let poller = thread::spawn(move || looked.is_signaled());
        let added = head.add_callback(runs.callback()).is_added();
        signaler.join().unwrap();
        poller.join().unwrap();
        runs.assert(usize::from(added));
        assert!(head.is_signaled());
    });
}

#[test]
fn a_walk_during_the_last_drop_of_the_head_sees_every_link() {
    check(|| {
        let owners = row(3);
        let mut chain = links(&owners);
        let head = chain.pop().unwrap();
        let middle = chain.pop().unwrap();
        drop(chain);
        let dropper = thread::spawn(move || drop(head));
        let walk: Vec<Fence> = fence::unwrap(&middle).collect();
        assert_eq!(walk, [owners[1].fence(), owners[0].fence()]);
        dropper.join().unwrap();
        assert_eq!(fence::unwrap(&middle).collect::<Vec<_>>(), walk);
    });
}

#[test]
fn two_walks_that_collect_the_same_links_find_what_is_left() {
    check(|| {
        let mut owners = row(4);
        let chain = links(&owners);
        let head = chain[3].clone();
        let first: Fence = chain[0].clone().into();
        drop(chain);
        owners.remove(2).signal();
        let last = owners.remove(1);
        let signaler = thread::spawn(move || last.signal());
        let other = head.clone();
        let walker = thread::spawn(move || other.find_seqno(1).unwrap());
        assert_eq!(head.find_seqno(1).unwrap(), Some(first.clone()));
        assert_eq!(walker.join().unwrap(), Some(first.clone()));
        signaler.join().unwrap();
        assert_eq!(head.walk().map(|link| link.seqno()).collect::<Vec<_>>(), [4, 1]);
    });
}

#[test]
fn a_walk_while_the_link_under_it_is_signaled_ends_early_or_finds_the_rest() {
    check(|| {
        let mut owners = row(2);
        let chain = links(&owners);
        let (head, first) = (chain[1].clone(), chain[0].clone());
        drop(chain);
        let last = owners.pop().unwrap();
        let signaler = thread::spawn(move || {
            owners.pop().unwrap().signal();
            first.is_signaled()
        });
        let seen = head.walk().count();
        assert!(seen == 1 || seen == 2);
        assert!(!head.is_signaled());
        assert!(signaler.join().unwrap());
        last.signal();
        assert!(head.is_signaled());
    });
}
