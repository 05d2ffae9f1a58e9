//! User mappings that are coherent although the hardware is not, or because it is. Contract: C2.
//!
//! For systems that declare `Coherent` or `FaultTracked`.

use super::coherency::needs_sync;
use super::{AccessMode, Contract, DataDirection, DeviceSut, PAGE_BYTES, SIZE, UserMappingSut, buffer, must};

const PAGES: u64 = SIZE / PAGE_BYTES;

/// C2: what a user writes without brackets, a device sees that is mapped later, each time anew. Mirrors the page tracking of the 2012 text: pages are
/// taken away when a device takes the buffer over.
pub fn devices_see_what_users_wrote<S: UserMappingSut + DeviceSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(needs_sync()));
    let user = must(sut.map_user(&buffer, 0, PAGES, AccessMode::ReadWrite));
    for contract in super::device::CONTRACTS {
        let attachment = must(sut.attach_simple(&buffer, &device, contract));
        for value in 1..=3 {
            must(sut.user_write(&user, PAGE_BYTES + 3, &[value]));
            let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
            assert_eq!(
                sut.device_sees(&device, &mapping, PAGE_BYTES + 3, &[value]),
                Ok(true)
            );
        }
    }
}

/// C2: what a device wrote, a user sees without brackets who has touched the page before, once the device has given it back.
pub fn users_see_what_devices_wrote<S: UserMappingSut + DeviceSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(needs_sync()));
    let user = must(sut.map_user(&buffer, 1, 1, AccessMode::ReadWrite));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    let mut seen = [0];
    for value in 1..=3 {
        must(sut.user_read(&user, 9, &mut seen));
        let mapping = must(sut.map(&attachment, DataDirection::FromDevice));
        must(sut.device_fill(&device, &mapping, 0..SIZE, value));
        sut.unmap(mapping);
        must(sut.user_read(&user, 9, &mut seen));
        assert_eq!(seen, [value]);
    }
}
