//! Pages of a window: in-process access without a user mapping. Contracts: C5, C7.

use std::error::Error;

use wharf_core::DataDirection::{Bidirectional, FromDevice, ToDevice};
use wharf_core::{Coherency, CpuBytesError, DmaBuf, Errno};

use crate::machine::{Act, Call, Kind, Machine, Place};

type TestResult = Result<(), Box<dyn Error>>;

fn machine() -> (Machine, DmaBuf) {
    let machine = Machine::new(Kind::of(Coherency::Coherent), 4);
    let buffer = machine.export();
    (machine, buffer)
}

#[test]
fn pages_of_the_window_and_no_others_are_had() -> TestResult {
    let (_, buffer) = machine();
    let access = buffer.begin_cpu_access(5000..12289, FromDevice)?;
    assert_eq!(access.pages(), 1..4);
    for page in 1..4 {
        assert_eq!(access.page(page)?.index(), page);
    }
    for page in [0, 4, u64::MAX] {
        let error = access.page(page).map(drop).expect_err("outside the window");
        assert_eq!(error.errno(), Errno::EINVAL);
        assert!(
            error.to_string().contains("outside the window's pages 1..4"),
            "{error}"
        );
    }
    Ok(())
}

#[test]
fn partly_covered_pages_are_limited_to_the_covered_bytes() -> TestResult {
    let (machine, buffer) = machine();
    let access = buffer.begin_cpu_access(5000..12289, Bidirectional)?;
    let (first, last) = (access.page(1)?, access.page_mut(3)?);
    assert_eq!(
        (first.range(), access.page(2)?.range(), last.range()),
        (904..4096, 0..4096, 0..1)
    );
    machine.take_calls();
    first.read_at(904, &mut [0; 8])?;
    last.write_at(0, &[1])?;
    assert_eq!(machine.take_calls(), [Call::Read(5000, 8), Call::Write(12288, 1)]);
    let before = first.read_at(903, &mut [0; 2]).expect_err("before the window");
    assert_eq!(
        before,
        CpuBytesError::Outside {
            buffer: buffer.id(),
            start_bytes: 4999,
            end_bytes: 5001,
            allowed: 5000..8192
        }
    );
    assert_eq!(
        first.read_at(4095, &mut [0; 2]).map_err(|error| error.errno()),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        last.write_at(0, &[0; 2]).map_err(|error| error.errno()),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        last.write_at(1, &[0]).map_err(|error| error.errno()),
        Err(Errno::EINVAL)
    );
    assert_eq!(machine.take_calls(), []);
    Ok(())
}

#[test]
fn offsets_that_wrap_are_an_overflow() -> TestResult {
    let (machine, buffer) = machine();
    let access = buffer.begin_cpu_access(.., Bidirectional)?;
    machine.take_calls();
    for page in 0..4 {
        let page = access.page_mut(page)?;
        let read = page.read_at(u64::MAX, &mut [0; 1]).expect_err("wraps");
        assert_eq!(read.errno(), Errno::EOVERFLOW);
        let write = page
            .write_at(u64::MAX - 4096 * page.index(), &[0; 2])
            .expect_err("wraps");
        assert_eq!(write.errno(), Errno::EOVERFLOW);
    }
    assert_eq!(machine.take_calls(), []);
    Ok(())
}

#[test]
fn empty_copies_do_nothing_within_the_covered_bytes() -> TestResult {
    let (machine, buffer) = machine();
    let access = buffer.begin_cpu_access(0..100, Bidirectional)?;
    machine.take_calls();
    let page = access.page_mut(0)?;
    page.read_at(100, &mut [])?;
    page.write_at(0, &[])?;
    assert!(page.read_at(101, &mut []).is_err());
    assert_eq!(machine.take_calls(), []);
    Ok(())
}

#[test]
fn the_direction_says_what_may_be_done() -> TestResult {
    let (machine, buffer) = machine();
    let reading = buffer.begin_cpu_access(.., FromDevice)?;
    let refused = reading.page_mut(0).expect_err("opened for reading");
    assert_eq!(refused.errno(), Errno::EACCES);
    assert!(
        refused
            .to_string()
            .contains("open it for ToDevice or Bidirectional"),
        "{refused}"
    );
    let writing = buffer.begin_cpu_access(.., ToDevice)?;
    let refused = writing
        .page(0)?
        .read_at(0, &mut [0])
        .expect_err("opened for writing");
    assert_eq!(refused.errno(), Errno::EACCES);
    machine.take_calls();
    let both = buffer.begin_cpu_access(.., Bidirectional)?;
    both.page_mut(0)?.write_at(0, &[1])?;
    let mut seen = [0];
    both.page(0)?.read_at(0, &mut seen)?;
    assert_eq!(seen, [0x5a]);
    Ok(())
}

#[test]
fn without_byte_access_there_are_no_pages() -> TestResult {
    let kind = Kind {
        has_ops: false,
        ..Kind::of(Coherency::Coherent)
    };
    let buffer = Machine::new(kind, 1).export();
    let access = buffer.begin_cpu_access(.., FromDevice)?;
    let error = access.page(0).map(drop).expect_err("no byte access");
    assert_eq!(error.errno(), Errno::EINVAL);
    assert!(matches!(error, CpuBytesError::Unsupported { .. }));
    Ok(())
}

#[test]
fn an_exporter_that_fails_panics_or_changes_its_mind_is_reported() -> TestResult {
    let (machine, buffer) = machine();
    let access = buffer.begin_cpu_access(.., FromDevice)?;
    let page = access.page(0)?;
    let errno = |place, act| {
        machine.on(place, act);
        let errno = page.read_at(0, &mut [0]).map_err(|error| error.errno());
        machine.obey(place);
        errno
    };
    assert_eq!(
        errno(Place::Bytes, Act::Refuse(Errno::ENODEV)),
        Err(Errno::ENODEV)
    );
    assert_eq!(errno(Place::Bytes, Act::Refuse(Errno::new(0))), Err(Errno::EIO));
    assert_eq!(errno(Place::Bytes, Act::Panic), Err(Errno::EIO));
    assert_eq!(errno(Place::BytesOps, Act::Panic), Err(Errno::EIO));
    assert_eq!(
        errno(Place::BytesOps, Act::Refuse(Errno::EIO)),
        Err(Errno::EIO),
        "no longer there"
    );
    machine.on(Place::BytesOps, Act::Panic);
    assert_eq!(
        access.page(0).map(drop).map_err(|error| error.errno()),
        Err(Errno::EIO)
    );
    machine.obey(Place::BytesOps);
    page.read_at(0, &mut [0])?;
    Ok(())
}
