//! Constraints and sets in files.

use wharf_core::constraints::{
    Buffers, Bytes, Constraints, Extension, ExtensionKey, Field, ImageConstraints, MergeKind, Record, Rules,
    StrideRule, Unit, Value, key,
};
use wharf_core::dma::{Translation, Window};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Blame, Conflict, Eliminated, Elimination, FieldPath, LimitOrigin, Member, Participant, ParticipantId,
    Relaxation, Report, ReportKind, SetFile,
};
use wharf_core::set::LatePolicy;

const EXAMPLE: &str = include_str!("../../../../sets/worked-example.toml");

fn example() -> SetFile {
    toml::from_str(EXAMPLE).unwrap()
}

#[test]
fn example_goes_through_toml_and_json_unchanged() {
    let set = example();
    let json = serde_json::to_string_pretty(&set).unwrap();
    assert_eq!(serde_json::from_str::<SetFile>(&json).unwrap(), set);
    let toml = toml::to_string(&set).unwrap();
    assert_eq!(toml::from_str::<SetFile>(&toml).unwrap(), set);
}

#[test]
fn example_says_what_the_reference_says() {
    let set = example();
    let labels: Vec<&str> = set.participants().iter().map(|one| &*one.label).collect();
    assert_eq!(labels, ["camera", "encoder", "display", "gpu", "looker"]);
    let of = |number: usize| &set.participants()[number].functions[0].alternatives[0].constraints;
    assert_eq!(
        of(2).dma().windows().unwrap().as_slice(),
        [Window {
            first: 0,
            last: 0x3fff_ffff
        }]
    );
    assert_eq!(of(2).dma().max_segments(), Some(1));
    assert!(of(2).memory().needs(Field::NoBounce));
    assert_eq!(
        of(3).dma().translation(),
        Some(Translation::Iommu {
            aperture: Window {
                first: 0,
                last: 0xffff_ffff
            },
            page_bytes: 4096,
            coalesce: true
        })
    );
    let expected = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
        .image(Record::new().with(key::ROWS_ALIGN, wharf_core::constraints::Rows(16)))
        .every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(32)));
    assert_eq!(of(1).images(), [expected]);
    let camping = |number| of(number).set().number(Field::Camping);
    let camping: Vec<_> = (0..5).map(camping).collect();
    assert_eq!(camping, [Some(4), Some(3), Some(2), None, Some(1)]);
    assert_eq!(set.heaps()[2].capacity_bytes, Some(64 << 20));
}

fn error_of<T: serde::de::DeserializeOwned + std::fmt::Debug>(toml: &str) -> String {
    toml::from_str::<T>(toml).unwrap_err().to_string()
}

fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{error}\nlacks {part:?}");
    }
}

#[test]
fn errors_name_line_field_and_reason() {
    let error =
        error_of::<SetFile>(&EXAMPLE.replacen("windows = [\"0..1 GiB\"]", "windows = [\"1 GiB..0\"]", 1));
    assert_says(
        &error,
        &[
            "line ",
            "windows = [\"1 GiB..0\"]",
            "windows: ",
            "is not a range of addresses",
        ],
    );
    let error = error_of::<SetFile>(&EXAMPLE.replace("camping = 4", "camping = \"many\""));
    assert_says(&error, &["line ", "camping: ", "\"many\" is not a number"]);
    let error = error_of::<SetFile>(&EXAMPLE.replace("label = \"gpu\"", "label = \"\""));
    assert_says(
        &error,
        &["[[participants]]", "the label \"\": use 1 to 256 bytes"],
    );
    let error = error_of::<SetFile>(&EXAMPLE.replace("name = \"cma-low\"", "name = \"a\\tb\""));
    assert_says(&error, &["[[heaps]]", "the heap \"a\\tb\": use 1 to 256 bytes"]);
    let error = error_of::<SetFile>(&EXAMPLE.replace("rows_align = 16", "row_align = 16"));
    assert_says(&error, &["line ", "unknown field \"row_align\""]);
}

#[test]
fn a_field_where_it_does_not_belong_is_refused() {
    let error = error_of::<Constraints>("stride_align_bytes = 64");
    assert_says(&error, &["stride_align_bytes", "planes", "`images`"]);
    let error = error_of::<Constraints>("images = [{ fourcc = \"NV12\", camping = 1 }]");
    assert_says(&error, &["camping", "the set of buffers"]);
    let error = error_of::<Constraints>("size_bytes = 4096");
    assert_says(&error, &["size_bytes", "worked out"]);
}

