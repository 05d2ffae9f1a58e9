//! Static and dynamic sides: who is called when, with which lock. Contracts: L1 to L5.

use wharf_core::Errno;
use wharf_core::dma::DmaLimits;

use super::{
    AccessMode, Call, Called, Contract, DataDirection, Fault, Kind, MismatchPolicy, PairingSut, SIZE, must,
    refused,
};
use Call::{Attach, Detach, Map, Pin, Unmap, Unpin};
use DataDirection::{Bidirectional, FromDevice, ToDevice};
use MismatchPolicy::{MapAtAttach, PinOnMap};

const POLICIES: [MismatchPolicy; 2] = [MapAtAttach, PinOnMap];
const ALL: [DataDirection; 3] = [Bidirectional, ToDevice, FromDevice];

fn with_lock(call: Call) -> Called {
    Called {
        call,
        is_locked: true,
    }
}

fn without(call: Call) -> Called {
    Called {
        call,
        is_locked: false,
    }
}

/// What an exporter is asked.
struct Expected<'a> {
    attach: &'a [Called],
    map: &'a [Called],
    unmap: &'a [Called],
    detach: &'a [Called],
}

/// Attaches, maps in each direction and detaches, and checks what the exporter was asked at each step.
#[track_caller]
fn check<S: PairingSut>(
    sut: &S,
    kind: Kind,
    policy: MismatchPolicy,
    contract: Contract,
    expected: &Expected<'_>,
) {
    let buffer = must(sut.create_as(kind, policy, SIZE));
    let device = sut.simple_device(DmaLimits::unconstrained());
    let pair = format!("{kind:?} exporter, {contract:?} importer, {policy:?}");
    let attachment = must(sut.attach_simple(&buffer, &device, contract));
    assert_eq!(sut.take_calls(&buffer), expected.attach, "{pair}: attach");
    for direction in ALL {
        let mapping = must(sut.map(&attachment, direction));
        assert_eq!(sut.take_calls(&buffer), expected.map, "{pair}: map {direction:?}");
        sut.unmap(mapping);
        assert_eq!(
            sut.take_calls(&buffer),
            expected.unmap,
            "{pair}: unmap {direction:?}"
        );
    }
    drop(attachment);
    assert_eq!(sut.take_calls(&buffer), expected.detach, "{pair}: detach");
}

/// L1: all four pairs carry data, under both rules.
pub fn all_pairs_carry_data<S: PairingSut>(sut: &S) {
    let device = sut.simple_device(DmaLimits::unconstrained());
    for kind in [Kind::Static, Kind::Caching, Kind::Dynamic] {
        for policy in POLICIES {
            for contract in [Contract::Static, Contract::Dynamic, Contract::Revocable] {
                let buffer = must(sut.create_as(kind, policy, SIZE));
                let attachment = must(sut.attach_simple(&buffer, &device, contract));
                let mapping = must(sut.map(&attachment, Bidirectional));
                must(sut.device_fill(&device, &mapping, 0..SIZE, 7));
                sut.unmap(mapping);
                assert_eq!(
                    sut.look(&buffer, SIZE - 1, 1),
                    [7],
                    "{kind:?} {policy:?} {contract:?}"
                );
            }
        }
    }
}

/// L1, L2: between static sides everything passes through, without the lock. Mirrors `dma_buf_map_attachment` of v5.5.
pub fn static_sides_need_no_lock<S: PairingSut>(sut: &S) {
    for policy in POLICIES {
        let expected = Expected {
            attach: &[without(Attach)],
            map: &[without(Map)],
            unmap: &[without(Unmap)],
            detach: &[without(Detach)],
        };
        check(sut, Kind::Static, policy, Contract::Static, &expected);
    }
}

/// L2, L3: between dynamic sides everything passes through, with the lock; attaching and detaching are without. Mirrors
/// `dma_buf_map_attachment` of v5.5.
pub fn dynamic_sides_hold_the_lock<S: PairingSut>(sut: &S) {
    for policy in POLICIES {
        for contract in [Contract::Dynamic, Contract::Revocable] {
            let expected = Expected {
                attach: &[without(Attach)],
                map: &[with_lock(Map)],
                unmap: &[with_lock(Unmap)],
                detach: &[without(Detach)],
            };
            check(sut, Kind::Dynamic, policy, contract, &expected);
        }
    }
}

/// L4: a dynamic exporter is pinned and mapped once for a static importer, when it is attached, until it is detached. Mirrors
/// `dma_buf_dynamic_attach` of v5.5.
pub fn dynamic_exporter_is_mapped_at_attach<S: PairingSut>(sut: &S) {
    let expected = Expected {
        attach: &[without(Attach), with_lock(Pin), with_lock(Map)],
        map: &[],
        unmap: &[],
        detach: &[with_lock(Unmap), with_lock(Unpin), without(Detach)],
    };
    check(sut, Kind::Dynamic, MapAtAttach, Contract::Static, &expected);
}

/// L4: a static exporter is mapped once for a dynamic importer, when it is attached, without the lock. Mirrors `dma_buf_dynamic_attach` of v5.5.
pub fn static_exporter_is_mapped_at_attach<S: PairingSut>(sut: &S) {
    for contract in [Contract::Dynamic, Contract::Revocable] {
        let expected = Expected {
            attach: &[without(Attach), without(Map)],
            map: &[],
            unmap: &[],
            detach: &[without(Unmap), without(Detach)],
        };
        check(sut, Kind::Static, MapAtAttach, contract, &expected);
    }
}

