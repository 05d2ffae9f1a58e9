//! Complaints about formats, modifiers, strides and where pictures may lie: C1 to C8.

use crate::support::*;
use wharf_core::PAGE_BYTES;
use wharf_core::constraints::{
    Bytes, Field, FormatKey, ImageConstraints, Record, Rows, StrideRule, Tiling, key,
};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Eliminated, Function, Guarantees, HeapOffer, Participant, ParticipantId, ReportKind,
};

use super::{aligned, picture, strides, way};

#[test]
fn c01_screencast_with_no_common_modifier_names_both_lists() {
    let recorder = plain().image(linear(Fourcc::XRGB8888));
    let tiled = ImageConstraints::new(Fourcc::XRGB8888, TILED).image(room(&[(1920, 1080)]));
    let parties = [
        who(1, "compositor", plain().image(tiled)),
        who(2, "recorder", recorder),
    ];
    let ReportKind::Conflict { conflicts, .. } = refused(&parties, &[system()]) else {
        panic!("another report");
    };
    assert_eq!(conflicts[0].path.field, Field::Format);
    let lists: Vec<(&str, String)> = conflicts[0]
        .members
        .iter()
        .map(|member| (&*member.who.label, member.value.to_string()))
        .collect();
    assert_eq!(
        lists,
        [
            ("compositor", format!("XR24:{TILED}")),
            ("recorder", "XR24:linear".into())
        ]
    );
}

#[test]
fn c02_falling_back_to_linear_says_who_removed_tiling() {
    let both = |label, id| {
        let tiled = ImageConstraints::new(Fourcc::XRGB8888, TILED).image(room(&[(800, 600)]));
        who(
            id,
            label,
            plain()
                .image(tiled)
                .image(linear(Fourcc::XRGB8888).image(room(&[(800, 600)]))),
        )
    };
    let needless = who(3, "flutter", plain().image(linear(Fourcc::XRGB8888)));
    let plan = planned(&[both("gpu", 1), both("display", 2), needless], &[system()]);
    let tiled = plan
        .eliminated
        .iter()
        .find(|one| matches!(&one.what, Eliminated::Format(format) if format.tiling == Some(Tiling::Explicit(TILED))))
        .expect("tiling was removed");
    assert!(tiled.members.iter().any(|member| &*member.who.label == "flutter"));
}

#[test]
fn c03_scanout_is_chosen_by_cost_and_not_by_the_client() {
    let modifiers = [TILED, Modifier::LINEAR];
    let client = modifiers.iter().fold(plain(), |client, modifier| {
        client.image(ImageConstraints::new(Fourcc::XRGB8888, *modifier).image(room(&[(1920, 1080)])))
    });
    let compose = any_tiling(Fourcc::XRGB8888);
    let compositor = Participant::new(ParticipantId(2), "compositor").function(
        Function::new(
            "scanout",
            plain().image(linear(Fourcc::XRGB8888)).build().unwrap(),
        )
        .or("compose", 100, plain().image(compose).build().unwrap()),
    );
    let plan = planned(&[who(1, "client", client), compositor], &[system()]);
    assert_eq!(plan.image.as_ref().unwrap().format, linear(Fourcc::XRGB8888).key);
    assert_eq!(way(&plan, 2), "only");
}

#[test]
fn c04_two_gpus_without_a_common_layout_copy_where_they_declare_it() {
    let tiled = |driver: &str| {
        ImageConstraints::of(FormatKey {
            fourcc: Some(Fourcc::XRGB8888),
            tiling: Some(Tiling::Implicit(driver.into())),
        })
    };
    let nvidia = plain().image(tiled("nvidia").image(room(&[(1920, 1080)])));
    let direct = plain().image(tiled("amdgpu")).build().unwrap();
    let amd = Function::new("import", direct);
    let with_copy = amd.clone().or("copy", 1000, plain().build().unwrap());
    let amd_as = |function| Participant::new(ParticipantId(2), "amd").function(function);
    let nvidia = who(1, "nvidia", nvidia);
    let plan = planned(&[nvidia.clone(), amd_as(with_copy)], &[system()]);
    assert_eq!(way(&plan, 2), "copy");
    let removed = |one: &Eliminated| matches!(one, Eliminated::Alternative { who } if who.alternative.as_deref() == Some("only"));
    assert!(plan.eliminated.iter().any(|one| removed(&one.what)));
    let kind = refused(&[nvidia, amd_as(amd)], &[system()]);
    assert!(matches!(kind, ReportKind::Conflict { .. }), "{kind:?}");
}

