//! Ways out of simple conflicts, by the simple judge of the tests of blame.

use super::*;
use crate::constraints::{Buffers, Bytes, Constraints, Key, key};
use crate::negotiation::blame::tests::judge;
use crate::negotiation::needs::needs_of;
use crate::negotiation::{Function, Participant, ParticipantId, Policy};

fn states<T: Into<Value>>(id: u64, label: &str, key: Key<T>, value: T) -> Participant {
    let constraints = Constraints::builder()
        .with(key, value)
        .build()
        .expect("it makes sense");
    Participant::new(ParticipantId(id), label).function(Function::new("use", constraints))
}

fn optional(mut participant: Participant) -> Participant {
    participant.presence = Presence::Optional { priority: 1 };
    participant
}

/// What would help, in words, if everybody is in the conflict.
fn ways_out(participants: &[Participant]) -> Vec<String> {
    let participants: Vec<&Participant> = participants.iter().collect();
    let policy = Policy::default();
    let surroundings = Surroundings {
        participants: &participants,
        heaps: &[],
        policy: &policy,
    };
    let needs = needs_of(&participants);
    let everything = |edit: &Edit<'_>| -> Vec<Need> {
        let edited = needs.edited(edit);
        let speakers: Vec<_> = edited.speakers().collect();
        speakers
            .into_iter()
            .flat_map(|who| edited.of(who).to_vec())
            .collect()
    };
    let core = everything(&|need| Some(need.clone()));
    let mut solver = |edit: &Edit<'_>| Ok(judge(&everything(edit).iter().collect::<Vec<_>>()).is_none());
    let found = relaxations(&surroundings, &[core.iter().collect()], &mut solver);
    let words = found.into_iter().map(|relaxation| match relaxation {
        Relaxation::Change { who, path, to, .. } => format!("{who}: {path} {to}"),
        Relaxation::DropField { who, path } => format!("{who}: no {path}"),
        Relaxation::Without { who } => format!("without {who}"),
        Relaxation::UseAlternative { who } => format!("as {who}"),
    });
    words.collect()
}

#[test]
fn bounds_that_cross_move_until_they_meet() {
    let ways = ways_out(&[
        states(1, "camera", key::MIN_SIZE, Bytes(3_133_440)),
        states(2, "viewer", key::MAX_SIZE, Bytes(3_110_400)),
    ]);
    assert_eq!(
        ways,
        [
            "camera.use: min_size_bytes 3110400 bytes",
            "viewer.use: max_size_bytes 3133440 bytes"
        ]
    );
}

#[test]
fn an_optional_participant_is_done_without_before_anybody_changes() {
    let names = |name: &str| [name].into_iter().collect::<crate::constraints::Names>();
    let ways = ways_out(&[
        states(1, "camera", key::HEAPS, names("cma")),
        optional(states(2, "viewer", key::HEAPS, names("system"))),
    ]);
    assert_eq!(
        ways,
        [
            "without viewer",
            "camera.use: heaps cma, system",
            "viewer.use: heaps cma, system"
        ]
    );
}

#[test]
fn shares_shrink_by_what_is_too_much() {
    let ways = ways_out(&[
        states(1, "camera", key::CAMPING, Buffers(40)),
        states(2, "viewer", key::CAMPING, Buffers(30)),
    ]);
    assert_eq!(
        ways,
        ["camera.use: camping 34 buffers", "viewer.use: camping 24 buffers"]
    );
}

#[test]
fn what_is_flat_becomes_what_the_other_has() {
    let ways = ways_out(&[
        states(1, "camera", key::PROTECTION, "none".into()),
        states(2, "viewer", key::PROTECTION, "secure".into()),
    ]);
    assert_eq!(
        ways[..2],
        ["camera.use: protection secure", "viewer.use: protection none"]
    );
}

#[test]
fn what_does_not_help_is_not_shown() {
    // Either of the two conflicts stays whatever is done about the other.
    let mut camera = states(1, "camera", key::PROTECTION, "none".into());
    let more = states(1, "camera", key::MIN_SIZE, Bytes(8192))
        .functions
        .remove(0);
    camera.functions.push(more);
    let mut viewer = states(2, "viewer", key::PROTECTION, "secure".into());
    let more = states(2, "viewer", key::MAX_SIZE, Bytes(4096))
        .functions
        .remove(0);
    viewer.functions.push(more);
    assert_eq!(ways_out(&[camera, viewer]), ["without camera", "without viewer"]);
}

#[test]
fn without_budget_nothing_is_shown() {
    let policy = Policy::default();
    let surroundings = Surroundings {
        participants: &[],
        heaps: &[],
        policy: &policy,
    };
    let participant = states(1, "camera", key::MIN_SIZE, Bytes(8192));
    let needs = needs_of(&[&participant]);
    let speakers: Vec<_> = needs.speakers().collect();
    let core: Vec<&Need> = speakers.iter().flat_map(|who| needs.of(*who)).collect();
    let found = relaxations(&surroundings, &[core], &mut |_: &Edit<'_>| Err(Ended));
    assert_eq!(found, []);
}
