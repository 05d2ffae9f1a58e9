//! A buffer that suits, and each thing about it made wrong: refused with that field, and with no other one.

use wharf_core::constraints::{
    Bytes, Constraints, CpuUse, Extension, ExtensionKey, Field, ImageConstraints, MergeKind, Record, Rows,
    Scope, Size, StrideRule, Value, key,
};
use wharf_core::dma::Coherency;
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{ActualMemory, Guarantees, Neighbor, suits};

use crate::support::{LUMA, ROWS, SIZE, STRIDE, Spoil, WIDTH, World, participant, stating};

type Statement = (Field, Value);

fn names<const N: usize>(names: [&str; N]) -> Value {
    Value::Names(names.into_iter().collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// For every field that is not about devices: a need that the example keeps exactly, and what breaks it.
fn cases() -> Vec<(Statement, Spoil)> {
    let bytes = |number| Value::Bytes(number);
    let pixels = |number| Value::Pixels(number);
    let buffers = |number| Value::Buffers(number);
    let size = Size {
        width: WIDTH,
        height: 1080,
    };
    vec![
        ((Field::MinChunk, bytes(8192)), |world| {
            world.guarantees.base_align_bytes = 4096
        }),
        ((Field::NoBounce, Value::Needed), |world| {
            world.guarantees.bounces = true
        }),
        ((Field::Heaps, names(["cma", "carveout"])), |world| {
            world.heap = "system".to_owned()
        }),
        ((Field::CacheModes, names(["cached"])), |world| {
            world.cache_mode = Some("uncached".to_owned())
        }),
        ((Field::CpuAccess, Value::CpuUse(CpuUse::Rarely)), |world| {
            world.cache_mode = None
        }),
        ((Field::Protection, text("none")), |world| {
            world.guarantees.protection = "secure".into()
        }),
        ((Field::Zeroed, Value::Needed), |world| {
            world.guarantees.zeroed = false
        }),
        ((Field::Locked, Value::Needed), |world| {
            world.guarantees.locked = false
        }),
        ((Field::MinSize, bytes(SIZE)), |world| {
            world.size_bytes -= 4096;
            world.image = None;
        }),
        ((Field::MaxSize, bytes(SIZE)), |world| world.size_bytes += 4096),
        ((Field::SizeAlign, bytes(SIZE)), |world| world.size_bytes += 4096),
        ((Field::MinWidth, pixels(1920)), |world| {
            world.image().size.width -= 1
        }),
        ((Field::MaxWidth, pixels(1920)), |world| {
            world.image().size.width += 1;
            world.image().planes[0].stride_bytes += 1;
        }),
        ((Field::WidthAlign, pixels(64)), |world| {
            world.image().size.width -= 32
        }),
        ((Field::MinHeight, pixels(1080)), |world| {
            world.image().size.height -= 1
        }),
        ((Field::MaxHeight, pixels(1080)), |world| {
            world.image().size.height += 1
        }),
        ((Field::HeightAlign, pixels(8)), |world| {
            world.image().size.height += 4
        }),
        ((Field::MaxPixels, pixels(1920 * 1080)), |world| {
            world.image().size.height += 1
        }),
        (
            (Field::RequiredSizes, Value::Sizes([size].into_iter().collect())),
            |world| {
                world.image().size.height -= 1;
                world.image().required.clear();
            },
        ),
        ((Field::RowsAlign, Value::Rows(16)), |world| {
            world.image().planes[0].rows -= 2
        }),
        ((Field::ColorSpaces, names(["bt709", "bt601"])), |world| {
            world.image().color_space = Some("srgb".into())
        }),
        ((Field::Alpha, text("none")), |world| world.image().alpha = None),
        ((Field::PlaneMemory, text("joint")), |world| {
            world.image().planes[1].memory = 1
        }),
        ((Field::MinStride, bytes(STRIDE)), |world| {
            world.image().size.width -= 2;
            world.image().planes[1].stride_bytes -= 2;
        }),
        ((Field::MaxStride, bytes(STRIDE)), |world| {
            world.image().planes[1].rows = 540;
            world.image().planes[0].rows = 1080;
            world.image().planes[1].stride_bytes += 8;
        }),
        ((Field::StrideAlign, bytes(64)), |world| {
            world.image().planes[0].rows = 1080;
            world.image().planes[0].stride_bytes += 8;
        }),
        (
            (
                Field::StrideRules,
                Value::Rules([StrideRule::RoundUp(128)].into_iter().collect()),
            ),
            |world| {
                world.image().planes[0].rows = 1080;
                world.image().planes[0].stride_bytes += 8;
            },
        ),
        (
            (
                Field::StrideRules,
                Value::Rules([StrideRule::Fixed(STRIDE)].into_iter().collect()),
            ),
            |world| {
                world.image().planes[0].rows = 1080;
                world.image().planes[0].stride_bytes += 8;
            },
        ),
        ((Field::OffsetAlign, bytes(4096)), |world| {
            world.size_bytes += 4096;
            world.image().planes[1].offset_bytes += 64;
        }),
        ((Field::PlaneSizeAlign, bytes(STRIDE)), |world| {
            world.size_bytes += 4096;
            world.image().planes[1].size_bytes += 64;
        }),
        ((Field::TailPad, bytes(0)), |_| {}),
        ((Field::Camping, buffers(3)), |world| world.free = 2),
        ((Field::DedicatedSlack, buffers(3)), |world| world.free = 2),
        ((Field::SharedSlack, buffers(1)), |world| world.shared_slack = 0),
        ((Field::MinBuffers, buffers(11)), |world| world.count = 10),
        ((Field::MaxBuffers, buffers(11)), |world| world.count = 12),
        ((Field::MaxTotal, bytes(11 * SIZE)), |world| world.count = 12),
    ]
}

fn example() -> World {
    let mut world = World::example();
    world.guarantees.locked = true;
    world.guarantees.base_align_bytes = 8192;
    world
}

#[test]
fn each_thing_made_wrong_is_refused_with_its_field() {
    for ((field, value), spoil) in cases() {
        let needs = [(field, value.clone())];
        assert_eq!(example().suits(&needs), Ok(()), "{field}");
        if value == Value::Bytes(0) {
            continue;
        }
        let mut spoilt = example();
        spoil(&mut spoilt);
        let misfit = spoilt.suits(&needs).unwrap_err();
        let blamed = if field == Field::DedicatedSlack {
            Field::Camping
        } else {
            field
        };
        assert_eq!(misfit.path.field, blamed, "{misfit:?}");
        assert_eq!(misfit.who.participant.unwrap().0, 7);
        assert_ne!(misfit.have, misfit.need);
        if !matches!(field, Field::MinSize | Field::PlaneMemory | Field::MaxWidth) {
            let others = spoilt.suits(&[(Field::NoSync, Value::Needed)]);
            assert_eq!(others, Ok(()), "{field}: it is wrong for everybody");
        }
    }
}

#[test]
fn every_field_that_is_not_about_devices_is_checked() {
    let covered: Vec<Field> = cases().into_iter().map(|((field, _), _)| field).collect();
    for field in Field::ALL.iter().copied() {
        let elsewhere = matches!(field.scope(), Scope::Device | Scope::Derived) || field == Field::NoSync;
        assert!(elsewhere || covered.contains(&field), "{field}");
    }
}

#[test]
fn nobody_who_needs_all_of_it_together_is_refused() {
    let all: Vec<Statement> = cases().into_iter().map(|(need, _)| need).collect();
    let once: Record = all
        .iter()
        .filter(|(field, _)| *field != Field::DedicatedSlack)
        .cloned()
        .collect();
    let fields: Vec<Statement> = once.iter().map(|(field, value)| (field, value.clone())).collect();
    assert_eq!(example().suits(&fields), Ok(()));
}

#[test]
fn tail_of_a_plane_is_what_is_behind_its_rows() {
    let needs = [(Field::TailPad, Value::Bytes(64))];
    assert_eq!(example().suits(&needs).unwrap_err().path.field, Field::TailPad);
    let mut padded = example();
    padded.size_bytes += 4096;
    padded.image().planes[0].size_bytes += 64;
    padded.image().planes[1].offset_bytes += 64;
    let misfit = padded.suits(&needs).unwrap_err();
    assert_eq!((misfit.path.field, misfit.path.plane), (Field::TailPad, Some(1)));
    padded.image().planes[1].size_bytes += 64;
    assert_eq!(padded.suits(&needs), Ok(()));
}

#[test]
fn picture_that_does_not_lie_in_its_memory_suits_nobody() {
    let spoils: [(Field, Spoil); 6] = [
        (Field::Size, |world| world.size_bytes -= 4096),
        (Field::Size, |world| world.image().planes[0].size_bytes -= 1),
        (Field::Size, |world| world.image().planes[1].memory = 1),
        (Field::OffsetAlign, |world| {
            world.image().planes[1].offset_bytes -= 1
        }),
        (Field::RowsAlign, |world| world.image().planes[1].rows -= 1),
        (Field::MinStride, |world| {
            world.image().planes[1].stride_bytes -= 1
        }),
    ];
    for (field, spoil) in spoils {
        let mut spoilt = example();
        spoil(&mut spoilt);
        let misfit = spoilt.suits(&[]).unwrap_err();
        assert_eq!(misfit.path.field, field);
        assert_eq!(misfit.path.format.unwrap().to_string(), "NV12:linear");
    }
}

#[test]
fn one_plane_can_have_needs_of_its_own() {
    let of_chroma = |need: Record| {
        let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR).planes(vec![Record::new(), need]);
        participant(Constraints::builder().image(image).build().unwrap())
    };
    let world = example();
    let aligned = |align| of_chroma(Record::new().with(key::OFFSET_ALIGN, Bytes(align)));
    assert!(suits(&world.buffer(), &aligned(LUMA)).is_ok());
    let misfit = suits(&world.buffer(), &aligned(LUMA * 2)).unwrap_err();
    assert_eq!(
        (misfit.path.field, misfit.path.plane),
        (Field::OffsetAlign, Some(1))
    );
}

#[test]
fn planes_with_memories_of_their_own_are_checked_each() {
    let (system, bank) = (
        Guarantees::default(),
        Guarantees {
            contiguous: true,
            ..Guarantees::default()
        },
    );
    let mut world = example();
    world.image().planes[1].memory = 1;
    world.image().planes[1].offset_bytes = 0;
    let mut buffer = world.buffer();
    buffer.memories = vec![
        ActualMemory::new("bank0", &bank, LUMA),
        ActualMemory::new("system", &system, LUMA / 2),
    ];
    let in_bank = |name: &str| Record::new().with(key::HEAPS, [name].into_iter().collect());
    let needs = |banks: [&str; 2]| {
        let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
            .image(Record::new().with(key::PLANE_MEMORY, "separate".into()))
            .planes(banks.map(in_bank).to_vec());
        participant(Constraints::builder().image(image).build().unwrap())
    };
    assert!(suits(&buffer, &needs(["bank0", "system"])).is_ok());
    let misfit = suits(&buffer, &needs(["bank0", "bank1"])).unwrap_err();
    assert_eq!((misfit.path.field, misfit.path.plane), (Field::Heaps, Some(1)));
    let both = participant(stating(&[(Field::Contiguous, Value::Needed)]));
    assert_eq!(suits(&buffer, &both).unwrap_err().path.field, Field::Contiguous);
}

#[test]
fn needs_of_a_plane_s_memory_do_not_concern_a_shared_one() {
    let bank = Record::new().with(key::HEAPS, ["bank0"].into_iter().collect());
    let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR).planes(vec![bank]);
    let needs = participant(Constraints::builder().image(image).build().unwrap());
    assert!(suits(&example().buffer(), &needs).is_ok());
}