/// L5: on request, a dynamic exporter is pinned around each mapping of a static importer instead. Mirrors `dma_buf_map_attachment` of v6.15.
pub fn dynamic_exporter_is_pinned_around_maps<S: PairingSut>(sut: &S) {
    let expected = Expected {
        attach: &[without(Attach)],
        map: &[with_lock(Pin), with_lock(Map)],
        unmap: &[with_lock(Unmap), with_lock(Unpin)],
        detach: &[without(Detach)],
    };
    check(sut, Kind::Dynamic, PinOnMap, Contract::Static, &expected);
}

/// L5: on request, a static exporter is mapped for a dynamic importer each time, with the lock that it holds. Mirrors
/// `dma_buf_map_attachment` of v6.15.
pub fn static_exporter_is_mapped_each_time<S: PairingSut>(sut: &S) {
    for contract in [Contract::Dynamic, Contract::Revocable] {
        let expected = Expected {
            attach: &[without(Attach)],
            map: &[with_lock(Map)],
            unmap: &[with_lock(Unmap)],
            detach: &[without(Detach)],
        };
        check(sut, Kind::Static, PinOnMap, contract, &expected);
    }
}

/// L4: a mapping that is kept serves its own direction, or all if it is for both; others get EBUSY. Mirrors `cache_sgt_mapping`.
pub fn kept_mapping_serves_its_direction<S: PairingSut>(sut: &S) {
    let device = sut.simple_device(DmaLimits::unconstrained());
    for first in ALL {
        let buffer = must(sut.create_as(Kind::Caching, MapAtAttach, SIZE));
        let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
        sut.unmap(must(sut.map(&attachment, first)));
        for next in ALL {
            let answer = sut.map(&attachment, next);
            if first == Bidirectional || next == first {
                must(answer);
            } else {
                refused(answer, Errno::EBUSY);
            }
        }
        drop(attachment);
        let calls = sut.take_calls(&buffer);
        assert_eq!(calls, [Attach, Map, Unmap, Detach].map(without), "{first:?}");
    }
}

/// L4, A6: what is kept for a read-only attachment does not let the device write. The kernel always maps both ways here.
pub fn kept_mapping_of_a_read_only_attachment_is_for_reading<S: PairingSut>(sut: &S) {
    let device = sut.simple_device(super::device::watched());
    for (kind, contract) in [
        (Kind::Dynamic, Contract::Static),
        (Kind::Static, Contract::Dynamic),
    ] {
        let buffer = must(sut.create_as(kind, MapAtAttach, SIZE));
        let attachment = must(sut.attach(&buffer, &device, &["dma"], AccessMode::ReadOnly, contract));
        let mapping = must(sut.map(&attachment, ToDevice));
        assert!(
            sut.device_fill(&device, &mapping, 0..1, 1).is_err(),
            "{kind:?}: it wrote"
        );
        assert_eq!(sut.device_sees(&device, &mapping, 0, &[0; 64]), Ok(true));
    }
}

/// L4: an error on the way of attaching undoes all that was done, and is returned. Mirrors the error paths of `dma_buf_dynamic_attach` of v5.5.
pub fn failed_attach_is_undone<S: PairingSut>(sut: &S) {
    let device = sut.simple_device(DmaLimits::unconstrained());
    let undone: [(Call, &[Called]); 3] = [
        (Attach, &[without(Attach)]),
        (Pin, &[without(Attach), with_lock(Pin), without(Detach)]),
        (
            Map,
            &[
                without(Attach),
                with_lock(Pin),
                with_lock(Map),
                with_lock(Unpin),
                without(Detach),
            ],
        ),
    ];
    for (call, expected) in undone {
        let buffer = must(sut.create_as(Kind::Dynamic, MapAtAttach, SIZE));
        for (fault, errno) in [
            (Fault::Refuse(Errno::ENOMEM), Errno::ENOMEM),
            (Fault::Panic, Errno::EIO),
        ] {
            sut.set_fault(&buffer, call, Some(fault));
            refused(sut.attach_simple(&buffer, &device, Contract::Static), errno);
            assert_eq!(sut.take_calls(&buffer), expected, "{call:?}");
        }
        sut.set_fault(&buffer, call, None);
        must(sut.attach_simple(&buffer, &device, Contract::Static));
    }
}

/// L5: a mapping that fails is not pinned. Mirrors the error path of `dma_buf_map_attachment` of v6.15.
pub fn failed_map_is_unpinned<S: PairingSut>(sut: &S) {
    let buffer = must(sut.create_as(Kind::Dynamic, PinOnMap, SIZE));
    let device = sut.simple_device(DmaLimits::unconstrained());
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    sut.take_calls(&buffer);
    sut.set_fault(&buffer, Map, Some(Fault::Refuse(Errno::ENOMEM)));
    refused(sut.map(&attachment, ToDevice), Errno::ENOMEM);
    assert_eq!(sut.take_calls(&buffer), [Pin, Map, Unpin].map(with_lock));
    sut.set_fault(&buffer, Map, None);
    sut.set_fault(&buffer, Pin, Some(Fault::Refuse(Errno::ENOSPC)));
    refused(sut.map(&attachment, ToDevice), Errno::ENOSPC);
    assert_eq!(sut.take_calls(&buffer), [with_lock(Pin)]);
}
