//! The camera, encoder, display and GPU of the design, as far as device addressing goes.

use wharf_core::Errno;
use wharf_core::dma::{self, Device, DeviceUse, DmaLimits, Field, PhysicalRun, Storage, Translation, Window};

const GIB: u64 = 1 << 30;

/// NV12, 1920 x 1088, in bytes.
const SIZE_BYTES: u64 = 3_133_440;

fn parties() -> Vec<DeviceUse> {
    let below_4_gib = || DmaLimits::builder().address_mask(4 * GIB - 1);
    let isp = below_4_gib().max_segments(1).build().unwrap();
    let encoder = below_4_gib().build().unwrap();
    let primary = DmaLimits::builder()
        .address_mask(GIB - 1)
        .max_segments(1)
        .build()
        .unwrap();
    let aperture = Window {
        first: 0,
        last: 4 * GIB - 1,
    };
    let mapped = Translation::Iommu {
        aperture,
        page_bytes: 4096,
        coalesce: true,
    };
    let sample = DmaLimits::builder().translation(mapped).build().unwrap();
    let function = |device: &str, name: &str, limits| {
        let builder = Device::builder(device)
            .function(name, limits)
            .function("idle", DmaLimits::unconstrained());
        builder.build().unwrap().using(&[name]).unwrap()
    };
    vec![
        function("camera", "isp", isp),
        Device::new("encoder", encoder).unwrap().using_all().unwrap(),
        function("display", "primary", primary),
        function("gpu", "sample", sample),
    ]
}

fn named(uses: &[DeviceUse]) -> impl Iterator<Item = (&str, &DmaLimits)> {
    uses.iter().map(|one| (one.label(), one.limits()))
}

fn at(address: u64) -> Storage {
    Storage::new([PhysicalRun {
        address,
        length_bytes: SIZE_BYTES,
    }])
    .unwrap()
}

#[test]
fn memory_below_one_gib_in_one_piece_suits_all() {
    let needs = dma::collate(named(&parties()), SIZE_BYTES).unwrap();
    assert_eq!(needs.windows().unwrap().to_string(), "0x0..=0x3fffffff");
    assert!(needs.is_contiguous());
    let contiguous: Vec<_> = needs.needs(Field::MaxSegments).map(|need| &*need.who).collect();
    assert_eq!(contiguous, ["camera.isp", "display.primary"]);
    assert_eq!(needs.allows(&at(0)), Ok(()));
}

#[test]
fn other_heaps_fail_in_the_field_that_says_why() {
    let needs = dma::collate(named(&parties()), SIZE_BYTES).unwrap();
    let halves = [0, 0x1000_0000].map(|address| PhysicalRun {
        address,
        length_bytes: SIZE_BYTES / 2 / 4096 * 4096,
    });
    let rest = PhysicalRun {
        address: 0x2000_0000,
        length_bytes: SIZE_BYTES - 2 * halves[0].length_bytes,
    };
    let scattered = Storage::new(halves.into_iter().chain([rest])).unwrap();
    let unsuitable = needs.allows(&scattered).unwrap_err();
    assert_eq!(
        (&*unsuitable.who, unsuitable.violation.field),
        ("camera.isp", Field::MaxSegments)
    );
    let unsuitable = needs.allows(&at(GIB)).unwrap_err();
    assert_eq!(
        (&*unsuitable.who, unsuitable.violation.field),
        ("display.primary", Field::Windows)
    );
}

#[test]
fn late_joiner_above_one_gib_can_never_share_with_the_display() {
    let high = DmaLimits::builder().windows([GIB..=4 * GIB - 1]).build().unwrap();
    assert_eq!(high.check_storage(&at(0)).unwrap_err().errno(), Errno::EBUSY);
    let parties = parties();
    let conflict = dma::collate(named(&parties).chain([("Y", &high)]), SIZE_BYTES).unwrap_err();
    assert_eq!(
        conflict.to_string(),
        "no memory of 3133440 bytes suits: Y needs windows inside 0x40000000..=0xffffffff; display.primary needs \
         windows inside 0x0..=0x3fffffff"
    );
}