#[test]
fn portrait_has_room_where_it_was_asked_for() {
    // As wide a stride as landscape needs, and only as many bytes as either needs by itself.
    let portrait = Size {
        width: 1080,
        height: 1920,
    };
    let needs = [(
        Field::RequiredSizes,
        Value::Sizes([portrait].into_iter().collect()),
    )];
    let mut world = example();
    assert_eq!(world.suits(&needs).unwrap_err().path.field, Field::RequiredSizes);
    world.image().required.push(portrait);
    assert_eq!(world.suits(&needs), Ok(()));
    let aligned = [needs[0].clone(), (Field::StrideAlign, Value::Bytes(128))];
    assert_eq!(
        world.suits(&aligned).unwrap_err().path.field,
        Field::RequiredSizes
    );
    let padded = [needs[0].clone(), (Field::RowsAlign, Value::Rows(64))];
    assert_eq!(world.suits(&padded), Ok(()));
}

#[test]
fn formats_are_understood_or_refused_with_the_list() {
    let world = example();
    let of = |keys: &[&str]| {
        let mut builder = Constraints::builder();
        for key in keys {
            builder = builder.image(ImageConstraints::of(key.parse().unwrap()));
        }
        participant(builder.build().unwrap())
    };
    for keys in [
        &["NV12:linear"][..],
        &["XR24:linear", "NV12:*"],
        &["*:linear"],
        &["*:*"],
        &[],
    ] {
        assert!(suits(&world.buffer(), &of(keys)).is_ok(), "{keys:?}");
    }
    let misfit = suits(&world.buffer(), &of(&["XR24:linear", "NV12:0x0000000000000001"])).unwrap_err();
    assert_eq!(misfit.path.field, Field::Format);
    assert_eq!(misfit.have.to_string(), "NV12:linear");
    let mut bare = example();
    bare.image = None;
    assert_eq!(
        suits(&bare.buffer(), &of(&["*:*"])).unwrap_err().path.field,
        Field::Format
    );
    assert!(suits(&bare.buffer(), &of(&[])).is_ok());
}

