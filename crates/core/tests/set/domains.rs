//! Whom it harms when somebody goes away without saying so.

use crate::fake::participant;
use crate::play::{Play, config};
use wharf_core::Errno;
use wharf_core::set::{FailureDomain, News, Order, Rights, SetFailure, SetStatus, TokenId, TokenSpec};

fn lost(label: &str) -> SetFailure {
    SetFailure::Lost {
        label: label.into(),
        pid: Some(7),
    }
}

/// A set with an old participant and one of a domain; memory is there if `is_allocated`.
fn begin(domain: FailureDomain, is_allocated: bool) -> (Play, TokenId, TokenId) {
    let mut play = Play::new(config());
    let old = play.expect("old");
    play.declare(old, participant("old", 4..=9, 1)).unwrap();
    let new = play.issue(TokenSpec::expected("new").domain(domain));
    play.declare(new, participant("new", 4..=9, 2).pid(7)).unwrap();
    if is_allocated {
        play.set.seal(play.root).unwrap();
        play.settle();
    }
    (play, old, new)
}

#[test]
fn a_normal_participant_takes_the_set_along() {
    for is_allocated in [false, true] {
        let (mut play, old, new) = begin(FailureDomain::Normal, is_allocated);
        play.set.fail(new).unwrap();
        assert_eq!(play.set.status(), SetStatus::Failed);
        assert_eq!(play.set.failure(), Some(&lost("new")));
        let news = play.settle();
        assert!(news.contains(&(old.get(), News::Over(lost("new")))), "{news:?}");
        let error = play.set.want_buffers(old).unwrap_err();
        assert_eq!(error.errno(), Errno::ENODEV);
        assert_eq!(error.to_string(), "the set failed because 'new' went away");
    }
}

#[test]
fn a_creator_that_takes_no_part_takes_the_set_along_and_everybody_hears_so() {
    for is_allocated in [false, true] {
        let (mut play, old, new) = begin(FailureDomain::Attached, is_allocated);
        play.set.fail(play.root).unwrap();
        let SetFailure::Lost { label, .. } = play.set.failure().unwrap().clone() else {
            panic!("{:?}", play.set.failure())
        };
        assert_eq!(play.set.status(), SetStatus::Failed);
        let news = play.settle();
        for holder in [old, new] {
            let is_told = |(whom, news): &(u64, News)| {
                *whom == holder.get() && matches!(news, News::Over(SetFailure::Lost { .. }))
            };
            assert!(news.iter().any(is_told), "{news:?}");
            let error = play.set.want_buffers(holder).unwrap_err().to_string();
            assert_eq!(error, format!("the set failed because '{label}' went away"));
        }
    }
}

#[test]
fn a_dispensable_participant_harms_the_set_only_until_there_is_memory() {
    let (mut play, _, new) = begin(FailureDomain::Dispensable, false);
    play.set.fail(new).unwrap();
    assert_eq!(play.set.status(), SetStatus::Failed);

    let (mut play, old, new) = begin(FailureDomain::Dispensable, true);
    play.set.fail(new).unwrap();
    assert_eq!(play.set.status(), SetStatus::Allocated { generation: 1 });
    assert_eq!(play.set.want_buffers(old), Ok(1));
    assert_eq!(play.set.free_buffers(), 2, "what it counted on is free");
}

#[test]
fn a_dispensable_participant_harms_the_set_while_memory_is_being_allocated() {
    let (mut play, _, new) = begin(FailureDomain::Dispensable, false);
    play.set.seal(play.root).unwrap();
    play.set.fail(new).unwrap();
    assert_eq!(play.set.status(), SetStatus::Failed);
    let orders = play.orders();
    assert_eq!(orders.last(), Some(&Order::Free { generation: 1 }), "{orders:?}");
    assert!(play.set.allocated(1, Ok(())).is_err());
}

