//! Whatever the order in which handles and guards go, the exporter is released exactly once, after the last of them.

use std::thread;

use crate::recorder::{Call, Log, Recorder, export};
use proptest::prelude::*;
use wharf_core::{CpuAccess, DataDirection, DmaBuf, WeakDmaBuf};

/// Something that knows the buffer; only the first two kinds keep it alive.
enum Holder {
    Handle(DmaBuf),
    Guard(CpuAccess),
    Weak(WeakDmaBuf),
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Clone(usize),
    ReadOnly(usize),
    Begin(usize),
    Downgrade(usize),
    Upgrade(usize),
    Drop(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..6_u8, any::<prop::sample::Index>()).prop_map(|(kind, index)| {
        let index = index.index(1 << 16);
        match kind {
            0 => Step::Clone(index),
            1 => Step::ReadOnly(index),
            2 => Step::Begin(index),
            3 => Step::Downgrade(index),
            4 => Step::Upgrade(index),
            _ => Step::Drop(index),
        }
    });
    prop::collection::vec(step, 0..60)
}

fn buffer_of(holder: &Holder) -> Option<DmaBuf> {
    match holder {
        Holder::Handle(buffer) => Some(buffer.clone()),
        Holder::Guard(access) => Some(access.buffer().clone()),
        Holder::Weak(weak) => weak.upgrade(),
    }
}

fn apply(holders: &mut Vec<Holder>, step: Step) {
    if holders.is_empty() {
        return;
    }
    let (Step::Clone(index)
    | Step::ReadOnly(index)
    | Step::Begin(index)
    | Step::Downgrade(index)
    | Step::Upgrade(index)
    | Step::Drop(index)) = step;
    let index = index % holders.len();
    if let Step::Drop(_) = step {
        holders.swap_remove(index);
        return;
    }
    let Some(buffer) = buffer_of(&holders[index]) else {
        return;
    };
    match step {
        Step::ReadOnly(_) => holders.push(Holder::Handle(buffer.to_read_only())),
        Step::Begin(_) => {
            let access = buffer.begin_cpu_access(.., DataDirection::FromDevice);
            holders.extend(access.ok().map(Holder::Guard));
        }
        Step::Downgrade(_) => holders.push(Holder::Weak(buffer.downgrade())),
        Step::Clone(_) | Step::Upgrade(_) | Step::Drop(_) => holders.push(Holder::Handle(buffer)),
    }
}

fn is_alive(holders: &[Holder]) -> bool {
    holders.iter().any(|holder| !matches!(holder, Holder::Weak(_)))
}

proptest! {
    #[test]
    fn release_happens_once_after_the_last_strong_holder(steps in steps()) {
        let log = Log::default();
        let buffer = export(Recorder::new(&log))?;
        let mut holders = vec![Holder::Handle(buffer)];
        for step in steps {
            apply(&mut holders, step);
            let expected = usize::from(!is_alive(&holders));
            prop_assert_eq!(log.count(&Call::Release), expected);
            prop_assert_eq!(log.count(&Call::Drop), expected);
        }
        let weak_only = holders.iter().filter(|holder| matches!(holder, Holder::Weak(_)));
        let upgradable = weak_only.filter_map(buffer_of).next().is_some();
        prop_assert!(!upgradable || is_alive(&holders));
        drop(holders);
        prop_assert_eq!(log.count(&Call::Release), 1);
        prop_assert_eq!(log.calls().pop(), Some(Call::Drop));
        let begins = log.calls().iter().filter(|call| matches!(call, Call::Begin(..))).count();
        let ends = log.calls().iter().filter(|call| matches!(call, Call::End(..))).count();
        prop_assert_eq!(begins, ends);
    }
}

#[test]
fn handles_dropped_by_many_threads_at_once_release_once() -> Result<(), Box<dyn std::error::Error>> {
    for _ in 0..50 {
        let log = Log::default();
        let buffer = export(Recorder::new(&log))?;
        let access = buffer.begin_cpu_access(.., DataDirection::FromDevice)?;
        let weak = buffer.downgrade();
        thread::scope(|scope| {
            for _ in 0..3 {
                let handle = buffer.clone();
                scope.spawn(move || drop(handle));
            }
            scope.spawn(move || drop(access));
            scope.spawn(move || drop(weak.upgrade()));
            drop(buffer);
        });
        assert_eq!(log.count(&Call::Release), 1);
        assert_eq!(log.calls().last(), Some(&Call::Drop));
    }
    Ok(())
}
