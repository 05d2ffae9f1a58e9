//! What may be mapped: bounds, access, redirection. Contracts: C1, C6.

use std::error::Error;

use wharf_core::AccessMode::{ReadOnly, ReadWrite};
use wharf_core::{Coherency, Errno, FaultKind, PageRun, UserMappingError};

use crate::machine::{Call, Kind, Machine};

type TestResult = Result<(), Box<dyn Error>>;

fn run(mapping_page: u64, buffer_page: u64, page_count: u64) -> PageRun {
    PageRun {
        mapping_page,
        buffer_page,
        page_count,
    }
}

#[test]
fn a_whole_a_part_several_and_overlapping_mappings_are_possible() -> TestResult {
    let machine = Machine::new(Kind::of(Coherency::Coherent), 4);
    let buffer = machine.export();
    let whole = machine.map(&buffer, 0, 4)?;
    let part = machine.map(&buffer, 3, 1)?;
    let overlapping = machine.map(&buffer, 1, 3)?;
    assert_eq!(
        (whole.pages(), part.pages(), overlapping.pages()),
        (0..4, 3..4, 1..4)
    );
    assert_eq!(
        machine.present(2),
        [(0, ReadWrite), (1, ReadWrite), (2, ReadWrite)]
    );
    machine.take_calls();
    part.unmap()?;
    assert_eq!(
        machine.take_calls(),
        [Call::Remove(1, run(0, 3, 1)), Call::DropTable(1)]
    );
    drop(buffer);
    drop(whole);
    assert_eq!(machine.present(2).len(), 3, "others' ends do not matter");
    machine.take_calls();
    drop(overlapping);
    assert_eq!(
        machine.take_calls(),
        [Call::Remove(2, run(0, 1, 3)), Call::DropTable(2), Call::Release]
    );
    Ok(())
}

#[test]
fn the_exporter_agrees_and_the_whole_mapping_is_inserted_at_once() -> TestResult {
    for declared in [Coherency::Coherent, Coherency::Explicit] {
        let machine = Machine::new(Kind::of(declared), 4);
        let buffer = machine.export();
        let mapping = buffer.map_user(machine.area(1, 2, ReadOnly))?;
        assert_eq!(mapping.coherency(), declared);
        assert_eq!(
            mapping.coherency().needs_brackets(),
            declared == Coherency::Explicit
        );
        assert_eq!(
            machine.take_calls(),
            [
                Call::Allow(1..3, ReadOnly),
                Call::Insert(0, run(0, 1, 2), ReadOnly, declared)
            ]
        );
        mapping.fault(1, FaultKind::Read)?;
        assert_eq!(machine.take_calls(), [], "its pages are there");
    }
    Ok(())
}

// Mirrors dma_buf_mmap and dma_buf_mmap_internal (drivers/dma-buf/dma-buf.c, v6.12), and the IGT test prime_mmap, errors.
#[test]
fn areas_past_the_end_empty_or_wrapping_are_refused_and_come_back() {
    let (max, pages) = (u64::MAX, 4);
    let cases = [
        (0, 0, Errno::EINVAL),
        (max, 0, Errno::EINVAL),
        (0, 5, Errno::EINVAL),
        (2, 4, Errno::EINVAL),
        (3, 2, Errno::EINVAL),
        // The second range ends at twice the size.
        (4, 5, Errno::EINVAL),
        (7, 2, Errno::EINVAL),
        (8, 1, Errno::EINVAL),
        (max - 1, 1, Errno::EINVAL),
        (max, 1, Errno::EOVERFLOW),
        (1, max, Errno::EOVERFLOW),
        (0, max, Errno::EINVAL),
        (max, max, Errno::EOVERFLOW),
        (max / 2 + 1, max / 2 + 1, Errno::EOVERFLOW),
    ];
    let machine = Machine::new(Kind::of(Coherency::Coherent), pages);
    let buffer = machine.export();
    for (first_page, page_count, errno) in cases {
        let refused = machine
            .map(&buffer, first_page, page_count)
            .map(drop)
            .expect_err("outside");
        assert_eq!(refused.errno(), errno, "{first_page} {page_count}");
        let area = refused.into_area();
        assert_eq!((area.first_page, area.page_count), (first_page, page_count));
    }
    let calls = machine.take_calls();
    assert!(
        calls.iter().all(|call| matches!(call, Call::DropTable(_))),
        "{calls:?}"
    );
}

#[test]
fn the_largest_buffer_has_a_last_page_and_none_after_it() -> TestResult {
    let machine = Machine::new(Kind::of(Coherency::FaultTracked), 1);
    let size_bytes = (u64::MAX >> 1) / 4096 * 4096;
    let buffer = wharf_core::DmaBuf::export(wharf_core::ExportInfo::new(machine.clone(), size_bytes))?;
    let pages = size_bytes / 4096;
    let last = machine.map(&buffer, 2 * pages - 1, 1)?;
    last.fault(0, FaultKind::Read)?;
    assert_eq!(last.pages(), pages - 1..pages);
    assert!(machine.map(&buffer, 2 * pages, 1).is_err());
    let whole = machine.map(&buffer, 0, pages)?;
    whole.fault(pages - 1, FaultKind::Write)?;
    machine.take_calls();
    buffer.shoot_down_user_mappings(size_bytes - 1..)?;
    let removed = [
        Call::Remove(0, run(0, pages - 1, 1)),
        Call::Remove(2, run(pages - 1, pages - 1, 1)),
    ];
    assert_eq!(machine.take_calls()[..2], removed);
    Ok(())
}