#[test]
fn needs_of_other_formats_do_not_matter() {
    let strict = ImageConstraints::new(Fourcc::XRGB8888, Modifier::LINEAR)
        .image(Record::new().with(key::ROWS_ALIGN, Rows(ROWS * 2)));
    let plain = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR);
    let both = Constraints::builder().image(strict).image(plain).build().unwrap();
    assert!(suits(&example().buffer(), &participant(both)).is_ok());
}

#[test]
fn extension_that_has_to_be_understood_is_asked_of_the_heap() {
    let stated = |must_understand| {
        let extension = Extension {
            key: ExtensionKey {
                vendor: "example.org".into(),
                name: "banks".into(),
            },
            kind: MergeKind::Or,
            must_understand,
            value: Value::Needed,
        };
        participant(Constraints::builder().extension(extension).build().unwrap())
    };
    let mut world = example();
    assert!(suits(&world.buffer(), &stated(false)).is_ok());
    let misfit = suits(&world.buffer(), &stated(true)).unwrap_err();
    assert_eq!(misfit.path.field, Field::Extension);
    assert_eq!(misfit.path.extension.unwrap().to_string(), "example.org/banks");
    world.guarantees.extensions = ["example.org/banks"].into_iter().collect();
    assert!(suits(&world.buffer(), &stated(true)).is_ok());
}

