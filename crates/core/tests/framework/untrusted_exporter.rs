//! Exporters that panic or lie harm nothing but their own buffers. Contract: B5.

use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use crate::recorder::{Behaviour, Call, Log, Recorder, Script, export};
use wharf_core::DataDirection::FromDevice;
use wharf_core::{CpuAccessError, Errno, ExportFault, Exporter, ExporterFault, Refusal, WeakDmaBuf};

type TestResult = Result<(), Box<dyn Error>>;

fn panicked(fault: CpuAccessError) -> Option<String> {
    match fault {
        CpuAccessError::Exporter {
            fault: ExporterFault::Panicked { message },
            ..
        } => Some(message),
        _ => None,
    }
}

#[test]
fn an_exporter_that_panics_in_its_name_is_refused_and_comes_back() {
    let log = Log::default();
    let exporter = Recorder::with(
        &log,
        Script {
            on_name: Behaviour::Panic,
            ..Script::default()
        },
    );
    let refused = export(exporter).expect_err("it panicked");
    assert!(
        matches!(refused.fault(), ExportFault::ExporterPanicked { message } if message.contains("panics"))
    );
    assert_eq!(refused.errno(), Errno::EIO);
    let exporter: Box<dyn Any> = refused.into_exporter();
    assert!(exporter.is::<Recorder>());
    assert_eq!(log.calls(), []);
}

#[test]
fn a_panic_in_begin_is_an_error_and_the_buffer_stays_usable() -> TestResult {
    let log = Log::default();
    let buffer = export(Recorder::with(
        &log,
        Script {
            on_begin: Behaviour::Panic,
            ..Script::default()
        },
    ))?;
    let error = buffer
        .begin_cpu_access(.., FromDevice)
        .map(drop)
        .expect_err("it panicked");
    assert_eq!(error.errno(), Errno::EIO);
    assert_eq!(panicked(error).as_deref(), Some("exporter of the test panics"));
    assert_eq!(buffer.size_bytes(), 8192);
    drop(buffer);
    assert_eq!(
        log.calls(),
        [Call::Begin(0..8192, FromDevice), Call::Release, Call::Drop]
    );
    Ok(())
}

#[test]
fn a_panic_in_end_is_an_error_and_end_is_not_called_again() -> TestResult {
    let log = Log::default();
    let buffer = export(Recorder::with(
        &log,
        Script {
            on_end: Behaviour::Panic,
            ..Script::default()
        },
    ))?;
    let error = buffer
        .begin_cpu_access(.., FromDevice)?
        .end()
        .expect_err("it panicked");
    assert!(panicked(error).is_some());
    drop(buffer.begin_cpu_access(.., FromDevice)?);
    assert_eq!(
        log.count(&Call::End(0..8192, FromDevice)),
        2,
        "one for each of two accesses"
    );
    Ok(())
}

#[test]
fn panics_in_release_and_drop_do_not_reach_the_holder() -> TestResult {
    let log = Log::default();
    let (on_release, on_drop) = (Behaviour::Panic, Behaviour::Panic);
    let buffer = export(Recorder::with(
        &log,
        Script {
            on_release,
            on_drop,
            ..Script::default()
        },
    ))?;
    drop(buffer);
    assert_eq!(log.calls(), [Call::Release, Call::Drop]);
    Ok(())
}

#[test]
fn a_panic_in_release_while_the_holder_unwinds_does_not_abort() -> TestResult {
    let log = Log::default();
    let buffer = export(Recorder::with(
        &log,
        Script {
            on_end: Behaviour::Panic,
            on_release: Behaviour::Panic,
            ..Script::default()
        },
    ))?;
    let access = buffer.begin_cpu_access(.., FromDevice)?;
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _both = (buffer, access);
        panic!("the holder panics");
    }));
    assert!(unwound.is_err());
    assert_eq!(log.count(&Call::Release), 1);
    assert_eq!(log.count(&Call::Drop), 1);
    Ok(())
}

#[test]
fn one_buffers_panicking_exporter_leaves_others_alone() -> TestResult {
    let bad = export(Recorder::with(
        &Log::default(),
        Script {
            on_begin: Behaviour::Panic,
            ..Script::default()
        },
    ))?;
    let good = export(Recorder::default())?;
    assert!(bad.begin_cpu_access(.., FromDevice).is_err());
    good.begin_cpu_access(.., FromDevice)?.end()?;
    Ok(())
}

#[test]
fn numbers_that_are_no_errors_become_eio() -> TestResult {
    for lie in [0, -22, 4096, i32::MIN, i32::MAX] {
        let on_begin = Behaviour::Refuse(Refusal::new(Errno::new(lie), "lies about its error"));
        let buffer = export(Recorder::with(
            &Log::default(),
            Script {
                on_begin,
                ..Script::default()
            },
        ))?;
        let error = buffer
            .begin_cpu_access(.., FromDevice)
            .map(drop)
            .expect_err("refused");
        assert_eq!(error.errno(), Errno::EIO, "{lie}");
        assert!(error.to_string().contains("lies about its error"), "{error}");
    }
    Ok(())
}

/// Tries to bring its own buffer back to life while it is being released.
#[derive(Default)]
struct Necromancer {
    myself: Arc<OnceLock<WeakDmaBuf>>,
    risen: Arc<OnceLock<bool>>,
}

impl Exporter for Necromancer {
    fn name(&self) -> &str {
        "necromancer"
    }

    fn release(&mut self) {
        let risen = self.myself.get().and_then(WeakDmaBuf::upgrade).is_some();
        let _ = self.risen.set(risen);
    }
}

#[test]
fn a_buffer_being_released_cannot_be_brought_back() -> TestResult {
    let exporter = Necromancer::default();
    let (myself, risen) = (Arc::clone(&exporter.myself), Arc::clone(&exporter.risen));
    let buffer = export(exporter)?;
    myself.set(buffer.downgrade()).map_err(|_| "set twice")?;
    drop(buffer);
    assert_eq!(risen.get(), Some(&false));
    Ok(())
}