#[test]
fn c05_pi4_display_window() {
    let gpu = who(1, "v3d", plain().dma(iommu()).image(picture(1920, 1080)));
    let display = who(
        2,
        "vc4",
        plain().dma(one_segment(GIB)).image(linear(Fourcc::NV12)),
    );
    let parties = [gpu, display];
    let high = cma("cma-high", GIB, 4 * GIB - 1);
    let plan = planned(&parties, &[system(), high.clone(), cma("cma-low", 0, GIB - 1)]);
    assert_eq!(plan.memories[0].heaps, ["cma-low".into()]);
    let ReportKind::NoHeap { heaps } = refused(&parties, &[system(), high]) else {
        panic!("another report");
    };
    let told: Vec<_> = heaps
        .iter()
        .map(|misfit| (&*misfit.heap, misfit.field, &*misfit.who[0].label))
        .collect();
    assert_eq!(
        told,
        [
            ("cma-high", Field::Windows, "vc4"),
            ("system", Field::Contiguous, "vc4")
        ]
    );
}

#[test]
fn c06_no_bounce_is_never_served_by_a_hidden_copy() {
    let bouncing = HeapOffer {
        cost: 0,
        ..heap(
            "swiotlb",
            Guarantees {
                bounces: true,
                ..Guarantees::default()
            },
        )
    };
    let screen = [who(
        1,
        "screen",
        plain().with(key::NO_BOUNCE, ()).with(key::MIN_SIZE, Bytes(4096)),
    )];
    let ReportKind::NoHeap { heaps } = refused(&screen, std::slice::from_ref(&bouncing)) else {
        panic!("another report");
    };
    assert_eq!(heaps[0].field, Field::NoBounce);
    let honest = HeapOffer { cost: 50, ..system() };
    assert_eq!(
        planned(&screen, &[bouncing, honest]).memories[0].heaps,
        ["system".into()]
    );
}

#[test]
fn c07_padded_rows_are_part_of_the_size() {
    let rows = |align| linear(Fourcc::NV12).image(Record::new().with(key::ROWS_ALIGN, Rows(align)));
    let camera = who(1, "camera", plain().image(picture(1920, 1080)));
    let alone = planned(std::slice::from_ref(&camera), &[system()]);
    assert_eq!(alone.image.as_ref().unwrap().planes[1].offset_bytes, 1920 * 1080);
    assert_eq!(alone.size_bytes(), 3_110_400_u64.next_multiple_of(PAGE_BYTES));
    let mpp = who(2, "mpp", plain().image(rows(16)));
    assert_eq!(planned(&[camera, mpp], &[system()]).size_bytes(), 3_133_440);
    // 1600x1068 on radeonsi, which works out the size from the padded height.
    let odd = linear(Fourcc::XRGB8888).image(room(&[(1600, 1068)]));
    let gpu = linear(Fourcc::XRGB8888).image(Record::new().with(key::ROWS_ALIGN, Rows(8)));
    let odd = [
        who(1, "camera", plain().image(odd)),
        who(2, "radeonsi", plain().image(gpu)),
    ];
    assert_eq!(planned(&odd, &[system()]).image.unwrap().planes[0].rows, 1072);
}

#[test]
fn c08_exact_pitch() {
    let exact = |rule| {
        let rules = Record::new().with(key::STRIDE_RULES, rules(&[rule]));
        linear(Fourcc::NV12).every_plane(rules)
    };
    let camera = |align| {
        who(
            1,
            "camera",
            plain().image(picture(1920, 1080).every_plane(aligned(align))),
        )
    };
    let amd = who(2, "amd", plain().image(exact(StrideRule::RoundUp(256))));
    assert_eq!(
        strides(&planned(&[camera(64), amd.clone()], &[system()])),
        [2048, 2048]
    );
    // Longer would suit the camera, but not the display.
    let ReportKind::Conflict { conflicts, .. } = refused(&[camera(4096), amd], &[system()]) else {
        panic!("another report");
    };
    let blamed: Vec<&str> = conflicts[0]
        .members
        .iter()
        .map(|member| &*member.who.label)
        .collect();
    assert!(
        blamed.contains(&"camera") && blamed.contains(&"amd"),
        "{blamed:?}"
    );
    // Panfrost: any multiple of 64 bytes.
    let panfrost = who(
        2,
        "panfrost",
        plain().image(linear(Fourcc::R8).every_plane(aligned(64))),
    );
    let odd = linear(Fourcc::R8).image(room(&[(1000, 10)]));
    assert_eq!(
        strides(&planned(
            &[who(1, "camera", plain().image(odd)), panfrost],
            &[system()]
        )),
        [1024]
    );
}
