//! `wharf solve` and `wharf explain` as processes, on the sets that are shipped and on files that are no sets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::solving::{SETS, Solved, expected, solve, wharf_on};
use support::{Outcome, Place, wharf};
use wharf_core::negotiation::{Plan, Report, ReportKind, SetFile};

const EXAMPLE: &str = include_str!("../../../sets/worked-example.toml");
const IMPOSSIBLE: &str = include_str!("../../../sets/impossible-windows.toml");

/// The sets that are shipped, in alphabetical order, and the exit code of each.
const SHIPPED: [(&str, i32); 8] = [
    ("camera-tee-counts", 0),
    ("encoder-1088-rows", 0),
    ("exact-pitch", 0),
    ("impossible-windows", 3),
    ("late-joiners", 3),
    ("late-joiners-moved", 3),
    ("pi4-display", 0),
    ("worked-example", 0),
];

/// `UPDATE_EXPECTED=1` writes what is printed instead: look at every difference.
#[test]
fn shipped_sets_are_solved_and_explained_as_expected() -> Outcome {
    for (name, code) in SHIPPED {
        let file = Path::new(SETS).join(name).with_extension("toml");
        let mut told = String::new();
        for command in ["solve", "explain"] {
            let ended = solve(wharf(&[command]).arg(&file));
            assert_eq!((ended.code, &*ended.stderr), (code, ""), "{name}");
            told = format!("{told}$ wharf {command} sets/{name}.toml\n{}\n", ended.stdout);
        }
        expected(&file.with_extension("expected"), &told)?;
    }
    Ok(())
}

#[test]
fn every_shipped_set_is_in_the_list_and_begins_with_its_story() -> Outcome {
    let mut names = Vec::new();
    for entry in fs::read_dir(SETS)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            assert!(fs::read_to_string(&path)?.starts_with("# "), "{path:?}");
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    assert_eq!(names, SHIPPED.map(|(name, _)| name));
    Ok(())
}

/// Reference 4.7.
#[test]
fn worked_example_has_the_numbers_of_the_reference() -> Outcome {
    let plan = plan(&wharf_on(&["solve", "--json", "-"], EXAMPLE))?;
    assert_eq!((plan.count(), plan.size_bytes()), (11, 3_133_440));
    let image = plan.image.as_ref().unwrap();
    assert_eq!(image.format.to_string(), "NV12:linear");
    let planes: Vec<_> = image
        .planes
        .iter()
        .map(|plane| (plane.stride_bytes, plane.rows))
        .collect();
    assert_eq!(planes, [(1920, 1088), (1920, 544)]);
    assert_eq!(*plan.memories[0].heaps, ["cma-low".into()]);
    Ok(())
}

#[test]
fn json_is_read_by_the_types_of_the_core() -> Outcome {
    let solved = wharf_on(&["solve", "--json", "-"], EXAMPLE);
    let explained = wharf_on(&["explain", "--json", "-"], EXAMPLE);
    assert_eq!(solved.stdout, explained.stdout);
    let set: SetFile = toml::from_str(EXAMPLE)?;
    assert_eq!(plan(&solved)?, wharf_core::negotiation::solve(&set.problem())?);

    let refused = wharf_on(&["solve", "--json", "-"], IMPOSSIBLE);
    assert_eq!(refused.code, 3);
    let json: serde_json::Value = serde_json::from_str(&refused.stdout)?;
    let report: Report = serde_json::from_value(json["report"].clone())?;
    assert!(matches!(report.kind, ReportKind::Conflict { .. }), "{report}");
    Ok(())
}

#[test]
fn json_tells_what_became_of_the_late() -> Outcome {
    for (file, ends) in [
        ("late-joiners.toml", ["fits", "refused", "refused", "refused"]),
        ("late-joiners-moved.toml", ["fits", "moves", "refused", "moves"]),
    ] {
        let ended = solve(wharf(&["solve", "--json"]).arg(Path::new(SETS).join(file)));
        let json: serde_json::Value = serde_json::from_str(&ended.stdout)?;
        let late = json["late"].as_array().unwrap();
        let labels: Vec<_> = late.iter().map(|one| one["label"].as_str().unwrap()).collect();
        assert_eq!(labels, ["meter", "scaler", "archive", "second encoder"]);
        for (one, end) in late.iter().zip(ends) {
            assert!(one[end].is_object(), "{file}: {one}");
        }
        assert!(
            late[2]["refused"]["report"]["kind"]["conflict"].is_object(),
            "{file}"
        );
    }
    Ok(())
}

#[test]
fn policy_refuse_moves_nobody() -> Outcome {
    let moved = fs::read_to_string(Path::new(SETS).join("late-joiners-moved.toml"))?;
    let refuse = moved.replace("late_policy = \"reallocate\"", "late_policy = \"refuse\"");
    assert_ne!(moved, refuse);
    let ended = wharf_on(&["solve", "--json", "-"], &refuse);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout)?;
    let late = json["late"].as_array().unwrap();
    assert!(late[0]["fits"].is_object(), "{}", late[0]);
    assert!(late[1..].iter().all(|one| one["refused"].is_object()), "{late:?}");
    Ok(())
}

