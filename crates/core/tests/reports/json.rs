//! What programs read.

use serde_json::{Value, json};
use wharf_core::negotiation::Report;

use crate::kinds;

#[test]
fn every_report_comes_back_as_it_was() {
    for (name, report) in kinds::all() {
        let text = serde_json::to_string(&report).expect("reports serialise");
        let back: Report =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        assert_eq!(back, report, "{name}");
        assert_eq!(back.to_string(), report.to_string(), "{name}");
    }
}

#[test]
fn every_kind_has_the_name_that_the_chapter_gives() {
    let names: Vec<String> = kinds::all()
        .iter()
        .map(|(_, report)| {
            let json = serde_json::to_value(&report.kind).expect("kinds serialise");
            let object = json.as_object().expect("a kind is an object");
            object.keys().cloned().collect()
        })
        .collect();
    let expected = [
        "invalid",
        "conflict",
        "conflict",
        "underconstrained",
        "no_heap",
        "no_memory",
        "quota",
        "busy",
        "budget",
        "stalled",
        "denied",
        "not_understood",
    ];
    assert_eq!(names, expected);
    let chapter = include_str!("../../../../docs/refusals.md");
    for name in expected {
        assert!(chapter.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// What a program needs to act on a conflict: who, where, what, in which unit, and what would help.
#[test]
fn a_conflict_has_all_that_a_program_needs() {
    let (_, report) = &kinds::all()[1];
    let json = serde_json::to_value(report).expect("reports serialise");
    let conflict = &json["kind"]["conflict"]["conflicts"][0];
    assert_eq!(json["kind"]["conflict"]["total"], json!(3));
    assert_eq!(conflict["path"]["field"], json!("windows"));
    assert_eq!(conflict["unit"], json!("addresses"));
    assert_eq!(conflict["kind"], json!("intersection"));
    assert_eq!(conflict["origin"], json!("participant"));
    assert_eq!(conflict["minimal"], json!(true));
    let member = &conflict["members"][0];
    assert_eq!(
        member["who"],
        json!({"participant": 3, "label": "display", "pid": 4003, "device": "card0", "function": "primary"})
    );
    assert_ne!(member["value"], Value::Null);
    let relaxations = json["relaxations"].as_array().expect("a list");
    let names: Vec<&String> = relaxations
        .iter()
        .flat_map(|one| one.as_object().expect("an object").keys())
        .collect();
    assert_eq!(names, ["without", "use_alternative", "change", "drop_field"]);
    let eliminated = &json["eliminated"][0];
    assert_eq!(eliminated["members"][0]["who"]["label"], json!("display"));
    assert_ne!(eliminated["what"]["format"], Value::Null);
}