#[test]
fn a_touch_outside_the_mapping_is_an_error_and_no_signal() -> TestResult {
    for declared in [Coherency::Coherent, Coherency::FaultTracked, Coherency::Explicit] {
        let machine = Machine::new(Kind::of(declared), 4);
        let buffer = machine.export();
        let mapping = machine.map(&buffer, 1, 2)?;
        machine.take_calls();
        for page in [2, 3, u64::MAX] {
            let error = mapping.fault(page, FaultKind::Read).expect_err("outside");
            assert_eq!(error.errno(), Errno::EINVAL);
            let expected = UserMappingError::NoSuchPage {
                buffer: buffer.id(),
                page,
                page_count: 2,
            };
            assert_eq!(error, expected);
        }
        assert_eq!(machine.take_calls(), []);
    }
    Ok(())
}

#[test]
fn a_read_only_handle_gives_no_writable_mapping_now_or_later() -> TestResult {
    for declared in [Coherency::Coherent, Coherency::FaultTracked, Coherency::Explicit] {
        let machine = Machine::new(Kind::of(declared), 2);
        let viewer = machine.export().to_read_only();
        let refused = machine.map(&viewer, 0, 1).map(drop).expect_err("read-only");
        assert_eq!(refused.errno(), Errno::EACCES);
        let mapping = viewer.map_user(machine.area(0, 2, ReadOnly))?;
        machine.take_calls();
        assert_eq!(
            mapping.protect(ReadWrite).map_err(|error| error.errno()),
            Err(Errno::EACCES)
        );
        assert_eq!(mapping.access(), ReadOnly);
        let written = mapping.fault(0, FaultKind::Write).expect_err("read-only");
        assert_eq!(written.errno(), Errno::EACCES);
        assert!(matches!(written, UserMappingError::NotWritable { page: 0, .. }));
        assert_eq!(machine.take_calls(), []);
    }
    Ok(())
}

#[test]
fn a_writable_handle_lets_a_mapping_change_its_access() -> TestResult {
    let machine = Machine::new(Kind::of(Coherency::Coherent), 2);
    let buffer = machine.export();
    let mapping = buffer.map_user(machine.area(0, 2, ReadOnly))?;
    mapping.protect(ReadWrite)?;
    assert_eq!(mapping.access(), ReadWrite);
    assert_eq!(machine.present(0), [(0, ReadWrite), (1, ReadWrite)]);
    mapping.protect(ReadOnly)?;
    assert_eq!(machine.present(0), [(0, ReadOnly), (1, ReadOnly)]);
    assert!(mapping.fault(0, FaultKind::Write).is_err());
    Ok(())
}

#[test]
fn without_user_mappings_it_is_einval() {
    let kind = Kind {
        has_ops: false,
        ..Kind::of(Coherency::Coherent)
    };
    let machine = Machine::new(kind, 2);
    let refused = machine
        .map(&machine.export(), 0, 1)
        .map(drop)
        .expect_err("no mmap");
    assert_eq!(refused.errno(), Errno::EINVAL);
    assert!(matches!(refused.error(), UserMappingError::Unsupported { .. }));
}

#[test]
fn an_importer_redirects_its_own_mapping() -> TestResult {
    let machine = Machine::new(Kind::of(Coherency::FaultTracked), 4);
    let buffer = machine.export();
    let mapping = buffer.redirect_user_mapping(machine.area(0x10_0000, 2, ReadWrite), 2)?;
    drop(buffer);
    assert_eq!(mapping.pages(), 2..4);
    machine.write(&mapping, 0, 1, 7)?;
    mapping.buffer().shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [0, 0, 0, 7]);
    assert_eq!(machine.present(0), [], "faults and take-overs are the buffer's");
    Ok(())
}

#[test]
fn a_failed_redirection_gives_the_importers_area_back_as_it_was() {
    let machine = Machine::new(Kind::of(Coherency::Coherent), 4);
    let buffer = machine.export();
    for (first_page, errno) in [(u64::MAX, Errno::EOVERFLOW), (3, Errno::EINVAL)] {
        let area = machine.area(0x10_0000, 2, ReadOnly);
        let refused = buffer
            .redirect_user_mapping(area, first_page)
            .map(drop)
            .expect_err("outside");
        assert_eq!(refused.errno(), errno);
        assert_eq!(refused.into_area().first_page, 0x10_0000);
    }
    // DIFFERENCE: the kernel lets the importer's own file decide.
    let area = machine.area(0, 1, ReadWrite);
    let refused = buffer
        .to_read_only()
        .redirect_user_mapping(area, 0)
        .map(drop)
        .expect_err("read-only");
    assert_eq!(refused.errno(), Errno::EACCES);
}
