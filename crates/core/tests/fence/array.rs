//! Arrays.

use crate::tools::{Log, context, lone, patience, row};
use wharf_core::{ContainerError, Errno, Fence, FenceArray, FenceChain, FenceStatus, UniqueFence};

fn array_of(owners: &[UniqueFence]) -> FenceArray {
    FenceArray::new(owners.iter().map(UniqueFence::fence)).unwrap()
}

#[test]
fn an_array_without_members_is_signaled() {
    let empty = FenceArray::new([]).unwrap();
    assert_eq!(empty.status(), FenceStatus::Signaled);
    assert_eq!(FenceArray::new([]).unwrap().wait(&patience()), Ok(()));
    let late = FenceArray::new([]).unwrap().add_callback(|_| ());
    assert!(!late.is_added(), "a callback that nobody would run");
}

#[test]
fn an_array_is_signaled_with_its_last_member_polled_or_watched() {
    for watched in [false, true] {
        let mut owners = row(3);
        let (array, log) = (array_of(&owners), Log::default());
        if watched {
            log.follow(&array, "told");
        }
        while let Some(owner) = owners.pop() {
            assert_eq!(
                array.status(),
                FenceStatus::Unsignaled,
                "{} left",
                owners.len() + 1
            );
            owner.signal();
        }
        assert_eq!(log.entries().len(), usize::from(watched));
        assert_eq!(array.status(), FenceStatus::Signaled);
    }
}

#[test]
fn members_signaled_before_the_array_is_watched_count() {
    let mut owners = row(3);
    let (array, log) = (array_of(&owners), Log::default());
    owners.remove(1).signal();
    log.follow(&array, "told");
    owners.remove(0).signal();
    assert_eq!(log.entries(), [] as [&str; 0]);
    owners.remove(0).signal();
    assert_eq!(log.entries(), ["told"]);
}

#[test]
fn the_first_error_to_happen_becomes_the_arrays_when_watched() {
    let mut owners = row(3);
    let (array, log) = (array_of(&owners), Log::default());
    log.follow(&array, "told");
    owners.remove(2).signal_error(Errno::EIO).unwrap();
    owners.remove(0).signal_error(Errno::ENODEV).unwrap();
    owners.remove(0).signal();
    assert_eq!(array.status(), FenceStatus::Failed(Errno::EIO));
}

#[test]
fn an_error_is_not_lost_when_nobody_watched() {
    let mut owners = row(3);
    let array = array_of(&owners);
    owners.remove(1).signal_error(Errno::EIO).unwrap();
    owners.into_iter().for_each(UniqueFence::signal);
    assert_eq!(array.status(), FenceStatus::Failed(Errno::EIO));
}

#[test]
fn an_array_whose_handles_are_gone_still_runs_its_callbacks() {
    let (owner, log) = (lone(), Log::default());
    log.follow(&FenceArray::new([owner.fence()]).unwrap(), "told");
    owner.signal();
    assert_eq!(log.entries(), ["told"]);
}

#[test]
fn a_fence_that_is_twice_in_an_array_counts_twice() {
    let owner = lone();
    let array = FenceArray::new([owner.fence(), owner.fence()]).unwrap();
    let log = Log::default();
    log.follow(&array, "told");
    owner.signal();
    assert_eq!(log.entries(), ["told"]);
}

#[test]
fn containers_in_arrays_are_refused_with_their_place() {
    let owner = lone();
    let array: Fence = FenceArray::new([owner.fence()]).unwrap().into();
    let chain: Fence = FenceChain::link(None, owner.fence(), 1).unwrap().into();
    for container in [array, chain] {
        let refused = FenceArray::new([owner.fence(), container.clone()]).unwrap_err();
        assert_eq!(refused.errno(), Errno::EINVAL);
        assert!(refused.to_string().starts_with("member 1 of 2"), "{refused}");
        assert!(
            matches!(refused, ContainerError::NestedInArray { index: 1, fences } if fences == [owner.fence(), container])
        );
    }
}

#[test]
fn an_array_is_known_by_its_fence() {
    let owners = row(2);
    let array = array_of(&owners);
    assert!(array.is_container());
    let found = FenceArray::from_fence(array.fence()).unwrap();
    assert_eq!(found, array);
    assert_eq!(found.fences(), [owners[0].fence(), owners[1].fence()]);
    assert_eq!(FenceArray::from_fence(&owners[0].fence()), None);
    assert_ne!(array.context(), owners[0].fence().context());
    assert_eq!(array.timeline(), "unbound");
}

#[test]
fn an_array_has_a_time_if_a_member_has() {
    let (plain, timed) = (lone(), context().with_timestamps().fence(1));
    let array = FenceArray::new([plain.fence(), timed.fence()]).unwrap();
    let without = FenceArray::new([plain.fence()]).unwrap();
    let fence = timed.fence();
    timed.signal();
    plain.signal();
    assert!(array.is_signaled() && without.is_signaled());
    assert!(array.signaled_at() >= fence.signaled_at());
    assert_eq!(without.signaled_at(), None);
}

#[test]
fn ten_thousand_members_are_waited_for() {
    let owners = row(10_000);
    let array = array_of(&owners);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| array.wait(&patience()));
        owners.into_iter().rev().for_each(UniqueFence::signal);
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
}
