//! Alternatives, and the buffers that functions share.

use wharf_core::constraints::{Buffers, Bytes, Constraints, Field, key};
use wharf_core::negotiation::{Function, Participant, ParticipantId, suits};

use crate::support::World;

fn camping(buffers: u64) -> Constraints {
    Constraints::builder()
        .with(key::CAMPING, Buffers(buffers))
        .build()
        .unwrap()
}

/// More than there is.
fn huge() -> Constraints {
    Constraints::builder()
        .with(key::MIN_SIZE, Bytes(1 << 40))
        .build()
        .unwrap()
}

fn labels(world: &World, functions: Vec<Function>) -> Result<Vec<String>, Field> {
    let begin = Participant::new(ParticipantId(7), "late");
    let participant = functions.into_iter().fold(begin, Participant::function);
    match suits(&world.buffer(), &participant) {
        Ok(choices) => Ok(choices
            .iter()
            .map(|choice| choice.alternative.to_string())
            .collect()),
        Err(misfit) => Err(misfit.path.field),
    }
}

#[test]
fn first_alternative_that_suits_is_chosen() {
    let world = World::example();
    let function = || {
        Function::new("use", huge())
            .or("plain", 1, camping(1))
            .or("less", 2, camping(0))
    };
    assert_eq!(labels(&world, vec![function()]), Ok(vec!["plain".to_owned()]));
    let nothing = Function::new("use", huge()).or("too many", 1, camping(9));
    assert_eq!(labels(&world, vec![nothing]), Err(Field::Camping));
}

#[test]
fn misfit_is_that_of_the_way_liked_best() {
    let world = World::example();
    let short = Constraints::builder()
        .with(key::MAX_SIZE, Bytes(4096))
        .build()
        .unwrap();
    let participant = Participant::new(ParticipantId(7), "late")
        .function(Function::new("use", huge()).or("short", 1, short));
    let misfit = suits(&world.buffer(), &participant).unwrap_err();
    assert_eq!(misfit.path.field, Field::MinSize);
    assert_eq!(misfit.who.alternative.as_deref(), Some("only"));
    let alone = Participant::new(ParticipantId(7), "late").function(Function::new("use", huge()));
    assert_eq!(suits(&world.buffer(), &alone).unwrap_err().who.alternative, None);
}

#[test]
fn functions_share_the_buffers_that_are_free() {
    let mut world = World::example();
    world.free = 3;
    let wants = |name: &str| Function::new(name, camping(2)).or("less", 1, camping(1));
    let chosen = labels(&world, vec![wants("a"), wants("b")]).unwrap();
    assert_eq!(chosen, ["only", "less"]);
    world.free = 2;
    assert_eq!(
        labels(&world, vec![wants("a"), wants("b")]).unwrap(),
        ["less", "less"]
    );
    world.free = 4;
    assert_eq!(
        labels(&world, vec![wants("a"), wants("b")]).unwrap(),
        ["only", "only"]
    );
    world.free = 1;
    assert_eq!(labels(&world, vec![wants("a"), wants("b")]), Err(Field::Camping));
}

#[test]
fn slack_does_not_count_where_none_is_given() {
    let slack = Constraints::builder()
        .with(key::CAMPING, Buffers(2))
        .with(key::DEDICATED_SLACK, Buffers(2))
        .with(key::SHARED_SLACK, Buffers(2))
        .build()
        .unwrap();
    let mut world = World::example();
    world.free = 3;
    assert_eq!(
        labels(&world, vec![Function::new("use", slack.clone())]),
        Err(Field::SharedSlack)
    );
    world.shared_slack = 2;
    assert_eq!(
        labels(&world, vec![Function::new("use", slack.clone())]),
        Err(Field::Camping)
    );
    world.slack = false;
    world.shared_slack = 0;
    assert!(labels(&world, vec![Function::new("use", slack)]).is_ok());
}

#[test]
fn many_functions_with_many_alternatives_are_no_many_combinations() {
    let mut world = World::example();
    world.free = 64;
    let function = |number: usize| {
        let begin = Function::new(&number.to_string(), camping(64));
        (1..64_u64).rev().fold(begin, |ways, count| {
            ways.or(&count.to_string(), 1, camping(count))
        })
    };
    let chosen = labels(&world, (0..64).map(function).collect()).unwrap();
    assert_eq!(chosen, vec!["1"; 64]);
}
