//! The suites of ww-mutexes, run against `wharf-core` with both algorithms.

use wharf_conformance::PATIENCE;
use wharf_conformance::ww::{Caught, Refused, WwSut};
use wharf_core::order::{self, LockClass, OrderedMutex, OrderedMutexGuard};
use wharf_core::ww::{self, WwLockError};
use wharf_core::{AcquireCtx, Deadline, Deadlock, Errno, Wait, WwAlgorithm, WwClass, WwGuard, WwMutex};

/// Core's ww-mutexes of one algorithm.
struct Core(WwAlgorithm);

fn patience() -> Wait<'static> {
    Wait::until(Deadline::after(PATIENCE))
}

impl WwSut for Core {
    type Class = &'static WwClass;
    type Mutex = WwMutex;
    type Ctx = AcquireCtx;
    type Guard<'a> = WwGuard<'a>;
    type Deadlock<'a> = Deadlock<'a>;
    type Lock = OrderedMutex<()>;
    type LockGuard<'a> = OrderedMutexGuard<'a, ()>;

    fn class(&self) -> Self::Class {
        // Classes are statics; every case needs one of its own, so that what the checker learns in one does not show in another.
        Box::leak(Box::new(WwClass::new("case", self.0)))
    }

    fn mutex(&self, class: Self::Class) -> WwMutex {
        WwMutex::new(class)
    }

    fn open(&self, class: Self::Class) -> AcquireCtx {
        AcquireCtx::new(class)
    }

    fn open_injecting(&self, class: Self::Class) -> AcquireCtx {
        AcquireCtx::injecting_deadlocks(class)
    }

    fn done(&self, ctx: &AcquireCtx) -> Result<(), Errno> {
        ctx.done().map_err(|misuse| misuse.errno())
    }

    fn lock<'a>(&'a self, mutex: &'a WwMutex) -> Result<WwGuard<'a>, Errno> {
        mutex.lock(&patience()).map_err(|error| error.errno())
    }

    fn lock_in<'a>(
        &'a self,
        mutex: &'a WwMutex,
        ctx: &'a AcquireCtx,
    ) -> Result<WwGuard<'a>, Refused<Deadlock<'a>>> {
        mutex.lock_in(ctx, &patience()).map_err(|error| match error {
            WwLockError::Deadlock(deadlock) => Refused::Deadlock(deadlock),
            other => Refused::Errno(other.errno()),
        })
    }

    fn try_lock<'a>(&'a self, mutex: &'a WwMutex) -> Option<WwGuard<'a>> {
        mutex.try_lock()
    }

    fn try_lock_in<'a>(
        &'a self,
        mutex: &'a WwMutex,
        ctx: &'a AcquireCtx,
    ) -> Result<Option<WwGuard<'a>>, Errno> {
        mutex.try_lock_in(ctx).map_err(|misuse| misuse.errno())
    }

    fn lock_slow<'a>(deadlock: Self::Deadlock<'a>) -> Result<Self::Guard<'a>, (Errno, Self::Deadlock<'a>)> {
        deadlock
            .lock_slow(&patience())
            .map_err(|error| (error.errno(), error.into_deadlock()))
    }

    fn lock_all<'a>(
        &'a self,
        mutexes: &[&'a WwMutex],
        ctx: &'a AcquireCtx,
    ) -> Result<Vec<WwGuard<'a>>, Errno> {
        let locked = ww::lock_all(ctx, mutexes, &patience());
        locked
            .map(|set| set.into_iter().collect())
            .map_err(|error| error.errno())
    }

    fn is_locked(&self, mutex: &WwMutex) -> bool {
        mutex.is_locked()
    }

    fn locks(&self) -> [Self::Lock; 2] {
        let class = Box::leak(Box::new(LockClass::new("A")));
        [OrderedMutex::new(class, ()), OrderedMutex::new(class, ())]
    }

    fn take<'a>(&'a self, lock: &'a Self::Lock) -> Self::LockGuard<'a> {
        lock.lock()
    }

    fn take_inside<'a>(&'a self, lock: &'a Self::Lock, around: &'a WwGuard<'_>) -> Self::LockGuard<'a> {
        lock.lock_inside(around)
    }

    fn checks_order(&self) -> bool {
        order::is_enabled()
    }

    fn watch(&self, misuse: impl FnOnce()) -> Caught {
        match order::catch(misuse) {
            Ok(()) => Caught::Nothing,
            Err(report) => Caught::Reported(report.to_string()),
        }
    }
}

mod mutex_wait_die {
    wharf_conformance::ww_mutex_cases!(super::Core(wharf_core::WwAlgorithm::WaitDie));
}

mod mutex_wound_wait {
    wharf_conformance::ww_mutex_cases!(super::Core(wharf_core::WwAlgorithm::WoundWait));
}

mod stress_wait_die {
    wharf_conformance::ww_stress_cases!(super::Core(wharf_core::WwAlgorithm::WaitDie));
}

mod selftest_wait_die {
    wharf_conformance::ww_selftest_cases!(super::Core(wharf_core::WwAlgorithm::WaitDie));
}

mod stress_wound_wait {
    wharf_conformance::ww_stress_cases!(super::Core(wharf_core::WwAlgorithm::WoundWait));
}

mod selftest_wound_wait {
    wharf_conformance::ww_selftest_cases!(super::Core(wharf_core::WwAlgorithm::WoundWait));
}
