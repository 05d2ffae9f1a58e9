//! Descriptors that come with calls.

use wharf_linux::SealFlags;
use wharf_protocol::{BrokerError, CreateStream, JoinStream, ObjectKind, Policy, Register, SetId};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

use super::clients::good_seals;
use super::world::World;
use crate::state::{Effect, Inspection};

fn memfd(size_bytes: usize, seals: SealFlags) -> Inspection {
    Inspection::Memfd {
        size_bytes: size_bytes as u64,
        seals,
    }
}

fn create(set: SetId) -> CreateStream {
    CreateStream {
        set,
        name: String::new(),
        max_consumers: 1,
        room_ms: None,
        polled: None,
        rotation: None,
    }
}

#[test]
fn every_missing_seal_of_a_page_is_named() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let names = [
        "F_SEAL_SHRINK",
        "F_SEAL_GROW",
        "F_SEAL_FUTURE_WRITE",
        "F_SEAL_SEAL",
    ];
    let seals = [
        SealFlags::SHRINK,
        SealFlags::GROW,
        SealFlags::FUTURE_WRITE,
        SealFlags::SEAL,
    ];
    for (name, seal) in names.into_iter().zip(seals) {
        let page = world.received(memfd(RING_PAGE_BYTES, good_seals() - seal));
        let error = world.call_with(camera, create(set), vec![page]).unwrap_err();
        let BrokerError::BadPage { reason } = error else {
            panic!("{error}")
        };
        assert_eq!(
            names.map(|other| reason.contains(other)),
            names.map(|other| other == name),
            "{reason}"
        );
    }
    let nothing_sealed = world
        .history
        .iter()
        .all(|effect| !matches!(effect, Effect::Seal { .. }));
    assert!(nothing_sealed, "not even the set");
}

#[test]
fn pages_of_the_wrong_kind_or_number_are_refused_and_closed() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let held = world.fds.len();
    let sealed = |size_bytes| memfd(size_bytes, good_seals());
    let unusable = Inspection::Unusable {
        reason: "it is not a memfd".to_owned(),
    };
    let (short, long) = (sealed(RING_PAGE_BYTES - 1), sealed(RING_PAGE_BYTES + 4096));
    let two = vec![sealed(RING_PAGE_BYTES), sealed(RING_PAGE_BYTES)];
    for pages in [vec![], vec![unusable], vec![short], vec![long], two] {
        let fds = pages.into_iter().map(|page| world.received(page)).collect();
        let error = world.call_with(camera, create(set), fds).unwrap_err();
        assert!(matches!(error, BrokerError::BadPage { .. }), "{error}");
        assert_eq!(world.fds.len(), held);
    }
}

#[test]
fn descriptors_with_a_call_that_takes_none_are_refused_and_closed() {
    let mut world = World::new();
    let camera = world.connect(7);
    let page = world.page(4096);
    let error = world
        .call_with(
            camera,
            Register {
                label: "camera".to_owned(),
            },
            vec![page],
        )
        .unwrap_err();
    assert!(matches!(error, BrokerError::InvalidArgument { field, .. } if field == "fds"));
    assert!(world.fds.is_empty());
}

#[test]
fn consumer_page_has_its_own_size() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 4, 2);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    let ring = world.page(RING_PAGE_BYTES);
    let call = JoinStream::new(token.clone(), 1, Policy::Block);
    assert_ne!(RING_PAGE_BYTES, CONSUMER_PAGE_BYTES);
    assert!(matches!(
        world.call_with(viewer, call, vec![ring]),
        Err(BrokerError::BadPage { .. })
    ));
    world.join(viewer, &token, 1).unwrap();
}
