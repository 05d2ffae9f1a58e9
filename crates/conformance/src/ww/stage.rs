//! What several cases need: threads that wait for each other, and a deadlock that is certain.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::{Refused, WwSut};
use crate::PATIENCE;

/// Something that happens once and that others wait for.
#[derive(Default)]
pub(super) struct Cue {
    given: Mutex<bool>,
    changed: Condvar,
}

impl Cue {
    pub(super) fn give(&self) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub(super) fn is_given(&self) -> bool {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait(&self) {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.changed.wait_timeout_while(given, PATIENCE, |given| !*given);
        let (given, _) = outcome.unwrap_or_else(PoisonError::into_inner);
        assert!(*given, "another thread did not get on");
    }
}

/// Three mutexes, and an older context that holds some of them.
pub(super) struct Scene<S: WwSut> {
    /// Locked by the younger context, wanted by the older one.
    pub(super) o: S::Mutex,
    /// Held by the older context until it gets `o`.
    pub(super) o2: S::Mutex,
    /// Held likewise if the case asks for it, else free.
    pub(super) o3: S::Mutex,
}

/// Has `case` lock `o` and then meet a deadlock at `o2`: the older context holds that and waits for `o`.
pub(super) fn with_deadlock<S: WwSut>(
    sut: &S,
    older_holds_o3: bool,
    case: impl FnOnce(&Scene<S>, &S::Ctx, S::Guard<'_>, S::Deadlock<'_>),
) {
    let class = sut.class();
    let scene = Scene::<S> {
        o: sut.mutex(class),
        o2: sut.mutex(class),
        o3: sut.mutex(class),
    };
    let (older_holds, younger_holds) = (Cue::default(), Cue::default());
    thread::scope(|scope| {
        scope.spawn(|| {
            let ctx = sut.open(class);
            let _o2 = expect_lock(sut.lock_in(&scene.o2, &ctx));
            let _o3 = older_holds_o3.then(|| expect_lock(sut.lock_in(&scene.o3, &ctx)));
            older_holds.give();
            younger_holds.wait();
            drop(expect_lock(sut.lock_in(&scene.o, &ctx)));
        });
        older_holds.wait();
        let ctx = sut.open(class);
        let o = expect_lock(sut.lock_in(&scene.o, &ctx));
        younger_holds.give();
        let deadlock = expect_deadlock(sut.lock_in(&scene.o2, &ctx));
        case(&scene, &ctx, o, deadlock);
    });
    for mutex in [&scene.o, &scene.o2, &scene.o3] {
        assert!(!sut.is_locked(mutex), "a mutex was left locked");
    }
}

/// The guard of a lock that must be taken.
pub(super) fn expect_lock<G, D>(outcome: Result<G, Refused<D>>) -> G {
    match outcome {
        Ok(guard) => guard,
        Err(Refused::Deadlock(_)) => panic!("refused with a deadlock"),
        Err(Refused::Errno(errno)) => panic!("refused with {errno}"),
    }
}

/// The deadlock of a lock that must meet one.
pub(super) fn expect_deadlock<G, D>(outcome: Result<G, Refused<D>>) -> D {
    match outcome {
        Ok(_) => panic!("locked where a deadlock was due"),
        Err(Refused::Deadlock(deadlock)) => deadlock,
        Err(Refused::Errno(errno)) => panic!("refused with {errno}"),
    }
}

/// The number of a lock that must be refused otherwise.
pub(super) fn expect_errno<G, D>(outcome: Result<G, Refused<D>>) -> wharf_core::Errno {
    match outcome {
        Ok(_) => panic!("locked where an error was due"),
        Err(Refused::Deadlock(_)) => panic!("refused with a deadlock"),
        Err(Refused::Errno(errno)) => errno,
    }
}
