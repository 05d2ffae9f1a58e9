//! The lock of a buffer, and who holds it. Contracts: L3, L7.

use std::thread;

use wharf_core::Errno;
use wharf_core::dma::DmaLimits;

use super::{
    Contract, DataDirection, Kind, LockSut, MismatchPolicy, PairingSut, SIZE, buffer, must, refused,
};

/// L3: a dynamic importer maps with the lock that it holds itself. Mirrors `dma_buf_map_attachment`, which asserts it.
pub fn dynamic_importer_maps_with_its_lock<S: LockSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(DmaLimits::unconstrained()));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Dynamic));
    let mapping = must(sut.map_holding(&attachment, &buffer, DataDirection::FromDevice));
    assert!(!sut.is_locked(&buffer));
    must(sut.device_fill(&device, &mapping, 0..SIZE, 1));
}

/// L3: the lock of another buffer does not do. In the kernel only lockdep would notice.
pub fn lock_of_another_buffer_does_not_do<S: LockSut>(sut: &S) {
    let (left, right) = (buffer(sut), buffer(sut));
    let device = sut.simple_device(DmaLimits::unconstrained());
    let attachment = must(sut.attach_simple(&left, &device, Contract::Dynamic));
    refused(
        sut.map_holding(&attachment, &right, DataDirection::ToDevice),
        Errno::EINVAL,
    );
    must(sut.map_holding(&attachment, &left, DataDirection::ToDevice));
}

/// L2: calls that take the lock themselves give it back, whether they worked or not.
pub fn lock_is_given_back<S: LockSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(DmaLimits::unconstrained()));
    for contract in [Contract::Static, Contract::Dynamic] {
        let attachment = must(sut.attach_simple(&buffer, &device, contract));
        assert!(!sut.is_locked(&buffer), "attach {contract:?}");
        let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
        assert!(!sut.is_locked(&buffer), "map {contract:?}");
        sut.unmap(mapping);
        assert!(!sut.is_locked(&buffer), "unmap {contract:?}");
        drop(attachment);
        assert!(!sut.is_locked(&buffer), "detach {contract:?}");
    }
}

/// L2, L3: mappings and attachments may be dropped while the lock is held: what needs it is done when it is free.
pub fn things_may_be_dropped_under_the_lock<S: LockSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(DmaLimits::unconstrained()));
    for contract in [Contract::Static, Contract::Dynamic, Contract::Revocable] {
        let attachment = must(sut.attach_simple(&buffer, &device, contract));
        let mapping = must(sut.map(&attachment, DataDirection::Bidirectional));
        must(sut.device_fill(&device, &mapping, 0..SIZE, 3));
        sut.locked(&buffer, || drop((mapping, attachment)));
        assert!(!sut.is_locked(&buffer));
        assert_eq!(sut.look(&buffer, 0, 1), [3], "{contract:?}");
        sut.put(&buffer, 0, &[0]);
    }
}

/// L3: static importers do not need the lock where exporters pass through or have mapped when attaching: it may as well be held.
pub fn static_importers_do_not_need_the_lock<S: LockSut + PairingSut>(sut: &S) {
    let device = sut.simple_device(DmaLimits::unconstrained());
    for kind in [Kind::Static, Kind::Caching, Kind::Dynamic] {
        let buffer = must(sut.create_as(kind, MismatchPolicy::MapAtAttach, SIZE));
        let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
        let work = || {
            let mapping = must(sut.map(&attachment, DataDirection::Bidirectional));
            sut.unmap(mapping);
        };
        sut.locked(&buffer, work);
        must(sut.map(&attachment, DataDirection::ToDevice));
    }
}

/// L3, L7: who holds the lock is told so by calls that take it, and does not hang. In the kernel this hangs, and lockdep tells.
pub fn lock_is_not_taken_twice<S: LockSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(DmaLimits::unconstrained()));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Dynamic));
    let answer = sut.locked(&buffer, || {
        sut.map(&attachment, DataDirection::ToDevice).map(drop)
    });
    refused(answer, Errno::EDEADLK);
    must(sut.map(&attachment, DataDirection::ToDevice));
}

/// L7: several locks are taken in any order, by several threads at once. Mirrors what `ww_mutex` is for.
pub fn locks_are_taken_in_any_order<S: LockSut>(sut: &S) {
    let (left, right) = (buffer(sut), buffer(sut));
    thread::scope(|scope| {
        for order in [[&left, &right], [&right, &left], [&left, &right]] {
            scope.spawn(move || {
                for _ in 0..200 {
                    sut.all_locked(&order, || {
                        assert!(sut.is_locked(order[0]) && sut.is_locked(order[1]));
                    });
                }
            });
        }
    });
    assert!(!sut.is_locked(&left) && !sut.is_locked(&right));
}
