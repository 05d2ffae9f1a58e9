//! Plans, put before each participant by who had no part in making them.

use wharf_core::constraints::{Buffers, Bytes, Constraints, Field, key};
use wharf_core::negotiation::{ActualBuffer, Neighbor, Participant, SetFile, solve, suits};

const EXAMPLE: &str = include_str!("../../../../sets/worked-example.toml");

/// How all but one participant use the buffers.
fn others(participants: &[Participant], who: &Participant) -> Vec<Neighbor> {
    let others = participants.iter().filter(|one| one.id != who.id);
    let functions = others.flat_map(|one| &one.functions);
    functions
        .map(|function| Neighbor::of(&function.alternatives[0].constraints))
        .collect()
}

#[test]
fn plan_of_the_worked_example_suits_everybody() {
    let set: SetFile = toml::from_str(EXAMPLE).unwrap();
    let plan = solve(&set.problem()).unwrap();
    for participant in set.participants() {
        let mut buffer = ActualBuffer::planned(&plan, set.heaps(), participant.id).unwrap();
        buffer.neighbors = others(set.participants(), participant);
        let choices = suits(&buffer, participant);
        let planned = plan
            .choices
            .iter()
            .filter(|choice| choice.participant == participant.id);
        assert_eq!(choices, Ok(planned.cloned().collect()), "{participant}");
    }
}

// The late joiners of the worked example.
#[test]
fn plan_of_the_worked_example_does_not_suit_late_joiners() {
    let set: SetFile = toml::from_str(EXAMPLE).unwrap();
    let plan = solve(&set.problem()).unwrap();
    let late = |constraints: Constraints| {
        let participant = crate::support::participant(constraints);
        let buffer = ActualBuffer::planned(&plan, set.heaps(), participant.id).unwrap();
        suits(&buffer, &participant).map_err(|misfit| misfit.path.field)
    };
    let image = "images = [{ fourcc = \"NV12\", modifier = \"linear\", stride_rules = [\"round-up 256\"] }]";
    assert_eq!(
        late(toml::from_str(image).unwrap()).unwrap_err(),
        Field::StrideRules
    );
    let above = "windows = [\"1 GiB..4 GiB\"]";
    assert_eq!(late(toml::from_str(above).unwrap()).unwrap_err(), Field::Windows);
    let camping = Constraints::builder()
        .with(key::CAMPING, Buffers(3))
        .build()
        .unwrap();
    assert_eq!(late(camping).unwrap_err(), Field::Camping);
    let modest = Constraints::builder()
        .with(key::MIN_SIZE, Bytes(4096))
        .build()
        .unwrap();
    assert!(late(modest).is_ok());
}
