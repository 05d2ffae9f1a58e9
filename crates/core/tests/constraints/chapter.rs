//! The tables of fields in the chapter for those who write devices are those of the program.

use std::collections::BTreeMap;
use std::path::Path;

use wharf_core::constraints::{CpuUse, Field, MergeKind, Scope, Unit, Value, ValueType};
use wharf_core::dma::Coherency;

const TABLE: &str = include_str!("../../src/constraints/field.rs");
const BEGIN: &str = "<!-- fields -->\n";
const END: &str = "<!-- end of fields -->\n";

/// What the table in the source says of each field, by the field's name.
fn meanings() -> BTreeMap<&'static str, String> {
    let (_, rows) = TABLE.split_once("\nfields! {\n").unwrap();
    let mut meanings = BTreeMap::new();
    let mut words = Vec::new();
    for line in rows.lines().map(str::trim).take_while(|line| *line != "}") {
        match line.strip_prefix("/// ") {
            Some(more) => words.push(more),
            None => {
                let name = line.split('"').nth(1).unwrap();
                meanings.insert(name, words.join(" "));
                words.clear();
            }
        }
    }
    meanings
}

fn unit(field: Field) -> &'static str {
    match field.unit() {
        Unit::Bytes => "bytes",
        Unit::Segments => "segments",
        Unit::Addresses => "addresses",
        Unit::Pixels => "pixels",
        Unit::Rows => "rows",
        Unit::Buffers => "buffers",
        Unit::None => "–",
        other => panic!("{other:?} is not in the chapter"),
    }
}

fn merged(field: Field) -> &'static str {
    match field.merge_kind() {
        MergeKind::Min => "the smallest",
        MergeKind::Max => "the largest",
        MergeKind::Lcm => "least common multiple",
        MergeKind::And => "the bits in all",
        MergeKind::Intersection => "what is in all",
        MergeKind::Or => "if anybody needs it",
        MergeKind::Equal => "all the same",
        MergeKind::Sum => "the sum",
        MergeKind::Union => "all of them",
        MergeKind::Rules => "every rule",
        other => panic!("{other:?} is not in the chapter"),
    }
}

fn neutral(field: Field) -> String {
    match field.identity() {
        None => "–".to_owned(),
        Some(Value::Windows(_)) => "all".to_owned(),
        Some(Value::Sizes(_) | Value::Rules(_)) => "none".to_owned(),
        Some(
            Value::Bytes(u64::MAX)
            | Value::Segments(u64::MAX)
            | Value::Pixels(u64::MAX)
            | Value::Buffers(u64::MAX)
            | Value::Mask(u64::MAX),
        ) => "no limit".to_owned(),
        Some(
            Value::Bytes(number)
            | Value::Segments(number)
            | Value::Pixels(number)
            | Value::Rows(number)
            | Value::Buffers(number),
        ) => number.to_string(),
        Some(Value::Coherency(Coherency::Snoops)) => "`\"snoops\"`".to_owned(),
        Some(Value::CpuUse(CpuUse::Never)) => "`\"never\"`".to_owned(),
        Some(other) => panic!("{other} is not in the chapter"),
    }
}

fn written(field: Field) -> &'static str {
    match field.value_type() {
        ValueType::Bytes => "`65536` or `\"64 KiB\"`",
        ValueType::Mask => "`\"0xffff\"`",
        ValueType::Segments | ValueType::Pixels | ValueType::Rows | ValueType::Buffers => "`16`",
        ValueType::Windows => "`[\"0..1 GiB\"]`",
        ValueType::Translation => {
            "`{ direct = { offset_bytes = \"3 GiB\" } }` or `{ iommu = { aperture = \"0..4 GiB\", page_bytes = 4096, coalesce = true } }`"
        }
        ValueType::Coherency => "`\"snoops\"` or `\"needs-sync\"`",
        ValueType::CpuUse => "`\"never\"`, `\"rarely\"` or `\"often\"`",
        ValueType::Names => "`[\"one\", \"another\"]`",
        ValueType::Sizes => "`[\"1920x1080\"]`",
        ValueType::Rules => "`[\"round-up 256\"]` or `[\"fixed 2048\"]`",
        ValueType::Text => "`\"name\"`",
        ValueType::Needed => "`true`",
        other => panic!("{other:?} is not in the chapter"),
    }
}

fn tables() -> String {
    let scopes = [
        (
            Scope::Device,
            "How a device addresses memory, in its own addresses",
        ),
        (Scope::Memory, "What the memory is like"),
        (Scope::Image, "A picture, in one of the `images`"),
        (
            Scope::Plane,
            "Every plane of a picture, in one of the `images`; single planes in its `planes`",
        ),
        (Scope::Set, "The buffers of the set together"),
    ];
    let meanings = meanings();
    let table = |(scope, heading): (Scope, &str)| {
        let rows = Field::in_scope(scope).map(|field| {
            let columns = [
                unit(field),
                merged(field),
                &neutral(field),
                &meanings[field.name()],
            ]
            .join(" | ");
            format!("| `{field}` | {} | {columns} |\n", written(field))
        });
        let head = "| Field | Written as | Unit | Merged | Neutral | Meaning |\n|---|---|---|---|---|---|\n";
        format!("### {heading}\n\n{head}{}", rows.collect::<String>())
    };
    scopes.map(table).join("\n")
}

/// `UPDATE_EXPECTED=1` writes the tables instead.
#[test]
fn chapter_lists_every_field_as_the_program_has_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/declaring.md");
    let chapter = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = chapter.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let expected = tables();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, [before, BEGIN, &expected, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(listed, expected);
}

#[test]
fn chapter_names_what_nobody_states() {
    let chapter = include_str!("../../../../docs/declaring.md");
    let (_, after) = chapter.split_once(END).unwrap();
    for field in Field::in_scope(Scope::Derived) {
        assert!(after.contains(&format!("`{field}`")), "{field}");
    }
}
