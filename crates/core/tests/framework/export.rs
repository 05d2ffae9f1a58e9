//! Making buffers, and what handles say about them.

use std::collections::HashSet;
use std::error::Error;
use std::thread;

use crate::recorder::{Call, Log, Recorder, export};
use wharf_core::{AccessMode, BufferName, DmaBuf, Errno, ExportFault, ExportInfo, Exporter, NameError};

type TestResult = Result<(), Box<dyn Error>>;

struct Named(String);

impl Exporter for Named {
    fn name(&self) -> &str {
        &self.0
    }
}

fn export_sized(size_bytes: u64, log: &Log) -> Result<DmaBuf, wharf_core::ExportError> {
    DmaBuf::export(ExportInfo::new(Recorder::new(log), size_bytes))
}

#[test]
fn sizes_that_are_not_whole_pages_are_refused() {
    for size_bytes in [0, 1, 4095, 4097, u64::MAX] {
        let refused = export_sized(size_bytes, &Log::default()).expect_err("not page-granular");
        assert_eq!(
            refused.fault(),
            &ExportFault::Unaligned {
                size_bytes,
                page_bytes: 4096
            }
        );
        assert_eq!(refused.errno(), Errno::EINVAL);
    }
}

#[test]
fn sizes_above_the_reach_of_file_offsets_are_refused() {
    let largest = (1 << 63) - 4096;
    assert!(export_sized(largest, &Log::default()).is_ok());
    let refused = export_sized(1 << 63, &Log::default()).expect_err("too large");
    assert_eq!(
        refused.fault(),
        &ExportFault::TooLarge {
            size_bytes: 1 << 63,
            max_bytes: largest
        }
    );
    assert_eq!(refused.errno(), Errno::EOVERFLOW);
}

#[test]
fn a_refused_exporter_comes_back_unreleased() -> TestResult {
    let log = Log::default();
    let exporter = export_sized(5, &log)
        .expect_err("not page-granular")
        .into_exporter();
    assert_eq!(log.calls(), []);
    let buffer = DmaBuf::export(ExportInfo {
        access: AccessMode::ReadOnly,
        ..ExportInfo::from_box(exporter, 4096)
    })?;
    drop(buffer);
    assert_eq!(log.calls(), [Call::Release, Call::Drop]);
    Ok(())
}

#[test]
fn exporters_without_a_usable_name_are_refused() {
    let cases = [
        (
            String::new(),
            NameError::Length {
                len_bytes: 0,
                max_bytes: 31,
            },
        ),
        (
            "x".repeat(32),
            NameError::Length {
                len_bytes: 32,
                max_bytes: 31,
            },
        ),
        (
            "heap\n".to_owned(),
            NameError::Control {
                character: '\n',
                offset_bytes: 4,
            },
        ),
    ];
    for (name, expected) in cases {
        let refused = export(Named(name)).expect_err("unusable name");
        assert_eq!(refused.fault(), &ExportFault::ExporterName(expected));
        assert_eq!(refused.errno(), Errno::EINVAL);
    }
}

#[test]
fn the_exporter_is_found_by_its_type_only() -> TestResult {
    let buffer = export(Named("heap".to_owned()))?;
    assert_eq!(
        buffer.exporter::<Named>().map(|exporter| exporter.0.as_str()),
        Some("heap")
    );
    assert!(buffer.exporter::<Recorder>().is_none());
    assert_eq!(buffer.exporter_name(), "heap");
    Ok(())
}

#[test]
fn ids_are_unique_across_threads_and_never_used_again() -> TestResult {
    let mut seen = HashSet::new();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                let exports = (0..500).map(|_| export(Recorder::default()));
                exports
                    .map(|buffer| buffer.map(|buffer| buffer.id()))
                    .collect::<Result<Vec<_>, _>>()
            })
        })
        .collect();
    for worker in workers {
        for id in worker.join().map_err(|_| "a worker panicked")?? {
            assert!(seen.insert(id), "{id} was given twice");
        }
    }
    assert_eq!(seen.len(), 2000);
    Ok(())
}

#[test]
fn a_name_is_changed_for_all_handles() -> TestResult {
    let buffer = export(Recorder::default())?;
    let other = buffer.clone();
    assert_eq!(buffer.name(), None);
    buffer.set_name(Some(BufferName::new("preview")?));
    assert_eq!(other.name().as_ref().map(BufferName::as_str), Some("preview"));
    other.set_name(None);
    assert_eq!(buffer.name(), None);
    Ok(())
}

#[test]
fn handles_are_equal_if_they_mean_the_same_buffer() -> TestResult {
    let buffer = export(Recorder::default())?;
    let other = export(Recorder::default())?;
    assert_eq!(buffer, buffer.to_read_only());
    assert_ne!(buffer, other);
    Ok(())
}

#[test]
fn access_is_kept_by_clones_and_cannot_be_won_back() -> TestResult {
    let buffer = export(Recorder::default())?;
    let viewer = buffer.to_read_only();
    assert_eq!(buffer.access(), AccessMode::ReadWrite);
    assert_eq!(viewer.clone().access(), AccessMode::ReadOnly);
    let upgraded = viewer.downgrade().upgrade().ok_or("released")?;
    assert_eq!(upgraded.access(), AccessMode::ReadOnly);
    Ok(())
}
