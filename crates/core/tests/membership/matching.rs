//! Buffers that are to be just like others.

use wharf_core::constraints::Field;
use wharf_core::negotiation::{exactly, must_match, suits};

use crate::support::{Spoil, World, participant};

fn differs(spoil: fn(&mut World)) -> Option<Field> {
    let model = World::example();
    let mut other = World::example();
    spoil(&mut other);
    let who = participant(Default::default());
    must_match(&other.buffer(), &model.buffer(), &who)
        .err()
        .map(|misfit| misfit.path.field)
}

#[test]
fn every_difference_is_named() {
    assert_eq!(differs(|_| {}), None);
    let spoils: [(Field, Spoil); 13] = [
        (Field::Format, |world| world.image = None),
        (Field::Format, |world| {
            world.image().format = "NV12:0x0000000000000001".parse().unwrap()
        }),
        (Field::Format, |world| world.image().planes.truncate(1)),
        (Field::RequiredSizes, |world| world.image().size.height -= 1),
        (Field::ColorSpaces, |world| world.image().color_space = None),
        (Field::Alpha, |world| world.image().alpha = None),
        (Field::PlaneMemory, |world| world.image().planes[1].memory = 1),
        (Field::OffsetAlign, |world| {
            world.image().planes[1].offset_bytes += 4096
        }),
        (Field::StrideRules, |world| {
            world.image().planes[0].stride_bytes += 64
        }),
        (Field::RowsAlign, |world| world.image().planes[0].rows += 2),
        (Field::PlaneSizeAlign, |world| {
            world.image().planes[1].size_bytes += 64
        }),
        (Field::Size, |world| world.size_bytes += 4096),
        (Field::CacheModes, |world| world.cache_mode = None),
    ];
    for (field, spoil) in spoils {
        assert_eq!(differs(spoil), Some(field));
    }
    assert_eq!(
        differs(|world| world.guarantees.protection = "secure".into()),
        Some(Field::Protection)
    );
    assert_eq!(differs(|world| world.free = 0), None);
}

#[test]
fn exact_needs_are_kept_by_the_buffer_itself() {
    let world = World::example();
    let exact = participant(exactly(&world.buffer()).unwrap());
    assert!(suits(&world.buffer(), &exact).is_ok());
}

#[test]
fn exact_needs_are_not_kept_by_another() {
    let world = World::example();
    let exact = participant(exactly(&world.buffer()).unwrap());
    let spoils: [Spoil; 6] = [
        |world| world.size_bytes += 4096,
        |world| world.image().size.height -= 1,
        |world| world.image().planes[0].stride_bytes += 8,
        |world| world.image().color_space = None,
        |world| world.cache_mode = Some("uncached".to_owned()),
        |world| world.guarantees.protection = "secure".into(),
    ];
    for spoil in spoils {
        let mut other = World::example();
        spoil(&mut other);
        assert!(suits(&other.buffer(), &exact).is_err());
    }
}

#[test]
fn buffer_that_contradicts_itself_is_no_model() {
    let mut odd = World::example();
    odd.image().planes[0].stride_bytes = 64;
    assert!(exactly(&odd.buffer()).is_err());
}
