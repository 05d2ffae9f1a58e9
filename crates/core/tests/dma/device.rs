use std::sync::Arc;

use wharf_core::Errno;
use wharf_core::dma::{Device, DeviceError, DirectDma, DmaLimits, Field};

fn two_windows() -> Device {
    let low = DmaLimits::builder().address_mask(0xffff).build().unwrap();
    let high = DmaLimits::builder()
        .windows([0x1_0000..=0x1_ffff])
        .build()
        .unwrap();
    Device::builder("display")
        .function("scanout", low)
        .function("overlay", high)
        .build()
        .unwrap()
}

#[test]
fn device_is_itself_and_no_other() {
    let one = Device::new("camera", DmaLimits::unconstrained()).unwrap();
    let other = Device::new("camera", DmaLimits::unconstrained()).unwrap();
    assert_eq!(one, one.clone());
    assert_eq!(one.id(), one.clone().id());
    assert_ne!(one, other);
    assert_ne!(one.id(), other.id());
    assert!(format!("{one:?}").contains("camera"));
}

#[test]
fn use_names_functions_in_the_device_s_order_and_once() {
    let device = Device::builder("gpu")
        .function("copy", DmaLimits::kernel_default())
        .function("sample", DmaLimits::unconstrained())
        .ops(Arc::new(DirectDma))
        .build()
        .unwrap();
    let used = device.using(&["sample", "copy", "sample"]).unwrap();
    assert_eq!(used.functions().collect::<Vec<_>>(), ["copy", "sample"]);
    assert_eq!(used.label(), "gpu.copy+sample");
    assert_eq!(used.limits(), &DmaLimits::kernel_default());
    assert_eq!(used.device(), &device);
    assert_eq!(
        device.using(&["sample"]).unwrap().limits(),
        &DmaLimits::unconstrained()
    );
    assert_eq!(device.using_all().unwrap().label(), "gpu.copy+sample");
}

#[test]
fn device_without_functions_reaches_everything() {
    let device = Device::builder("cpu").build().unwrap();
    let used = device.using_all().unwrap();
    assert_eq!(
        (used.label(), used.limits()),
        ("cpu", &DmaLimits::unconstrained())
    );
    assert_eq!(used.functions().collect::<Vec<_>>(), ["dma"]);
}

#[test]
fn functions_that_nothing_suits_cannot_be_used_together() {
    let error = two_windows().using_all().unwrap_err();
    assert_eq!(error.errno(), Errno::EOPNOTSUPP);
    assert_eq!(
        error.to_string(),
        "functions of device display cannot share a buffer: no memory suits: overlay needs windows inside \
         0x10000..=0x1ffff; scanout needs windows inside 0x0..=0xffff"
    );
    let DeviceError::Conflict { conflict, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(conflict.field, Field::Windows);
    assert!(two_windows().using(&["overlay"]).is_ok());
}

#[test]
fn wrong_names_are_refused_in_words() {
    let device = two_windows();
    let unknown = device.using(&["scanout", "cursor"]).unwrap_err();
    assert_eq!(unknown.errno(), Errno::ENODEV);
    assert_eq!(
        unknown.to_string(),
        "device display has no function cursor; it has: scanout, overlay"
    );
    let none = device.using(&[]).unwrap_err();
    assert_eq!(none.errno(), Errno::EINVAL);
    assert_eq!(
        none.to_string(),
        "no function of device display named; it has: scanout, overlay"
    );

    let limits = DmaLimits::unconstrained;
    let twice = Device::builder("d")
        .function("a", limits())
        .function("a", limits())
        .build()
        .unwrap_err();
    assert_eq!(twice.errno(), Errno::EINVAL);
    assert_eq!(twice.to_string(), "device d has two functions a; name each once");
    for label in ["", "a\nb"] {
        let error = Device::new(label, limits()).unwrap_err();
        assert_eq!(error, DeviceError::Name { name: label.into() });
        assert_eq!(error.errno(), Errno::EINVAL);
        assert!(Device::builder("d").function(label, limits()).build().is_err());
    }
}
