//! Lists that are too long or say a thing twice: formats, planes, windows, extensions.

use wharf_core::constraints::{
    Constraints, ConstraintsBuilder, CpuUse, Extension, ExtensionKey, Field, FormatKey, ImageConstraints,
    InvalidConstraint, MergeKind, Record, Rules, StrideRule, Tiling, Value,
};
use wharf_core::dma::Windows;
use wharf_core::layout::{Fourcc, Modifier};

use super::{names, rules};

fn key(fourcc: Option<Fourcc>, tiling: Option<Tiling>) -> FormatKey {
    FormatKey { fourcc, tiling }
}

#[test]
fn formats_that_could_mean_the_same() {
    let linear = Some(Tiling::Explicit(Modifier::LINEAR));
    let tiled = Some(Tiling::Explicit(Modifier::from_raw(1)));
    let implicit = |driver: &str| Some(Tiling::Implicit(driver.into()));
    let nv12 = Some(Fourcc::NV12);
    let pair = |one: FormatKey, other: FormatKey| {
        let built = Constraints::builder()
            .image(ImageConstraints::of(one))
            .image(ImageConstraints::of(other))
            .build();
        built.map(|_| ())
    };
    for (one, other) in [
        (key(nv12, linear.clone()), key(nv12, linear.clone())),
        (key(nv12, None), key(nv12, linear.clone())),
        (key(None, linear.clone()), key(nv12, None)),
        (key(None, None), key(Some(Fourcc::R8), tiled.clone())),
        (key(nv12, implicit("a")), key(None, implicit("a"))),
    ] {
        let expected = Err(InvalidConstraint::Formats {
            one: one.clone(),
            other: other.clone(),
        });
        assert_eq!(pair(one, other), expected);
    }
    for (one, other) in [
        (key(nv12, linear.clone()), key(nv12, tiled)),
        (key(nv12, None), key(Some(Fourcc::R8), None)),
        (key(nv12, implicit("a")), key(nv12, implicit("b"))),
        (key(nv12, implicit("a")), key(nv12, linear)),
    ] {
        assert_eq!(pair(one, other), Ok(()));
    }
    let unnamed = Constraints::builder()
        .image(ImageConstraints::of(key(nv12, implicit(""))))
        .build();
    assert!(matches!(unnamed, Err(InvalidConstraint::Name { .. })));
}

// Mirrors sysmem_tests_v2.cc TooManyFormats.
#[test]
fn more_formats_than_64_are_too_many() {
    let listing = |count: u64| {
        let mut builder = Constraints::builder();
        for number in 0..count {
            builder = builder.image(ImageConstraints::new(Fourcc::NV12, Modifier::from_raw(number)));
        }
        builder.build().map(|_| ())
    };
    assert_eq!(listing(64), Ok(()));
    let expected = InvalidConstraint::TooMany {
        what: "formats",
        count: 65,
        most: 64,
    };
    assert_eq!(listing(65), Err(expected));
}

#[test]
fn more_planes_or_windows_than_there_are_are_too_many() {
    let planes = |tiling, count| {
        let image = ImageConstraints::of(key(Some(Fourcc::NV12), tiling)).planes(vec![Record::new(); count]);
        Constraints::builder().image(image).build().map(|_| ())
    };
    let linear = Some(Tiling::Explicit(Modifier::LINEAR));
    let too_many = |what, count, most| Err(InvalidConstraint::TooMany { what, count, most });
    assert_eq!(planes(linear.clone(), 2), Ok(()));
    assert_eq!(planes(linear, 3), too_many("planes", 3, 2));
    assert_eq!(planes(None, 4), Ok(()));
    assert_eq!(planes(None, 5), too_many("planes", 5, 4));
    let windows: Windows = (0..65_u64)
        .map(|number| number << 20..=(number << 20) + 0xfff)
        .collect();
    let stated = Constraints::builder()
        .set(Field::Windows, Value::Windows(windows))
        .build();
    assert_eq!(stated.map(|_| ()), too_many("windows", 65, 64));
}

#[test]
fn extensions_have_values_that_their_kind_can_merge() {
    let stated = |kind, value| {
        let key = ExtensionKey {
            vendor: "example.org".into(),
            name: "banks".into(),
        };
        let extension = Extension {
            key,
            kind,
            must_understand: false,
            value,
        };
        Constraints::builder().extension(extension).build().map(|_| ())
    };
    let kinds = [
        (MergeKind::Min, Value::Bytes(1)),
        (MergeKind::Max, Value::Rows(0)),
        (MergeKind::Lcm, Value::Bytes(48)),
        (MergeKind::And, Value::Bytes(0xfff)),
        (MergeKind::Sum, Value::Buffers(2)),
        (MergeKind::Intersection, names(["a"])),
        (MergeKind::Union, names(["a"])),
        (MergeKind::Or, Value::Needed),
        (MergeKind::Equal, Value::Text("a".into())),
        (MergeKind::Rules, rules([StrideRule::RoundUp(4)]).1),
    ];
    for (kind, value) in &kinds {
        assert_eq!(stated(*kind, value.clone()), Ok(()));
    }
    let bad = [
        (MergeKind::Min, Value::Needed),
        (MergeKind::Max, names(["a"])),
        (MergeKind::Lcm, Value::Bytes(0)),
        (MergeKind::And, Value::Bytes(0x1000)),
        (MergeKind::Sum, Value::CpuUse(CpuUse::Often)),
        (MergeKind::Intersection, names([])),
        (MergeKind::Intersection, Value::Bytes(1)),
        (MergeKind::Union, Value::Text("a".into())),
        (MergeKind::Or, Value::Bytes(1)),
        (MergeKind::Equal, Value::Text("".into())),
        (MergeKind::Rules, Value::Rules(Rules::default())),
    ];
    for (kind, value) in bad {
        let refused = stated(kind, value.clone()).unwrap_err();
        assert!(
            matches!(&refused, InvalidConstraint::Extension { kind: of, value: what, .. } if *of == kind && *what == value),
            "{refused}"
        );
    }
}

#[test]
fn extensions_are_named_and_stated_once() {
    let extension = |vendor: &str, name: &str| Extension {
        key: ExtensionKey {
            vendor: vendor.into(),
            name: name.into(),
        },
        kind: MergeKind::Or,
        must_understand: true,
        value: Value::Needed,
    };
    let stated = |extensions: Vec<Extension>| {
        let builder = extensions
            .into_iter()
            .fold(Constraints::builder(), ConstraintsBuilder::extension);
        builder.build().map(|_| ())
    };
    assert_eq!(
        stated(vec![
            extension("a", "x"),
            extension("b", "x"),
            extension("a", "y")
        ]),
        Ok(())
    );
    let twice = stated(vec![extension("a", "x"), extension("a", "x")]);
    assert!(matches!(twice, Err(InvalidConstraint::StatedTwice { .. })));
    for nameless in [extension("", "x"), extension("a", ""), extension("a", "\n")] {
        assert!(matches!(
            stated(vec![nameless]),
            Err(InvalidConstraint::Name { .. })
        ));
    }
    let many = (0..65)
        .map(|number| extension("a", &number.to_string()))
        .collect();
    assert!(matches!(
        stated(many),
        Err(InvalidConstraint::TooMany { count: 65, .. })
    ));
}
