//! Buffers that move, and buffers that are taken away. Contracts: A3, A5, L6. For systems whose exporters are dynamic.

use wharf_core::Errno;
use wharf_core::dma::DmaLimits;

use super::device::{assert_keeps, built};
use super::{Contract, DataDirection, MoveSut, SIZE, Usage, buffer, must, refused};
use crate::PATIENCE;

fn device<S: MoveSut>(sut: &S) -> S::Device {
    sut.simple_device(DmaLimits::unconstrained())
}

/// A5: a buffer that nobody holds moves, with its contents.
pub fn contents_move_too<S: MoveSut>(sut: &S) {
    let buffer = buffer(sut);
    sut.put(&buffer, SIZE - 5, b"moved");
    for _ in 0..3 {
        must(sut.move_buffer(&buffer));
        assert_eq!(sut.look(&buffer, SIZE - 5, 5), b"moved");
    }
}

/// L6: every dynamic importer is told, once for each move, also one that has nothing mapped. Mirrors `dma_buf_move_notify`.
pub fn every_dynamic_importer_is_told<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let attachments: Vec<_> = [Contract::Dynamic, Contract::Revocable, Contract::Dynamic]
        .map(|contract| must(sut.attach_simple(&buffer, &device, contract)))
        .into();
    let _mapping = must(sut.map(&attachments[0], DataDirection::ToDevice));
    for moves in 1..=3 {
        must(sut.move_buffer(&buffer));
        for attachment in &attachments {
            assert_eq!(sut.moves_told(attachment), moves);
            assert_eq!(sut.revocations_told(attachment), 0);
        }
    }
}

/// L6: after a move, a new mapping is of the new place, and the old one is known to be old.
pub fn new_mappings_find_the_new_place<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Dynamic));
    let old = must(sut.map(&attachment, DataDirection::FromDevice));
    must(sut.device_fill(&device, &old, 0..SIZE, 4));
    assert!(sut.is_current(&old));
    must(sut.move_buffer(&buffer));
    assert!(!sut.is_current(&old));
    let new = must(sut.map(&attachment, DataDirection::ToDevice));
    assert!(sut.is_current(&new));
    assert_ne!(sut.segments(&new), sut.segments(&old));
    assert_eq!(sut.device_sees(&device, &new, 0, &[4; 4 * 4096]), Ok(true));
}

/// L6: work that was going on uses the old place until it is done, and what it wrote is not lost. Mirrors `move_notify`: mappings
/// stay valid until the fences on the reservation signal.
pub fn old_mappings_are_usable_until_work_is_done<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Dynamic));
    let mapping = must(sut.map(&attachment, DataDirection::FromDevice));
    let work = sut.begin_work(&buffer, Usage::Write);
    let old = must(sut.move_buffer(&buffer));
    must(sut.device_fill(&device, &mapping, 0..SIZE, 6));
    sut.finish(work, Ok(()));
    assert_eq!(sut.look(&buffer, SIZE - 1, 1), [6]);
    assert!(!sut.is_idle(&old));
    sut.unmap(mapping);
    assert!(sut.is_idle(&old));
}

/// L6: the old place is idle when work is done and mappings are given up, both, in any order. Mirrors `dma_buf_invalidate_mappings` of v7.1.
pub fn old_place_is_idle_after_work_and_mappings<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Dynamic));
    for usage in [Usage::Kernel, Usage::Write, Usage::Read, Usage::Bookkeep] {
        let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
        let work = sut.begin_work(&buffer, usage);
        let old = must(sut.move_buffer(&buffer));
        sut.unmap(mapping);
        assert!(!sut.is_idle(&old), "{usage:?} is not done");
        sut.finish(work, Ok(()));
        assert!(sut.is_idle(&old), "{usage:?}");
    }
}

/// A5: a pinned buffer does not move, and moves when the last pin is gone. Mirrors `dma_buf_pin`.
pub fn pinned_buffer_does_not_move<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Dynamic));
    let pins = [must(sut.pin(&attachment)), must(sut.pin(&attachment))];
    for pin in pins {
        assert_eq!(sut.holders(&buffer), 1);
        refused(sut.move_buffer(&buffer), Errno::EBUSY);
        drop(pin);
    }
    assert_eq!(sut.holders(&buffer), 0);
    must(sut.move_buffer(&buffer));
    assert_eq!(sut.moves_told(&attachment), 1, "told of a move that was refused");
}

