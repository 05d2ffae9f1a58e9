//! Bracketed CPU access.

use std::error::Error;
use std::ops::Bound;

use crate::recorder::{Behaviour, Call, Log, Recorder, Script, export};
use wharf_core::DataDirection::{Bidirectional, FromDevice, ToDevice};
use wharf_core::{CpuAccessError, Errno, Exporter, RangeError, Refusal};

type TestResult = Result<(), Box<dyn Error>>;

struct Plain;

impl Exporter for Plain {
    fn name(&self) -> &str {
        "plain"
    }
}

#[test]
fn the_exporter_hears_of_begin_and_end_with_the_same_arguments() -> TestResult {
    let log = Log::default();
    let buffer = export(Recorder::new(&log))?;
    let access = buffer.begin_cpu_access(100..200, FromDevice)?;
    assert_eq!(access.range(), 100..200);
    assert_eq!(access.direction(), FromDevice);
    assert_eq!(access.buffer(), &buffer);
    assert_eq!(log.calls(), [Call::Begin(100..200, FromDevice)]);
    access.end()?;
    assert_eq!(
        log.calls(),
        [Call::Begin(100..200, FromDevice), Call::End(100..200, FromDevice)]
    );
    Ok(())
}

#[test]
fn dropping_the_guard_ends_the_access_once() -> TestResult {
    let log = Log::default();
    let buffer = export(Recorder::new(&log))?;
    drop(buffer.begin_cpu_access(.., Bidirectional)?);
    assert_eq!(log.count(&Call::End(0..8192, Bidirectional)), 1);
    Ok(())
}

#[test]
fn exporters_need_no_access_methods() -> TestResult {
    let buffer = export(Plain)?;
    buffer.begin_cpu_access(.., ToDevice)?.end()?;
    Ok(())
}

#[test]
fn accesses_may_overlap_and_end_in_any_order() -> TestResult {
    let log = Log::default();
    let buffer = export(Recorder::new(&log))?;
    let first = buffer.begin_cpu_access(0..4096, FromDevice)?;
    let second = buffer.begin_cpu_access(0..8192, ToDevice)?;
    first.end()?;
    second.end()?;
    assert_eq!(log.calls().len(), 4);
    Ok(())
}

#[test]
fn ranges_outside_the_buffer_never_reach_the_exporter() -> TestResult {
    let log = Log::default();
    let buffer = export(Recorder::new(&log))?;
    let past_end = (Bound::Included(8192), Bound::Excluded(8193));
    let wrapping = (Bound::Included(1), Bound::Included(u64::MAX));
    let backwards = (Bound::Included(2), Bound::Excluded(1));
    let cases = [
        (
            past_end,
            RangeError::PastEnd {
                start_bytes: 8192,
                end_bytes: 8193,
                size_bytes: 8192,
            },
            Errno::EINVAL,
        ),
        (
            wrapping,
            RangeError::Overflow { size_bytes: 8192 },
            Errno::EOVERFLOW,
        ),
        (
            backwards,
            RangeError::Empty {
                start_bytes: 2,
                end_bytes: 1,
            },
            Errno::EINVAL,
        ),
    ];
    for (range, source, errno) in cases {
        let refused = buffer
            .begin_cpu_access(range, FromDevice)
            .map(drop)
            .expect_err("outside");
        assert_eq!(
            refused,
            CpuAccessError::Range {
                buffer: buffer.id(),
                source
            }
        );
        assert_eq!(refused.errno(), errno);
    }
    assert_eq!(log.calls(), []);
    Ok(())
}

#[test]
fn a_read_only_handle_reads_and_does_not_write() -> TestResult {
    let log = Log::default();
    let viewer = export(Recorder::new(&log))?.to_read_only();
    for direction in [ToDevice, Bidirectional] {
        let refused = viewer
            .begin_cpu_access(.., direction)
            .map(drop)
            .expect_err("read-only");
        assert_eq!(
            refused,
            CpuAccessError::ReadOnly {
                buffer: viewer.id(),
                direction
            }
        );
        assert_eq!(refused.errno(), Errno::EACCES);
    }
    assert_eq!(log.calls(), []);
    viewer.begin_cpu_access(.., FromDevice)?.end()?;
    Ok(())
}

#[test]
fn a_refused_begin_is_not_ended() -> TestResult {
    let log = Log::default();
    let refusal = Refusal::new(Errno::EBUSY, "device 3 still writes");
    let on_begin = Behaviour::Refuse(refusal);
    let buffer = export(Recorder::with(
        &log,
        Script {
            on_begin,
            ..Script::default()
        },
    ))?;
    let refused = buffer
        .begin_cpu_access(.., FromDevice)
        .map(drop)
        .expect_err("refused");
    assert_eq!(refused.errno(), Errno::EBUSY);
    assert!(
        refused
            .to_string()
            .contains("exporter 'recorder' refused: device 3 still writes"),
        "{refused}"
    );
    assert_eq!(log.calls(), [Call::Begin(0..8192, FromDevice)]);
    Ok(())
}

#[test]
fn a_failed_end_is_reported_and_not_repeated() -> TestResult {
    let log = Log::default();
    let on_end = Behaviour::Refuse(Refusal::new(Errno::EIO, "cache did not answer"));
    let buffer = export(Recorder::with(
        &log,
        Script {
            on_end,
            ..Script::default()
        },
    ))?;
    let failed = buffer
        .begin_cpu_access(.., ToDevice)?
        .end()
        .expect_err("the exporter failed");
    assert_eq!(failed.errno(), Errno::EIO);
    assert_eq!(log.count(&Call::End(0..8192, ToDevice)), 1);
    Ok(())
}
