//! What can be seen of a set from outside.

use crate::fake::participant;
use crate::play::{Play, config};
use wharf_core::negotiation::{LedgerEntry, ParticipantId, Presence};
use wharf_core::set::{Rights, SetStatus, TokenSpec, TokenStatus};

#[test]
fn a_snapshot_shows_who_is_there_and_who_counts_on_what() {
    let old = [
        participant("camera", 4..=9, 2).pid(41),
        participant("later", 5..=9, 3).presence(Presence::Phantom),
        participant("odd", 10..=19, 1).presence(Presence::Optional { priority: 3 }),
    ];
    let (mut play, tokens) = Play::begun(config(), old);
    play.issue(TokenSpec::new("guest"));
    play.expect("friend");
    let seen = play.set.snapshot();
    assert_eq!(seen.status, SetStatus::Allocated { generation: 1 });
    assert_eq!(
        (seen.buffers, seen.size_bytes, seen.free, seen.shared_slack),
        (5, 5 * 4096, 0, 0)
    );
    assert_eq!(
        (&*seen.account, &seen.heaps[..]),
        ("creator", &["near".into()][..])
    );
    let status: Vec<_> = seen.tokens.iter().map(|one| (&*one.label, one.status)).collect();
    assert_eq!(
        status,
        [
            ("creator", TokenStatus::Expected),
            ("camera", TokenStatus::Declared),
            ("later", TokenStatus::Phantom),
            ("odd", TokenStatus::LeftOut),
            ("guest", TokenStatus::Issued),
            ("friend", TokenStatus::Expected)
        ]
    );
    let camera = &seen.tokens[1];
    assert_eq!(
        (camera.token, camera.parent, camera.pid),
        (tokens[0], Some(play.root), Some(41))
    );
    assert_eq!(camera.rights, Rights::WRITE | Rights::MOVE);
    let counts = LedgerEntry {
        participant: ParticipantId(2),
        camping: 2,
        slack: 0,
    };
    assert_eq!(camera.counts, Some(counts));
}

#[test]
fn a_set_without_memory_shows_none() {
    let play = Play::new(config());
    let seen = play.set.snapshot();
    assert_eq!(
        (seen.status, seen.buffers, seen.size_bytes, seen.free),
        (SetStatus::Open, 0, 0, 0)
    );
    assert_eq!(
        (play.set.plan(), play.set.generation(), play.set.last_report()),
        (None, None, None)
    );
    assert!(format!("{:?}", play.set).contains("Open"));
}