/// The second scaler finds what the buffers were moved to for the first.
#[test]
fn who_comes_after_a_move_finds_the_new_memory() -> Outcome {
    let moved = fs::read_to_string(Path::new(SETS).join("late-joiners-moved.toml"))?;
    let (before, scaler) = moved.split_once("[[participants]]\nlabel = \"scaler\"").unwrap();
    let (scaler, after) = scaler.split_once("[[participants]]").unwrap();
    let one = |label: &str| format!("[[participants]]\nlabel = \"{label}\"{scaler}");
    let two = [
        before,
        &one("scaler"),
        &one("second scaler"),
        "[[participants]]",
        after,
    ]
    .concat();
    let ended = wharf_on(&["solve", "--json", "-"], &two);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout)?;
    assert!(json["late"][1]["moves"].is_object(), "{}", json["late"][1]);
    assert_eq!(json["late"][2]["label"], "second scaler");
    assert!(json["late"][2]["fits"].is_object(), "{}", json["late"][2]);
    Ok(())
}

#[test]
fn same_set_in_json_has_the_same_outcome() -> Outcome {
    let set: SetFile = toml::from_str(EXAMPLE)?;
    let json = serde_json::to_string_pretty(&set)?;
    let place = Place::new();
    let file = place.path().join("set.json");
    fs::write(&file, &json)?;
    let of_file = solve(wharf(&["explain"]).arg(&file));
    assert_eq!(of_file.code, 0, "{of_file:?}");
    assert_eq!(wharf_on(&["explain", "-"], &json), of_file);
    assert_eq!(wharf_on(&["explain", "-"], EXAMPLE), of_file);
    Ok(())
}

fn plan(ended: &Solved) -> Result<Plan, Box<dyn std::error::Error>> {
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&ended.stdout)?;
    Ok(serde_json::from_value(json["plan"].clone())?)
}

/// Replaces text that is there, and returns the lines of complaint about it.
fn complaints(from: &str, to: &str) -> Vec<String> {
    assert!(EXAMPLE.contains(from), "{from}");
    let ended = wharf_on(&["solve", "-"], &EXAMPLE.replacen(from, to, 1));
    assert_eq!((ended.code, &*ended.stdout), (1, ""), "{ended:?}");
    ended.stderr.lines().map(str::to_owned).collect()
}

/// Where a text is in the example.
fn line_of(text: &str) -> usize {
    EXAMPLE.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn mistakes_are_told_with_line_column_field_and_reason() {
    let first = "wharf: stdin:";
    for (from, to, line, rest) in [
        (
            "windows = [\"0..1 GiB\"]",
            "windows = [\"1 GiB..0\"]",
            line_of("windows = [\"0..1 GiB\"]"),
            ":12: participants[2].functions[0].alternatives[0].windows[0]: \"1 GiB..0\" is not a range of addresses",
        ),
        (
            "camping = 4",
            "camping = \"many\"",
            line_of("camping = 4"),
            ":11: participants[0].functions[0].camping: \"many\" is not a number",
        ),
        (
            "rows_align = 16",
            "row_align = 16",
            line_of("rows_align = 16"),
            ":1: participants[1].functions[0].images[0]: unknown field \"row_align\"",
        ),
        (
            "label = \"gpu\"",
            "label = 3",
            line_of("label = \"gpu\""),
            ":9: participants[3].label: invalid type: integer `3`, expected a string",
        ),
        (
            "label = \"gpu\"",
            "label = \"a\\u001b[2Jb\"",
            line_of("label = \"gpu\""),
            ":1: participants[3]: the label \"a\\u{1b}[2Jb\": use 1 to 256 bytes",
        ),
        (
            "camping = 4",
            "min_buffers = 8\nmax_buffers = 4",
            line_of("camping = 4"),
            ":1: participants[0].functions[0]: min_buffers of 8 buffers and max_buffers of 4 buffers",
        ),
    ] {
        let told = complaints(from, to);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with(&format!("{first}{line}{rest}")),
            "{line}{rest}\n{told:?}"
        );
    }
}

#[test]
fn mistakes_of_syntax_are_told_each_in_a_line() {
    let told = complaints("camping = 4", "camping = = 4\n[[\nx");
    assert!(told.len() > 1, "{told:?}");
    let line = line_of("camping = 4");
    assert!(told[0].starts_with(&format!("wharf: stdin:{line}:")), "{told:?}");
}

#[test]
fn mistakes_in_json_have_places_too() {
    let ended = wharf_on(
        &["solve", "-"],
        "{\"name\": \"x\",\n  \"participants\": [{\"label\": 3}]}",
    );
    let line = "wharf: stdin:2:30: participants[0].label: invalid type: integer `3`, expected a string\n";
    assert_eq!((ended.code, &*ended.stderr), (1, line));
    let ended = wharf_on(&["solve", "-"], "{\"name\": \"x\"} {}");
    assert_eq!(ended.stderr, "wharf: stdin:1:15: trailing characters\n");
    let ended = wharf_on(&["solve", "-"], &"{\"name\":".repeat(100_000));
    assert_eq!((ended.code, ended.stderr.lines().count()), (1, 1), "{ended:?}");
}