/// A5: a buffer does not move while a static importer has it mapped. Mirrors that such importers pin.
pub fn statically_mapped_buffer_does_not_move<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    let mapping = must(sut.map(&attachment, DataDirection::FromDevice));
    assert_eq!(sut.holders(&buffer), 1);
    refused(sut.move_buffer(&buffer), Errno::EBUSY);
    must(sut.device_fill(&device, &mapping, 0..SIZE, 8));
    sut.unmap(mapping);
    drop(attachment);
    must(sut.move_buffer(&buffer));
    assert_eq!(sut.look(&buffer, 0, 1), [8]);
}

/// A3: for a late device that the memory does not suit, a buffer that nobody holds is moved to where it suits all.
pub fn buffer_is_moved_for_a_late_device<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    sut.put(&buffer, 0, b"kept");
    let early = must(sut.attach_simple(&buffer, &device, Contract::Dynamic));
    let limits = built(DmaLimits::builder().contiguous().address_mask(0x3fff_ffff));
    let display = sut.simple_device(limits.clone());
    let late = must(sut.attach_simple(&buffer, &display, Contract::Dynamic));
    assert_eq!(sut.moves_told(&early), 1);
    let mapping = must(sut.map(&late, DataDirection::ToDevice));
    assert_keeps(sut, &mapping, &limits, SIZE);
    assert_eq!(sut.look(&buffer, 0, 4), b"kept");
}

/// A3, A5: a late device that would need a move is refused while the buffer is held.
pub fn held_buffer_is_not_moved_for_a_late_device<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let early = must(sut.attach_simple(&buffer, &device, Contract::Dynamic));
    let display = sut.simple_device(built(DmaLimits::builder().contiguous()));
    let pin = must(sut.pin(&early));
    refused(
        sut.attach_simple(&buffer, &display, Contract::Dynamic),
        Errno::EBUSY,
    );
    drop(pin);
    must(sut.attach_simple(&buffer, &display, Contract::Dynamic));
}

/// L6, A5: a buffer that was taken away is gone for good: nobody attaches, maps or accesses it any more, and importers are told. Mirrors the permanent
/// revocation of VFIO: ENODEV.
pub fn revoked_buffer_is_gone<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Revocable));
    let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
    let old = must(sut.revoke(&buffer));
    assert_eq!(sut.revocations_told(&attachment), 1);
    must(sut.revoke(&buffer));
    for contract in super::device::CONTRACTS {
        refused(sut.attach_simple(&buffer, &device, contract), Errno::ENODEV);
    }
    refused(sut.map(&attachment, DataDirection::ToDevice), Errno::ENODEV);
    refused(sut.pin(&attachment), Errno::ENODEV);
    refused(
        sut.begin_within(&buffer, DataDirection::FromDevice, PATIENCE),
        Errno::ENODEV,
    );
    assert!(!sut.is_idle(&old));
    sut.unmap(mapping);
    assert!(sut.is_idle(&old));
}

/// L6: pins do not keep a buffer from being taken away from those who can give it up. Mirrors `dma_buf_attach_revocable` of v7.1.
pub fn pinned_buffer_can_be_revoked<S: MoveSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), device(sut));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Revocable));
    let _pin = must(sut.pin(&attachment));
    refused(sut.move_buffer(&buffer), Errno::EBUSY);
    must(sut.revoke(&buffer));
    assert_eq!(sut.revocations_told(&attachment), 1);
}

/// L6: a buffer is not taken away from those who cannot give it up, and nobody is told.
pub fn buffer_is_not_revoked_from_those_who_cannot<S: MoveSut>(sut: &S) {
    let device = device(sut);
    for contract in [Contract::Static, Contract::Dynamic] {
        let buffer = buffer(sut);
        let able = must(sut.attach_simple(&buffer, &device, Contract::Revocable));
        let unable = must(sut.attach_simple(&buffer, &device, contract));
        refused(sut.revoke(&buffer), Errno::EBUSY);
        assert_eq!(sut.revocations_told(&able), 0);
        must(sut.map(&unable, DataDirection::ToDevice));
        drop(unable);
        must(sut.revoke(&buffer));
    }
}