#[test]
fn what_is_not_needed_is_left_out() {
    assert_says(
        &error_of::<Constraints>("zeroed = false"),
        &["zeroed", "only `true`"],
    );
    let needed: Constraints = toml::from_str("zeroed = true").unwrap();
    assert_eq!(needed.memory().get(Field::Zeroed), Some(&Value::Needed));
}

#[test]
fn a_field_stated_twice_is_refused() {
    let error = serde_json::from_str::<Constraints>(r#"{"camping": 1, "camping": 2}"#).unwrap_err();
    assert_says(&error.to_string(), &["camping is stated twice", "line 1"]);
    let error = serde_json::from_str::<Constraints>(r#"{"images": [], "images": []}"#).unwrap_err();
    assert_says(&error.to_string(), &["duplicate field `images`"]);
}

#[test]
fn numbers_beyond_the_format_s_are_written_as_text() {
    let stated = Constraints::builder()
        .with(key::MAX_SIZE, Bytes(u64::MAX))
        .with(key::CAMPING, Buffers(3))
        .build()
        .unwrap();
    let toml = toml::to_string(&stated).unwrap();
    assert_says(
        &toml,
        &["max_size_bytes = \"18446744073709551615\"", "camping = 3"],
    );
    assert_eq!(toml::from_str::<Constraints>(&toml).unwrap(), stated);
}

#[test]
fn function_with_alternatives_has_no_constraints_beside_them() {
    let toml = r#"
        name = "odd"
        [[participants]]
        label = "display"
        [[participants.functions]]
        name = "primary"
        contiguous = true
        alternatives = [{ label = "copy" }]
    "#;
    assert_says(&error_of::<SetFile>(toml), &["`alternatives` or constraints"]);
}

#[test]
fn participants_without_numbers_are_numbered_by_their_place() {
    let toml = r#"
        name = "pair"
        [[participants]]
        label = "a"
        functions = [{ name = "use" }]
        [[participants]]
        label = "b"
        functions = [{ name = "use" }]
    "#;
    let set: SetFile = toml::from_str(toml).unwrap();
    let ids: Vec<u64> = set.participants().iter().map(|one| one.id.0).collect();
    assert_eq!(ids, [1, 2]);
    let twice = toml.replace("label = \"a\"", "label = \"a\"\nid = 2");
    assert_says(
        &error_of::<SetFile>(&twice),
        &["two participants have the number 2"],
    );
}

#[test]
fn late_participants_are_no_part_of_the_problem() {
    let toml = r#"
        name = "pair"
        late_policy = "reallocate"
        [[participants]]
        label = "encoder"
        late = true
        functions = [{ name = "encode" }]
        [[participants]]
        label = "camera"
        functions = [{ name = "capture" }]
    "#;
    let set: SetFile = toml::from_str(toml).unwrap();
    let names = |list: &[Participant]| -> Vec<String> {
        list.iter().map(|one| format!("{} {one}", one.id.0)).collect()
    };
    assert_eq!(names(set.problem().participants), ["2 camera"]);
    assert_eq!(names(set.late()), ["1 encoder"]);
    assert_eq!(set.late_policy(), LatePolicy::Reallocate);
    assert_eq!(example().late_policy(), LatePolicy::Refuse);
    let json = serde_json::to_string(&set).unwrap();
    assert_eq!(serde_json::from_str::<SetFile>(&json).unwrap(), set);
    let twice = toml.replace("late = true", "late = true\nid = 2");
    assert_says(
        &error_of::<SetFile>(&twice),
        &["two participants have the number 2"],
    );
    let alone = r#"{"id": 1, "label": "encoder", "late": true, "functions": [{"name": "encode"}]}"#;
    let error = serde_json::from_str::<Participant>(alone).unwrap_err();
    assert_says(&error.to_string(), &["encoder cannot be late by itself"]);
}

#[test]
fn extension_that_nobody_here_understands_stays() {
    let toml = r#"
        [[extensions]]
        vendor = "example.org"
        name = "banks"
        kind = "lcm"
        must_understand = true
        value = { bytes = "4 KiB" }
    "#;
    let read: Constraints = toml::from_str(toml).unwrap();
    let expected = Extension {
        key: ExtensionKey {
            vendor: "example.org".into(),
            name: "banks".into(),
        },
        kind: MergeKind::Lcm,
        must_understand: true,
        value: Value::Bytes(4096),
    };
    assert_eq!(read.extensions().collect::<Vec<_>>(), [&expected]);
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Constraints>(&json).unwrap(), read);
}

#[test]
fn report_goes_through_json_unchanged() {
    let who = Blame {
        participant: Some(ParticipantId(3)),
        label: "display".into(),
        pid: Some(4711),
        device: None,
        function: Some("primary".into()),
        alternative: None,
        source: None,
    };
    let path = FieldPath {
        field: Field::StrideRules,
        format: Some("NV12:linear".parse().unwrap()),
        plane: Some(0),
        extension: None,
    };
    let rules: Rules = [StrideRule::RoundUp(256)].into_iter().collect();
    let member = Member {
        who: who.clone(),
        path: path.clone(),
        value: Value::Rules(rules),
    };
    let conflict = Conflict {
        path: path.clone(),
        unit: Unit::Bytes,
        kind: MergeKind::Rules,
        members: vec![member.clone()],
        merged: None,
        origin: LimitOrigin::Participant,
        minimal: true,
    };
    let report = Report {
        kind: ReportKind::Conflict {
            conflicts: vec![conflict],
            total: 1,
        },
        relaxations: vec![Relaxation::Without { who }],
        eliminated: vec![Elimination {
            what: Eliminated::Format("NV12:0x0100000000000001".parse().unwrap()),
            path,
            members: vec![member],
        }],
        merges: 7,
    };
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["kind"]["conflict"]["conflicts"][0]["path"]["field"],
        "stride_rules"
    );
    assert_eq!(
        json["kind"]["conflict"]["conflicts"][0]["path"]["format"],
        "NV12:linear"
    );
    let value = &json["kind"]["conflict"]["conflicts"][0]["members"][0]["value"];
    assert_eq!(value["rules"][0], "round-up 256");
    assert_eq!(json["eliminated"][0]["what"]["format"], "NV12:0x0100000000000001");
    assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
}

