//! Tokens: rights, labels, names, and that each is used once.

use crate::fake::participant;
use crate::play::{Play, config};
use wharf_core::negotiation::{InvalidParticipant, Participant, ParticipantId};
use wharf_core::set::{Declared, MAX_TOKENS, Rights, SetError, SetMachine, SetStatus, Tie, TokenSpec};
use wharf_core::{AccessMode, BufferName, Errno};

#[test]
fn a_token_grants_no_more_than_the_one_it_was_issued_from() {
    let mut play = Play::new(config());
    let spec = TokenSpec::new("helper").rights(Rights::ISSUE | Rights::SEAL);
    let helper = play.set.issue(play.root, spec).unwrap();
    let spec = TokenSpec::new("friend").rights(Rights::SEAL | Rights::WRITE);
    let refused = play.set.issue(helper, spec).unwrap_err();
    assert_eq!(
        refused,
        SetError::Denied {
            label: "helper".into(),
            lacks: Rights::WRITE
        }
    );
    assert_eq!(refused.errno(), Errno::EACCES);
    assert_eq!(
        refused.to_string(),
        "the token of 'helper' does not grant: write; use one that does"
    );
    let friend = play
        .set
        .issue(helper, TokenSpec::new("friend").rights(Rights::SEAL))
        .unwrap();
    assert!(matches!(
        play.set.issue(friend, TokenSpec::new("stranger")),
        Err(SetError::Denied {
            lacks: Rights::ISSUE,
            ..
        })
    ));
}

#[test]
fn writing_and_sealing_need_the_right_to() {
    let mut play = Play::new(config());
    let reader = play.set.issue(play.root, TokenSpec::new("reader")).unwrap();
    let refused = play.declare(reader, participant("reader", 1..=9, 1));
    assert!(matches!(
        refused,
        Err(SetError::Denied {
            lacks: Rights::WRITE,
            ..
        })
    ));
    assert!(matches!(
        play.set.seal(reader),
        Err(SetError::Denied {
            lacks: Rights::SEAL,
            ..
        })
    ));
    let reads = participant("reader", 1..=9, 1).access(AccessMode::ReadOnly);
    assert_eq!(play.declare(reader, reads), Ok(Declared::Collected));
}

#[test]
fn each_token_is_used_once() {
    let mut play = Play::new(config());
    let token = play.expect("viewer");
    play.declare(token, participant("viewer", 1..=9, 1)).unwrap();
    let again = play.declare(token, participant("viewer", 1..=9, 1)).unwrap_err();
    assert_eq!(
        again,
        SetError::Used {
            label: "viewer".into()
        }
    );
    assert_eq!(again.errno(), Errno::EALREADY);
    play.set.release(token).unwrap();
    let gone = play.declare(token, participant("viewer", 1..=9, 1)).unwrap_err();
    assert_eq!(gone, SetError::NoSuchToken { token });
    assert_eq!(gone.errno(), Errno::ENOENT);
}

#[test]
fn a_declaration_can_be_taken_back_until_the_seal() {
    let mut play = Play::new(config());
    let token = play.expect("viewer");
    assert!(matches!(play.set.undeclare(token), Err(SetError::NoPart { .. })));
    play.declare(token, participant("viewer", 1..=9, 1)).unwrap();
    play.set.undeclare(token).unwrap();
    assert_eq!(play.set.missing(), ["creator".into(), "viewer".into()]);
    play.declare(token, participant("viewer", 5..=9, 3)).unwrap();
    play.set.seal(play.root).unwrap();
    assert_eq!(play.set.undeclare(token), Err(SetError::Sealed));
    play.settle();
    assert_eq!(play.set.undeclare(token), Err(SetError::Sealed));
    assert_eq!(play.set.plan().unwrap().count(), 3);
}

#[test]
fn nonsense_is_refused_and_harms_nobody() {
    let mut play = Play::new(config());
    let token = play.expect("viewer");
    let nothing = Participant::new(ParticipantId(7), "viewer");
    let refused = play.declare(token, nothing).unwrap_err();
    assert!(
        matches!(refused, SetError::Invalid(InvalidParticipant::Nothing { .. })),
        "{refused}"
    );
    assert_eq!(refused.errno(), Errno::EINVAL);
    assert!(matches!(
        play.declare(token, participant("", 1..=9, 1)),
        Err(SetError::Invalid(_))
    ));
    let bad = TokenSpec::new("a\nb");
    assert!(matches!(
        play.set.issue(play.root, bad),
        Err(SetError::Invalid(_))
    ));
    assert_eq!(play.set.status(), SetStatus::Open);
    play.declare(token, participant("viewer", 1..=9, 1)).unwrap();
}

#[test]
fn there_is_an_end_to_tokens_and_room_again_when_some_are_given_up() {
    let mut play = Play::new(config());
    let tokens: Vec<_> = (1..MAX_TOKENS).map(|_| play.expect("one")).collect();
    let refused = play.set.issue(play.root, TokenSpec::new("more")).unwrap_err();
    assert_eq!(
        refused,
        SetError::TooMany {
            what: "tokens",
            most: MAX_TOKENS
        }
    );
    assert_eq!(refused.errno(), Errno::ENOSPC);
    play.set.release(tokens[500]).unwrap();
    let new = play.expect("one");
    assert!(tokens.iter().all(|old| *old < new), "a number was given twice");
}

#[test]
fn the_name_of_the_highest_priority_stays() {
    let mut play = Play::new(config());
    let name = |text| BufferName::new(text).unwrap();
    assert_eq!(play.set.name(), None);
    assert_eq!(play.set.set_name(play.root, 5, name("preview")), Ok(true));
    assert_eq!(play.set.set_name(play.root, 5, name("other")), Ok(false));
    assert_eq!(play.set.set_name(play.root, 4, name("other")), Ok(false));
    assert_eq!(play.set.name(), Some(&name("preview")));
    assert_eq!(play.set.set_name(play.root, 6, name("record")), Ok(true));
    assert_eq!(play.set.name(), Some(&name("record")));
    let reader = play.set.issue(play.root, TokenSpec::new("reader")).unwrap();
    assert!(matches!(
        play.set.set_name(reader, 9, name("mine")),
        Err(SetError::Denied { .. })
    ));
}

#[test]
fn what_is_issued_from_a_weak_token_is_weak() {
    let mut play = Play::new(config());
    let spec = TokenSpec::new("weak").rights(Rights::ISSUE).weak();
    let weak = play.set.issue(play.root, spec).unwrap();
    let child = play.set.issue(weak, TokenSpec::new("child")).unwrap();
    let seen = play.set.snapshot();
    let of = |token| seen.tokens.iter().find(|one| one.token == token).unwrap();
    assert_eq!((of(weak).tie, of(child).tie), (Tie::Weak, Tie::Weak));
    assert_eq!(of(child).parent, Some(weak));
}

#[test]
fn a_set_can_be_driven_from_any_thread() {
    fn is_send<T: Send>() {}
    is_send::<SetMachine>();
}