#[test]
fn an_attached_participant_never_harms_the_set() {
    for is_allocated in [false, true] {
        let (mut play, old, new) = begin(FailureDomain::Attached, is_allocated);
        play.set.fail(new).unwrap();
        if !is_allocated {
            play.set.seal(play.root).unwrap();
            play.settle();
            assert_eq!(play.set.plan().unwrap().count(), 1);
        }
        assert_eq!(play.set.want_buffers(old), Ok(1));
    }
}

#[test]
fn needs_of_an_attached_participant_never_make_the_set_fail() {
    let mut play = Play::new(config());
    let old = play.expect("old");
    play.declare(old, participant("old", 4..=9, 1)).unwrap();
    let new = play.issue(TokenSpec::expected("new").domain(FailureDomain::Attached));
    play.declare(new, participant("new", 10..=19, 1)).unwrap();
    play.set.seal(play.root).unwrap();
    let news = play.settle();
    assert_eq!(
        news,
        [
            (new.get(), News::LeftOut),
            (old.get(), News::Ready { generation: 1 })
        ]
    );
    assert!(
        play.set
            .want_buffers(new)
            .unwrap_err()
            .to_string()
            .contains("was left out")
    );
    assert_eq!(play.set.plan().unwrap().count(), 1);
}

#[test]
fn a_failure_takes_along_what_was_issued_from_it_up_to_its_domain() {
    let (mut play, old, _) = begin(FailureDomain::Normal, false);
    let all = Rights::WRITE | Rights::ISSUE | Rights::MOVE;
    let group = play.issue(
        TokenSpec::new("group")
            .rights(all)
            .domain(FailureDomain::Attached),
    );
    let brother = play
        .set
        .issue(group, TokenSpec::new("brother").rights(all))
        .unwrap();
    let sister = play
        .set
        .issue(group, TokenSpec::new("sister").rights(all))
        .unwrap();
    let niece = play
        .set
        .issue(sister, TokenSpec::new("niece").rights(all))
        .unwrap();
    for (token, label) in [(brother, "brother"), (niece, "niece")] {
        play.declare(token, participant(label, 4..=9, 1)).unwrap();
    }
    play.set.seal(play.root).unwrap();
    play.settle();
    assert_eq!(play.set.free_buffers(), 0);
    // The brother shares the failure of the group, and the group that of the niece.
    play.set.fail(niece).unwrap();
    let lost: Vec<_> = play.settle();
    let told: Vec<u64> = lost
        .iter()
        .map(|(whom, news)| (*whom, news))
        .filter(|(_, news)| **news == News::Lost)
        .map(|(whom, _)| whom)
        .collect();
    assert_eq!(told, [group.get(), brother.get(), sister.get(), niece.get()]);
    assert_eq!(play.set.want_buffers(old), Ok(1));
    assert_eq!(play.set.free_buffers(), 2);
    assert!(
        play.set.snapshot().tokens.iter().all(|one| one.token < group),
        "they are forgotten"
    );
}

#[test]
fn a_dispensable_group_goes_alone_once_there_is_memory() {
    let (mut play, old, _) = begin(FailureDomain::Normal, false);
    let all = Rights::WRITE | Rights::ISSUE;
    let group = play.issue(
        TokenSpec::new("group")
            .rights(all)
            .domain(FailureDomain::Dispensable),
    );
    let child = play
        .set
        .issue(group, TokenSpec::new("child").rights(all))
        .unwrap();
    play.declare(child, participant("child", 4..=9, 1)).unwrap();
    // A token that was given up still passes failures on.
    play.set.release(group).unwrap();
    play.set.seal(play.root).unwrap();
    play.settle();
    play.set.fail(child).unwrap();
    assert_eq!(play.set.want_buffers(old), Ok(1));
}

#[test]
fn somebody_who_has_no_part_in_the_memory_harms_nobody() {
    let (mut play, old, _) = begin(FailureDomain::Normal, true);
    let late = play.expect("late");
    play.set.fail(late).unwrap();
    assert_eq!(play.set.want_buffers(old), Ok(1));
}
