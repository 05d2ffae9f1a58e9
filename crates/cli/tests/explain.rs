//! `wharf explain` of a set that a broker has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use support::{Broker, Outcome, PATIENCE, run, wharf};
use wharf::core::constraints::{Buffers, Bytes, Constraints, key};
use wharf::core::negotiation::{Function, Participant, ParticipantId};
use wharf::{NegotiatedSet, Seat, Session, SetOptions};

fn participant(label: &str, size_bytes: u64) -> Participant {
    let needs = Constraints::builder()
        .with(key::MIN_SIZE, Bytes(size_bytes))
        .with(key::CAMPING, Buffers(2))
        .build()
        .unwrap();
    Participant::new(ParticipantId(0), label).function(Function::new("use", needs))
}

fn set(broker: &Broker) -> Result<(Session, NegotiatedSet), Box<dyn std::error::Error>> {
    let session = Session::connect_to(&broker.socket(), "recorder")?;
    let set = session.create_set(&SetOptions::new("preview"))?;
    Ok((session, set))
}

fn explained(broker: &Broker, arguments: &[&str]) -> support::Ended {
    let mut command = wharf(&["explain"]);
    command.args(arguments).arg("--socket").arg(broker.socket());
    run(command)
}

#[test]
fn set_with_memory_is_explained_by_its_number() -> Outcome {
    let broker = Broker::start(&[]);
    let (_session, set) = set(&broker)?;
    let number = set.id().0.to_string();
    let open = explained(&broker, &[&number]);
    assert!(open.status.success(), "{}", open.stderr);
    assert!(open.stdout.contains("'preview': open"), "{}", open.stdout);

    let mut seat: Seat = set.take_seat(participant("camera", 10_000))?;
    seat.seal()?;
    seat.buffers(Some(PATIENCE))?;
    let text = explained(&broker, &[&number]);
    assert!(text.status.success(), "{}", text.stderr);
    for part in [
        "'preview': allocated, generation 1, from memfd",
        "suits everyone",
        "camera",
    ] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    let json = explained(&broker, &["--json", &number]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(json["plan"]["memories"][0]["size_bytes"], 12_288);
    Ok(())
}

#[test]
fn number_that_no_set_has_is_said_to_be_none() {
    let broker = Broker::start(&[]);
    let ended = explained(&broker, &["77"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.error_line().contains("77"), "{}", ended.stderr);
}

#[test]
fn file_of_that_name_is_read_instead() -> Outcome {
    let broker = Broker::start(&[]);
    let place = tempfile::tempdir()?;
    std::fs::write(place.path().join("77"), "name = \"empty\"\n")?;
    let mut command = wharf(&["explain", "77", "--socket"]);
    command.arg(broker.socket()).current_dir(place.path());
    let ended = run(command);
    assert!(!ended.stderr.contains("set 77"), "{}", ended.stderr);
    assert!(
        ended.status.code() == Some(3) || ended.status.success(),
        "{}",
        ended.stderr
    );
    Ok(())
}
