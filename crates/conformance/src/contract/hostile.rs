//! Exporters that refuse, panic or lie. Contract: B5.

use wharf_core::Errno;
use wharf_core::dma::DmaLimits;

use super::device::{CONTRACTS, built};
use super::{
    Call, Called, Contract, DataDirection, ExporterSut, Fault, LifetimeSut, SIZE, buffer, must, refused,
};

/// Returns a device that does not reach the last page of 64 bits.
fn device<S: ExporterSut>(sut: &S) -> S::Device {
    sut.simple_device(built(DmaLimits::builder().address_mask(0xffff_ffff)))
}

/// Attaches and maps; some pairs map when attaching.
fn reach<S: ExporterSut>(
    sut: &S,
    buffer: &S::Buffer,
    device: &S::Device,
    contract: Contract,
) -> Result<S::Mapping, Errno> {
    let attachment = sut.attach_simple(buffer, device, contract)?;
    sut.map(&attachment, DataDirection::Bidirectional)
}

fn count(calls: &[Called], call: Call) -> usize {
    calls.iter().filter(|called| called.call == call).count()
}

/// Checks that everything that was begun has ended, when `failed` never began anything.
#[track_caller]
fn assert_balanced(calls: &[Called], failed: Option<Call>) {
    for (begun, ended) in [
        (Call::Attach, Call::Detach),
        (Call::Pin, Call::Unpin),
        (Call::Map, Call::Unmap),
    ] {
        let expected = if failed == Some(begun) {
            0
        } else {
            count(calls, begun)
        };
        assert_eq!(
            count(calls, ended),
            expected,
            "{ended:?} after {begun:?}: {calls:?}"
        );
    }
}

/// Checks what comes of a failure while devices come: the error, nothing left behind, and that it works later.
#[track_caller]
fn check<S: ExporterSut>(sut: &S, call: Call, fault: Fault, expected: Errno, began: bool) {
    for contract in CONTRACTS {
        let (buffer, device) = (buffer(sut), device(sut));
        sut.set_fault(&buffer, call, Some(fault));
        refused(reach(sut, &buffer, &device, contract), expected);
        let calls = sut.take_calls(&buffer);
        assert!(count(&calls, call) > 0, "{call:?} was never asked");
        assert_balanced(&calls, Some(call).filter(|_| !began));
        sut.set_fault(&buffer, call, None);
        let mapping = must(reach(sut, &buffer, &device, contract));
        must(sut.device_fill(&device, &mapping, 0..SIZE, 1));
    }
}

/// B5: what an exporter says when it refuses a device reaches who attaches or maps, unchanged. Mirrors `dma_buf_dynamic_attach`.
pub fn refusals_reach_the_caller<S: ExporterSut>(sut: &S) {
    for call in [Call::Attach, Call::Map] {
        for errno in [Errno::ENOMEM, Errno::EOPNOTSUPP, Errno::ENODEV, Errno::EBUSY] {
            check(sut, call, Fault::Refuse(errno), errno, false);
        }
    }
}

/// B5: a refusal without an error in it is an error all the same.
pub fn refusal_without_error_is_an_error<S: ExporterSut>(sut: &S) {
    for call in [Call::Attach, Call::Map] {
        for number in [0, -12, 1 << 20] {
            check(sut, call, Fault::Refuse(Errno::new(number)), Errno::EIO, false);
        }
    }
}

/// B5: an exporter that panics fails the call, and no more.
pub fn panics_fail_the_call<S: ExporterSut>(sut: &S) {
    for call in [Call::Attach, Call::Map] {
        check(sut, call, Fault::Panic, Errno::EIO, false);
    }
}

/// B5: tables that do not cover the buffer, or that the device cannot reach, get to nobody, and are taken back. The kernel trusts exporters, and
/// checks alignment in debug builds only.
pub fn wrong_tables_get_to_nobody<S: ExporterSut>(sut: &S) {
    for fault in [Fault::ShortTable, Fault::WrongTable] {
        check(sut, Call::Map, fault, Errno::EIO, true);
    }
}

/// B5: an exporter that fails when it gives back, fails nobody.
pub fn failures_in_giving_back_are_contained<S: ExporterSut + LifetimeSut>(sut: &S) {
    for call in [Call::Unmap, Call::Detach, Call::Release] {
        for contract in CONTRACTS {
            let (buffer, device) = (buffer(sut), device(sut));
            let id = sut.id(&buffer);
            sut.set_fault(&buffer, call, Some(Fault::Panic));
            let mapping = must(reach(sut, &buffer, &device, contract));
            must(sut.device_fill(&device, &mapping, 0..SIZE, 1));
            sut.unmap(mapping);
            assert_balanced(&sut.take_calls(&buffer), None);
            assert_eq!(sut.look(&buffer, 0, 1), [1]);
            drop(buffer);
            assert!(!sut.is_alive(id), "{call:?} {contract:?}: never released");
        }
    }
}

/// A2, B5: an allocation that fails reaches who needed it, device or CPU, and is tried again.
pub fn failed_allocation_is_tried_again<S: ExporterSut>(sut: &S) {
    for (fault, expected) in [
        (Fault::Refuse(Errno::ENOMEM), Errno::ENOMEM),
        (Fault::Panic, Errno::EIO),
    ] {
        for contract in CONTRACTS {
            let (buffer, device) = (must(sut.create_deferred(SIZE)), device(sut));
            sut.set_fault(&buffer, Call::Allocate, Some(fault));
            refused(reach(sut, &buffer, &device, contract), expected);
            refused(sut.begin_all(&buffer, DataDirection::FromDevice), expected);
            assert!(!sut.has_memory(&buffer));
            sut.set_fault(&buffer, Call::Allocate, None);
            must(reach(sut, &buffer, &device, contract));
        }
    }
}

/// C3, B5: a bracket that the exporter refuses has not begun; one whose end fails is over, and who ended it hears of it. Mirrors
/// `dma_buf_begin_cpu_access`, which returns what the exporter does.
pub fn failures_in_brackets_reach_the_caller<S: ExporterSut>(sut: &S) {
    for (fault, expected) in [
        (Fault::Refuse(Errno::ENOMEM), Errno::ENOMEM),
        (Fault::Refuse(Errno::new(0)), Errno::EIO),
        (Fault::Panic, Errno::EIO),
    ] {
        let buffer = buffer(sut);
        sut.set_fault(&buffer, Call::BeginCpuAccess, Some(fault));
        refused(sut.begin_all(&buffer, DataDirection::Bidirectional), expected);
        sut.set_fault(&buffer, Call::BeginCpuAccess, None);
        let access = must(sut.begin_all(&buffer, DataDirection::Bidirectional));
        sut.set_fault(&buffer, Call::EndCpuAccess, Some(fault));
        refused(sut.end(access), expected);
        drop(must(sut.begin_all(&buffer, DataDirection::FromDevice)));
        sut.set_fault(&buffer, Call::EndCpuAccess, None);
        sut.put(&buffer, 0, &[1]);
    }
}

/// B5: a broken exporter breaks its own buffer only.
pub fn other_buffers_go_on<S: ExporterSut>(sut: &S) {
    let (broken, whole, device) = (buffer(sut), buffer(sut), device(sut));
    for contract in CONTRACTS {
        let mapping = must(reach(sut, &whole, &device, contract));
        for call in [Call::Attach, Call::Map] {
            sut.set_fault(&broken, call, Some(Fault::Panic));
            refused(reach(sut, &broken, &device, contract), Errno::EIO);
        }
        must(sut.device_fill(&device, &mapping, 0..SIZE, 1));
        must(reach(sut, &whole, &device, contract));
    }
}