#[test]
fn texts_are_read_strictly() {
    let wrong = [
        "images = [{ modifier = \"7\" }]",
        "images = [{ modifier = \"Linear\" }]",
        "images = [{ modifier = \"implicit(\" }]",
        "images = [{ fourcc = \"NV123\" }]",
        "images = [{ required_sizes = [\"1920*1080\"] }]",
        "images = [{ required_sizes = [\"0x1x2\"] }]",
        "images = [{ required_sizes = \"64x64\" }]",
        "images = [{ stride_rules = [\"round up 64\"] }]",
        "windows = [\"0-1 GiB\"]",
        "windows = [\"5..5\"]",
        "windows = [\"0..=16 EiB\"]",
        "size_align_bytes = \"4KiB\"",
        "size_align_bytes = -1",
        "size_align_bytes = 4096.0",
        "camping = \"4 KiB\"",
        "coherency = \"snooping\"",
        "cpu_access = \"always\"",
        "translation = { direct = {} }",
        "translation = { direct = { offset_bytes = 0, page_bytes = 4096 } }",
        "translation = { direct = { offset_bytes = \"- 1 GiB\" } }",
    ];
    for toml in wrong {
        assert!(toml::from_str::<Constraints>(toml).is_err(), "{toml}");
    }
    let right = [
        "windows = [\"0..16 EiB\"]",
        "windows = [\"0x0..=0xffff\", \"1 MiB..2 MiB\"]",
        "translation = { direct = { offset_bytes = \"-1 GiB\" } }",
        "camping = \"4\"",
        "images = [{ modifier = \"implicit(a)\", required_sizes = [\"64x48\"], stride_rules = [\"fixed 2 KiB\"] }]",
    ];
    for toml in right {
        assert_eq!(toml::from_str::<Constraints>(toml).err(), None, "{toml}");
    }
}

#[test]
fn sizes_that_have_room_in_others_are_left_out() {
    let sizes: wharf_core::constraints::Sizes =
        serde_json::from_str(r#"["640x480", "1920x1080", "1080x1920", "1920x1080"]"#).unwrap();
    assert_eq!(sizes.to_string(), "1080x1920 and 1920x1080");
}