#[test]
fn cpu_does_not_look_into_protected_memory() {
    let mut world = example();
    world.guarantees.protection = "secure".into();
    let misfit = world
        .suits(&[(Field::CpuAccess, Value::CpuUse(CpuUse::Often))])
        .unwrap_err();
    assert_eq!(misfit.path.field, Field::Protection);
    assert_eq!(
        world.suits(&[(Field::CpuAccess, Value::CpuUse(CpuUse::Never))]),
        Ok(())
    );
}

#[test]
fn caches_are_kept_in_step_by_somebody() {
    let device = [(Field::Coherency, Value::Coherency(Coherency::NeedsSync))];
    let idle = [device[0].clone(), (Field::NoSync, Value::Needed)];
    let cpu = |can_sync| Neighbor {
        uses_cpu: true,
        snoops: true,
        can_sync,
    };
    let verdict = |needs: &[Statement], neighbors: Vec<Neighbor>, can_sync, cache_mode: &str| {
        let mut world = example();
        world.guarantees.can_sync = can_sync;
        world.cache_mode = Some(cache_mode.to_owned());
        let mut buffer = world.buffer();
        buffer.neighbors = neighbors;
        let outcome = suits(&buffer, &participant(stating(needs)));
        outcome.map(|_| ()).map_err(|misfit| misfit.path.field)
    };
    assert_eq!(verdict(&device, vec![], false, "cached"), Ok(()));
    assert_eq!(verdict(&device, vec![cpu(true)], true, "cached"), Ok(()));
    assert_eq!(
        verdict(&device, vec![cpu(true)], false, "cached"),
        Err(Field::Coherency)
    );
    assert_eq!(verdict(&device, vec![cpu(true)], false, "uncached"), Ok(()));
    assert_eq!(verdict(&idle, vec![cpu(true)], true, "cached"), Ok(()));
    assert_eq!(
        verdict(&idle, vec![cpu(false)], true, "cached"),
        Err(Field::NoSync)
    );
    let both = [
        device[0].clone(),
        (Field::CpuAccess, Value::CpuUse(CpuUse::Rarely)),
    ];
    assert_eq!(verdict(&both, vec![], true, "cached"), Ok(()));
    assert_eq!(verdict(&both, vec![], false, "cached"), Err(Field::Coherency));
    let blind = Neighbor {
        uses_cpu: false,
        snoops: false,
        can_sync: false,
    };
    let looker = [
        (Field::CpuAccess, Value::CpuUse(CpuUse::Often)),
        (Field::NoSync, Value::Needed),
    ];
    assert_eq!(verdict(&looker, vec![blind], true, "cached"), Err(Field::NoSync));
}
