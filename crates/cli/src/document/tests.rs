//! What documents say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use wharf_protocol::{Incarnation, StreamId};
use wharf_stream::stats::{ConsumerLook, Histogram, Hold, ProducerLook};

use super::fixture::{document, earlier, later};
use super::*;
use crate::look::StreamLook;

#[test]
fn rates_are_what_happened_in_the_interval() {
    let document = document();
    assert_eq!(document.interval_ns, Some(1_000_000_000));
    let producer = document.streams[0].statistics.as_ref().unwrap();
    let rates = producer.rates.as_ref().unwrap();
    assert_eq!(rates.frames_published_per_s, 30.0);
    assert_eq!(rates.acquire_waits_per_s, 2.0);
    assert_eq!(rates.wakes_per_s, 30.0);
    // 100 ms of waits that are over, and 400 ms of one that is not.
    assert_eq!(rates.waiting_share, 0.5);
    assert_eq!(producer.waiting_ns, Some(400_000_000));
    let viewer = document.streams[0].consumers[0].statistics.as_ref().unwrap();
    let rates = viewer.rates.as_ref().unwrap();
    assert_eq!(
        (rates.frames_received_per_s, rates.frames_skipped_per_s),
        (25.0, 5.0)
    );
}

#[test]
fn latencies_are_of_the_interval_if_there_is_one() {
    let encoder = |document: &Document| {
        let statistics = document.streams[0].consumers[1].statistics.clone().unwrap();
        (statistics.latency.frames, statistics.latency.p50_ns.unwrap())
    };
    let (frames, p50_ns) = encoder(&document());
    assert_eq!(frames, 10);
    assert!((33_000_000..50_000_000).contains(&p50_ns), "{p50_ns}");
    let (frames, p50_ns) = encoder(&Document::new(Path::new("x"), &later(), None));
    assert_eq!(frames, 60);
    assert!(p50_ns < 2000, "{p50_ns}");
}

#[test]
fn who_is_in_the_way_and_who_holds_what_is_told() {
    let document = document();
    let [viewer, encoder] = &document.streams[0].consumers[..] else {
        panic!("{:?}", document.streams[0].consumers)
    };
    assert!(!viewer.statistics.as_ref().unwrap().blocks_producer);
    let encoder = encoder.statistics.as_ref().unwrap();
    assert!(encoder.blocks_producer);
    let held: Vec<_> = encoder
        .held
        .iter()
        .map(|held| (held.buffer, held.frame, held.held_ns))
        .collect();
    assert_eq!(held, [(2, 328, 450_000_000), (3, 329, 450_000_000)]);
}

#[test]
fn stream_that_is_new_has_not_changed_and_one_that_is_over_says_nothing() {
    let mut before = earlier();
    before.streams.clear();
    let document = Document::new(Path::new("x"), &later(), Some(&before));
    let statistics = document.streams[0].statistics.as_ref().unwrap();
    assert_eq!(statistics.rates.as_ref().unwrap().frames_published_per_s, 0.0);
    assert!(document.streams[1].statistics.is_none());
}

/// Numbers that no honest page has.
fn nonsense() -> Sample {
    let most = u64::MAX;
    let mut sample = later();
    sample.taken_ns = 5;
    let hold = |buffer| Hold {
        buffer,
        seq: most,
        since_ns: most,
    };
    let latency: Histogram = [most].into_iter().collect();
    let latency = (0..63).fold(latency, |sum, _| sum.plus(&sum));
    let look = ConsumerLook {
        latency: latency.plus(&latency),
        skipped: most,
        waits: most,
        waited_ns: most,
        queued: most,
        holds: (0..64).map(hold).collect(),
    };
    let producer = ProducerLook {
        published: most,
        waits: most,
        waited_ns: most,
        waiting_since_ns: Some(most),
        blocked_by: most,
        failures: most,
        taken_back: most,
        wakes: most,
    };
    let consumers = [1, 2].map(|number| (Incarnation(number), look.clone()));
    sample.streams.insert(
        StreamId(1),
        StreamLook {
            producer,
            consumers: consumers.into(),
        },
    );
    sample
}

#[test]
fn nonsense_in_pages_is_shown_and_harms_nobody() {
    for (now, before) in [
        (nonsense(), later()),
        (later(), nonsense()),
        (nonsense(), nonsense()),
    ] {
        let document = Document::new(Path::new("x"), &now, Some(&before));
        let text = serde_json::to_string(&document).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        let rates = &read["streams"][0]["statistics"]["rates"];
        let share = rates["waiting_share"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{share}");
    }
}

/// The names of all fields, at whatever depth.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name.clone());
                names(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn every_field_is_described_and_nothing_else_is() {
    let description = include_str!("../../../../docs/state.md");
    let mut found = BTreeSet::new();
    names(&serde_json::to_value(document()).unwrap(), &mut found);
    // Nobody has a seat in the fixture.
    let seat = "participant status rights domain camping_buffers slack_buffers";
    found.extend(seat.split(' ').map(str::to_owned));
    let described: BTreeSet<String> = description
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(found, described);
}
