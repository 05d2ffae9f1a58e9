//! Leaving in good order, and the end of sets.

use crate::fake::participant;
use crate::play::{Play, config, size};
use wharf_core::set::{
    Declared, FailureDomain, News, Order, SetError, SetFailure, SetStatus, TokenSpec, TokenStatus,
};

#[test]
fn what_was_declared_stays_in_force_after_its_release_until_a_move() {
    let (mut play, tokens) = Play::begun(
        config(),
        [participant("camera", 4..=9, 2), participant("viewer", 1..=5, 2)],
    );
    play.set.release(tokens[1]).unwrap();
    assert_eq!(
        play.set.release(tokens[1]),
        Err(SetError::NoSuchToken { token: tokens[1] }),
        "once"
    );
    assert_eq!(
        (
            play.set.counts(tokens[1]).unwrap().camping,
            play.set.free_buffers()
        ),
        (2, 0)
    );
    let released = play
        .set
        .snapshot()
        .tokens
        .into_iter()
        .find(|one| one.token == tokens[1]);
    assert_eq!(released.unwrap().status, TokenStatus::Released);
    // The move need not suit it any more.
    let new = play.expect("new");
    assert_eq!(
        play.declare(new, participant("new", 8..=9, 1)),
        Ok(Declared::Moving { to: 2 })
    );
    play.settle();
    assert_eq!((size(&play), play.set.plan().unwrap().count()), (8, 3));
    assert_eq!(play.set.counts(tokens[1]), None);
    assert!(
        play.set
            .snapshot()
            .tokens
            .iter()
            .all(|one| one.token != tokens[1]),
        "it is forgotten"
    );
}

#[test]
fn what_was_declared_counts_for_the_first_memory_even_if_its_token_was_released_before() {
    let mut play = Play::new(config());
    let (one, other) = (play.expect("one"), play.expect("other"));
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    play.declare(other, participant("other", 5..=9, 2)).unwrap();
    play.set.release(one).unwrap();
    play.set.seal(play.root).unwrap();
    play.settle();
    assert_eq!((size(&play), play.set.plan().unwrap().count()), (5, 4));
    assert_eq!(play.set.counts(one).unwrap().camping, 2);
}

#[test]
fn a_failure_returns_counts_and_relaxes_nothing() {
    let (mut play, _) = Play::begun(config(), [participant("camera", 4..=9, 2)]);
    let spec = TokenSpec::new("viewer").domain(FailureDomain::Dispensable);
    let strict = play.issue(spec.clone());
    play.declare(strict, participant("viewer", 8..=9, 3)).unwrap();
    play.settle();
    assert_eq!((size(&play), play.set.free_buffers()), (8, 0));
    play.set.fail(strict).unwrap();
    assert_eq!(
        (
            size(&play),
            play.set.plan().unwrap().count(),
            play.set.free_buffers()
        ),
        (8, 5, 3)
    );
    // Three are free: first come, first served.
    let (second, third) = (play.issue(spec.clone()), play.issue(spec));
    assert_eq!(
        play.declare(second, participant("second", 1..=9, 2)),
        Ok(Declared::Fits { generation: 2 })
    );
    assert_eq!(play.set.free_buffers(), 1);
    assert_eq!(
        play.declare(third, participant("third", 1..=9, 1)),
        Ok(Declared::Fits { generation: 2 })
    );
    assert_eq!(play.set.free_buffers(), 0);
}

#[test]
fn a_failure_between_the_declaration_and_the_memory_costs_no_buffer() {
    let mut play = Play::new(config());
    let one = play.expect("one");
    let other = play.issue(TokenSpec::new("other").domain(FailureDomain::Attached));
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    play.declare(other, participant("other", 5..=9, 2)).unwrap();
    play.set.seal(play.root).unwrap();
    // The memory that is being allocated has room for it, which is free then.
    play.set.fail(other).unwrap();
    play.settle();
    assert_eq!(
        (play.set.plan().unwrap().count(), play.set.free_buffers()),
        (4, 2)
    );
}

#[test]
fn the_last_who_leaves_ends_the_set() {
    let (mut play, tokens) = Play::begun(config(), [participant("one", 4..=9, 2)]);
    play.set.release(play.root).unwrap();
    assert_eq!(play.set.status(), SetStatus::Allocated { generation: 1 });
    play.set.release(tokens[0]).unwrap();
    assert_eq!(
        (play.set.status(), play.set.failure()),
        (SetStatus::Dead, Some(&SetFailure::Ended))
    );
    assert_eq!(play.orders(), [Order::Free { generation: 1 }]);
    assert_eq!(
        play.set.want_buffers(tokens[0]),
        Err(SetError::Over(SetFailure::Ended))
    );
    assert_eq!(play.set.generation(), None);
}

#[test]
fn a_set_that_everybody_leaves_while_memory_is_allocated_gives_it_up() {
    let mut play = Play::new(config());
    let one = play.expect("one");
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    play.set.seal(play.root).unwrap();
    play.set.release(play.root).unwrap();
    play.set.release(one).unwrap();
    assert_eq!(play.set.status(), SetStatus::Dead);
    assert_eq!(play.orders().last(), Some(&Order::Free { generation: 1 }));
}

#[test]
fn weak_ones_are_told_when_the_last_strong_one_leaves() {
    let (mut play, tokens) = Play::begun(config(), [participant("one", 4..=9, 2)]);
    let weak = play.issue(TokenSpec::new("weak").weak());
    play.declare(weak, participant("weak", 4..=9, 0)).unwrap();
    play.set.release(play.root).unwrap();
    play.set.release(tokens[0]).unwrap();
    let news = play.settle();
    assert!(
        news.contains(&(weak.get(), News::Over(SetFailure::Ended))),
        "{news:?}"
    );
}

#[test]
fn a_phantom_leaves_nothing_behind_and_keeps_the_set_alive_while_its_token_is_held() {
    use wharf_core::negotiation::Presence;
    let phantom = participant("later", 4..=9, 2).presence(Presence::Phantom);
    let (mut play, tokens) = Play::begun(config(), [participant("one", 4..=9, 2), phantom.clone()]);
    play.set.release(tokens[1]).unwrap();
    assert_eq!((play.set.counts(tokens[1]), play.set.free_buffers()), (None, 2));
    let (mut play, tokens) = Play::begun(config(), [participant("one", 4..=9, 2), phantom]);
    play.set.release(play.root).unwrap();
    play.set.release(tokens[0]).unwrap();
    assert_eq!(play.set.status(), SetStatus::Allocated { generation: 1 });
    play.set.release(tokens[1]).unwrap();
    assert_eq!(play.set.status(), SetStatus::Dead);
}

#[test]
fn a_set_in_which_many_come_and_go_does_not_grow() {
    let (mut play, _) = Play::begun(config(), [participant("one", 4..=9, 2)]);
    let before = play.set.snapshot().tokens.len();
    for round in 0..3000 {
        let guest = play.issue(TokenSpec::new("guest").domain(FailureDomain::Dispensable));
        play.declare(guest, participant("guest", 1..=9, 0)).unwrap();
        if round % 2 == 0 {
            play.set.fail(guest).unwrap()
        } else {
            play.set.release(guest).unwrap()
        }
    }
    assert_eq!(play.set.snapshot().tokens.len(), before);
}
