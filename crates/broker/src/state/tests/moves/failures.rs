//! Moves that come to nothing, and that nothing has changed then.

use super::super::world::World;
use crate::state::{DEFAULT_QUOTA, Effect};
use wharf_protocol::{
    BrokerError, Hindrance, ImportBuffers, MoveBlocker, MoveBuffers, MoveContract, ObjectKind, Resource, Role,
};

use super::{MOVABLE, Preview};

#[test]
fn failing_seal_fails_the_move() {
    let mut preview = Preview::new(&[MOVABLE]);
    preview.begin(4096, 4).unwrap();
    preview.world.failure = Some(BrokerError::OutOfDescriptors);
    preview.camera.ready(&mut preview.world, 2).unwrap();
    preview.world.failure = None;
    assert_eq!(preview.outcome(2), Err(BrokerError::OutOfDescriptors));
    preview.assert_nothing_happened();
}

#[test]
fn failing_allocation_answers_the_call_and_changes_nothing() {
    let mut preview = Preview::new(&[MOVABLE]);
    preview.world.failure = Some(BrokerError::OutOfDescriptors);
    assert_eq!(preview.begin(4096, 4), Err(BrokerError::OutOfDescriptors));
    preview.world.failure = None;
    preview.assert_nothing_happened();
    assert_eq!(preview.outcome(2), Err(BrokerError::OutOfDescriptors));
    assert_eq!(preview.begin(4096, 4), Ok(3), "the number is not used again");
}

#[test]
fn move_that_both_generations_do_not_fit_the_quota_is_refused() {
    let quota = wharf_protocol::Amounts {
        buffers: 7,
        ..DEFAULT_QUOTA
    };
    let mut world = World::with_quota(quota);
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 4).0.set;
    let call = MoveBuffers {
        set,
        size_bytes: 1,
        count: 4,
        deadline_ms: 1,
        plan: String::new(),
    };
    let error = world.error(camera, call);
    assert!(matches!(
        error,
        BrokerError::QuotaExceeded {
            resource: Resource::Buffers,
            used: 4,
            requested: 4,
            ..
        }
    ));
}

#[test]
fn participant_that_cannot_use_the_memory_fails_the_move_and_is_named() {
    for refuses in 0..3 {
        let mut preview = Preview::new(&[MOVABLE, MOVABLE]);
        preview.begin(4096, 4).unwrap();
        let mut shares = vec![preview.camera];
        shares.extend(preview.viewers.clone());
        for share in &shares[..refuses] {
            share.ready(&mut preview.world, 2).unwrap();
        }
        shares[refuses]
            .say(&mut preview.world, 2, Some("no room"))
            .unwrap();
        let label = if refuses == 0 { "camera" } else { "viewer" };
        let pid = 100 + u32::try_from(shares[refuses].peer.0).unwrap();
        let expected = BrokerError::MoveFailed {
            set: preview.camera.set,
            generation: 2,
            label: label.to_owned(),
            pid,
            reason: "no room".to_owned(),
        };
        assert_eq!(preview.outcome(2), Err(expected));
        preview.assert_nothing_happened();
    }
}

#[test]
fn who_is_missing_when_the_time_is_up_is_named() {
    for ready in 0..3 {
        let mut preview = Preview::new(&[MOVABLE, MOVABLE]);
        preview.begin(4096, 4).unwrap();
        let mut shares = vec![preview.camera];
        shares.extend(preview.viewers.clone());
        for share in &shares[..ready] {
            share.ready(&mut preview.world, 2).unwrap();
        }
        preview.time_is_up();
        let missing = if ready == 0 {
            &shares[..1]
        } else {
            &shares[ready..]
        };
        let blockers = missing.iter().map(|share| MoveBlocker {
            label: if ready == 0 { "camera" } else { "viewer" }.to_owned(),
            pid: 100 + u32::try_from(share.peer.0).unwrap(),
            role: share.role,
            reason: Hindrance::Silent,
        });
        let (set, blockers) = (preview.camera.set, blockers.collect());
        assert_eq!(preview.outcome(2), Err(BrokerError::MoveBusy { set, blockers }));
        preview.assert_nothing_happened();
    }
}

#[test]
fn pinned_participants_keep_a_move_from_beginning() {
    let mut preview = Preview::new(&[MOVABLE, MoveContract::Pinned]);
    preview.world.history.clear();
    let error = preview.begin(4096, 4).unwrap_err();
    let blocker = MoveBlocker {
        label: "viewer".to_owned(),
        pid: 100 + u32::try_from(preview.viewers[1].peer.0).unwrap(),
        role: Role::Consumer,
        reason: Hindrance::Pinned,
    };
    let (set, blockers) = (preview.camera.set, vec![blocker]);
    assert_eq!(error, BrokerError::MoveBusy { set, blockers });
    assert!(
        matches!(preview.world.history[..], [Effect::Fail { .. }]),
        "nothing was tried"
    );
    preview.assert_nothing_happened();
}

#[test]
fn nobody_pinned_joins_or_imports_during_a_move() {
    let mut preview = Preview::new(&[]);
    let (set, camera) = (preview.camera.set, preview.camera.peer);
    let token = preview.world.token(camera, ObjectKind::Set, set.0, 2);
    preview.begin(4096, 4).unwrap();
    let expected = BrokerError::MoveInProgress { set, generation: 2 };
    assert_eq!(preview.join(MoveContract::Pinned).err(), Some(expected.clone()));
    let peer = preview.world.client("importer");
    let import = |contract| ImportBuffers {
        token: token.clone(),
        contract: Some(contract),
    };
    assert_eq!(preview.world.error(peer, import(MoveContract::Pinned)), expected);
    preview.world.call(peer, import(MOVABLE)).unwrap();
    assert_eq!(preview.begin(4096, 4).unwrap_err(), expected);
}

#[test]
fn counts_have_to_fit_both_generations_during_a_move() {
    let mut preview = Preview::new(&[MOVABLE, MOVABLE]);
    let error = preview.begin(4096, 2).unwrap_err();
    assert_eq!(error.errno(), rustix::io::Errno::BUSY);
    preview.begin(4096, 3).unwrap();
    assert!(matches!(
        preview.join(MOVABLE),
        Err(BrokerError::CountsExhausted {
            buffers: 3,
            promised: 2,
            requested: 1
        })
    ));
}

#[test]
fn generations_that_nobody_releases_stop_further_moves() {
    let mut preview = Preview::new(&[MOVABLE]);
    let (camera, viewer) = (preview.camera, preview.viewers[0]);
    for generation in 2..=5 {
        preview.begin(4096, 4).unwrap();
        camera.ready(&mut preview.world, generation).unwrap();
        viewer.ready(&mut preview.world, generation).unwrap();
        camera.release(&mut preview.world, generation - 1).unwrap();
    }
    let error = preview.begin(4096, 4).unwrap_err();
    let BrokerError::MoveBusy { blockers, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (blockers.len(), blockers[0].reason, blockers[0].role),
        (1, Hindrance::KeepsOld, Role::Consumer)
    );
    viewer.release(&mut preview.world, 3).unwrap();
    preview.begin(4096, 4).unwrap();
}
