//! Participants, heaps and sets that make no sense by themselves.

use wharf_core::Errno;
use wharf_core::constraints::{Constraints, MAX_NAME_BYTES};
use wharf_core::negotiation::{
    Function, HeapOffer, InvalidHeap, InvalidParticipant, InvalidSet, MAX_ALTERNATIVES, MAX_FUNCTIONS,
    Participant, ParticipantId, Policy, SetFile,
};

fn function(name: &str) -> Function {
    Function::new(name, Constraints::default())
}

fn participant(label: &str) -> Participant {
    Participant::new(ParticipantId(1), label)
}

fn refusal(participant: Participant) -> InvalidParticipant {
    let error = participant.checked().unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
    error
}

#[test]
fn names_are_short_lines() {
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    for name in ["", "a\nb", "\u{1b}[2J", &long] {
        for odd in [
            participant(name).function(function("use")),
            participant("a").function(function(name)),
            participant("a").device(name).function(function("use")),
            participant("a").function(function("use").or(name, 1, Constraints::default())),
            Participant {
                source: Some(name.into()),
                ..participant("a").function(function("use"))
            },
        ] {
            let error = refusal(odd);
            assert!(matches!(&error, InvalidParticipant::Name { name: blamed, .. } if &**blamed == name));
            assert!(!error.to_string().contains(char::is_control));
        }
    }
    let longest = &long[1..];
    assert!(participant(longest).function(function(longest)).checked().is_ok());
}

#[test]
fn who_does_nothing_is_no_participant() {
    assert!(matches!(
        refusal(participant("a")),
        InvalidParticipant::Nothing { .. }
    ));
    let in_no_way = Function {
        alternatives: Vec::new(),
        ..function("use")
    };
    assert!(matches!(
        refusal(participant("a").function(in_no_way)),
        InvalidParticipant::Nothing { .. }
    ));
}

#[test]
fn functions_and_alternatives_have_names_of_their_own() {
    let twice = participant("a")
        .function(function("use"))
        .function(function("use"));
    assert!(matches!(refusal(twice), InvalidParticipant::FunctionTwice { .. }));
    let twice = function("use")
        .or("copy", 1, Constraints::default())
        .or("copy", 2, Constraints::default());
    assert!(matches!(
        refusal(participant("a").function(twice)),
        InvalidParticipant::AlternativeTwice { .. }
    ));
}

#[test]
fn functions_and_alternatives_are_counted() {
    let functions = |count: usize| {
        let named = (0..count).map(|number| function(&number.to_string()));
        named.fold(participant("a"), Participant::function)
    };
    assert!(functions(MAX_FUNCTIONS).checked().is_ok());
    assert!(matches!(
        refusal(functions(MAX_FUNCTIONS + 1)),
        InvalidParticipant::TooMany { count: 65, .. }
    ));
    let alternatives = |count: usize| {
        let labels = 1..count;
        let ways = labels.fold(function("use"), |ways, number| {
            ways.or(&number.to_string(), 0, Constraints::default())
        });
        participant("a").function(ways)
    };
    assert!(alternatives(MAX_ALTERNATIVES).checked().is_ok());
    assert!(matches!(
        refusal(alternatives(MAX_ALTERNATIVES + 1)),
        InvalidParticipant::TooMany { count: 65, .. }
    ));
}

fn heap(name: &str) -> HeapOffer {
    HeapOffer {
        name: name.into(),
        guarantees: Default::default(),
        cost: 0,
        capacity_bytes: None,
    }
}

#[test]
fn promises_that_mean_nothing_are_refused() {
    assert_eq!(heap("system").checked(), Ok(heap("system")));
    let promises: [fn(&mut HeapOffer); 8] = [
        |heap| heap.guarantees.chunk_bytes = 0,
        |heap| heap.guarantees.chunk_bytes = 3 * 4096,
        |heap| heap.guarantees.chunk_bytes = 2048,
        |heap| heap.guarantees.base_align_bytes = 4097,
        |heap| heap.guarantees.max_size_bytes = 4095,
        |heap| heap.guarantees.windows = Some([].into_iter().collect()),
        |heap| heap.guarantees.cache_modes = ["write-back"].into_iter().collect(),
        |heap| heap.guarantees.protection = "".into(),
    ];
    for promise in promises {
        let mut odd = heap("odd");
        promise(&mut odd);
        let error = odd.checked().unwrap_err();
        assert_eq!(error.errno(), Errno::EINVAL);
        assert!(
            matches!(&error, InvalidHeap::Promise { heap, .. } if &**heap == "odd"),
            "{error}"
        );
    }
    assert!(matches!(heap("").checked(), Err(InvalidHeap::Name { .. })));
}

#[test]
fn sets_have_no_two_of_one_number_or_name() {
    let one = || participant("a").function(function("use"));
    let set = |participants, heaps| SetFile::new("set", Policy::default(), participants, heaps).map(|_| ());
    assert_eq!(set(vec![one()], vec![heap("a"), heap("b")]), Ok(()));
    assert_eq!(
        set(vec![one(), one()], vec![]),
        Err(InvalidSet::Participant(InvalidParticipant::SameId { id: 1 }))
    );
    let same = InvalidHeap::SameName { name: "a".into() };
    assert_eq!(
        set(vec![], vec![heap("a"), heap("a")]),
        Err(InvalidSet::Heap(same))
    );
    let nameless = SetFile::new("", Policy::default(), vec![], vec![]).unwrap_err();
    assert_eq!(nameless.errno(), Errno::EINVAL);
}

#[test]
fn ten_thousand_participants_are_checked() {
    let many = |count: u64| -> Vec<Participant> {
        let numbered =
            (0..count).map(|id| Participant::new(ParticipantId(id), "one of many").function(function("use")));
        numbered.collect()
    };
    let mut participants = many(10_000);
    let set = SetFile::new("many", Policy::default(), participants.clone(), vec![]).unwrap();
    let json = serde_json::to_string(&set).unwrap();
    assert_eq!(serde_json::from_str::<SetFile>(&json).unwrap(), set);
    participants[9_999].id = ParticipantId(0);
    assert_eq!(
        SetFile::new("many", Policy::default(), participants, vec![]),
        Err(InvalidSet::Participant(InvalidParticipant::SameId { id: 0 }))
    );
}