#[test]
fn what_is_no_text_is_refused() -> Outcome {
    let place = Place::new();
    let file = place.path().join("set.toml");
    fs::write(&file, b"name = \"a\"\nb = \"\xff\"")?;
    let ended = solve(wharf(&["solve"]).arg(&file));
    let line = format!("wharf: {}:2:6: this is no UTF-8 text\n", file.display());
    assert_eq!((ended.code, ended.stderr), (1, line));
    Ok(())
}

#[test]
fn what_is_too_large_or_endless_is_refused() -> Outcome {
    let place = Place::new();
    let sparse = place.path().join("sparse.toml");
    fs::File::create(&sparse)?.set_len(1 << 30)?;
    let ended = solve(wharf(&["solve"]).arg(&sparse));
    let line = format!(
        "wharf: {} is larger than the 16 MiB that a set may have\n",
        sparse.display()
    );
    assert_eq!((ended.code, ended.stderr), (1, line));

    let mut endless = wharf(&["solve", "-"]);
    endless.stdin(fs::File::open("/dev/zero")?);
    let ended = solve(&mut endless);
    assert_eq!(
        (ended.code, &*ended.stderr),
        (1, "wharf: stdin is larger than the 16 MiB that a set may have\n")
    );
    Ok(())
}

#[test]
fn what_cannot_be_read_is_named() {
    let place = Place::new();
    let missing = place.path().join("missing\u{1b}[2J.toml");
    let ended = solve(wharf(&["explain"]).arg(missing));
    assert_eq!((ended.code, &*ended.stdout), (1, ""));
    assert!(
        ended.stderr.contains("missing [2J.toml: No such file"),
        "{ended:?}"
    );
    let ended = solve(wharf(&["solve"]).arg(place.path()));
    assert!(ended.stderr.contains("Is a directory"), "{ended:?}");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    for arguments in [
        &["solve"][..],
        &["explain"],
        &["solve", "-", "--color", "blue"],
        &["solve", "-", "--heaps"],
    ] {
        assert_eq!(solve(&mut wharf(arguments)).code, 2, "{arguments:?}");
    }
}

#[test]
fn thousands_of_participants_are_answered() {
    let mut many = "name = \"many\"\n[[heaps]]\nname = \"system\"\n".to_owned();
    for number in 0..2_000 {
        many.push_str(&format!(
            "[[participants]]\nlabel = \"p{number}\"\nfunctions = [{{ name = \"use\", min_size_bytes = {} }}]\n",
            4096 + number
        ));
    }
    let ended = wharf_on(&["solve", "-"], &many);
    assert!(
        [0, 3].contains(&ended.code) && ended.stderr.is_empty(),
        "{}",
        ended.stderr
    );
}

fn is_coloured(ended: &Solved) -> bool {
    ended.stdout.contains('\u{1b}')
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    for set in [EXAMPLE, IMPOSSIBLE] {
        for command in ["solve", "explain"] {
            assert!(!is_coloured(&wharf_on(&[command, "-"], set)));
            assert!(!is_coloured(&wharf_on(&[command, "-", "--color=never"], set)));
            let coloured = wharf_on(&[command, "-", "--color=always"], set);
            assert!(is_coloured(&coloured));
            let plain = without_colours(&coloured.stdout);
            assert_eq!(plain, wharf_on(&[command, "-"], set).stdout);
        }
        assert!(!is_coloured(&wharf_on(
            &["solve", "-", "--json", "--color=always"],
            set
        )));
    }
}

#[test]
fn terminals_get_colours_unless_the_environment_declines() -> Outcome {
    let place = Place::new();
    let file = place.path().join("set.toml");
    fs::write(&file, IMPOSSIBLE)?;
    let shown = |change: &dyn Fn(&mut Command)| -> Result<String, Box<dyn std::error::Error>> {
        let mut command = wharf(&["solve"]);
        command.arg(&file).env("TERM", "xterm").env_remove("NO_COLOR");
        change(&mut command);
        support::solving::on_terminal(command)
    };
    assert!(shown(&|_| ())?.contains('\u{1b}'));
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = shown(&|command| {
            command.env(name, value);
        })?;
        assert!(
            plain.contains("no memory suits everyone") && !plain.contains('\u{1b}'),
            "{plain}"
        );
    }
    assert!(
        shown(&|command| {
            command.env("NO_COLOR", "");
        })?
        .contains('\u{1b}')
    );
    Ok(())
}

/// The text without what `--color=always` adds.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap().to_owned();
    let rest = pieces.map(|piece| piece.split_once('m').unwrap().1);
    first + &rest.collect::<String>()
}
