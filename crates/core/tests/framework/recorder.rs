//! An exporter that records what it is asked and misbehaves on demand.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use wharf_core::{DataDirection, DmaBuf, ExportError, ExportInfo, Exporter, Refusal};

/// A call of the exporter, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Begin(Range<u64>, DataDirection),
    End(Range<u64>, DataDirection),
    Release,
    Drop,
}

/// What the exporter was asked so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Call>>>);

impl Log {
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self, wanted: &Call) -> usize {
        self.calls().iter().filter(|call| *call == wanted).count()
    }

    fn add(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

/// What the exporter does in one of its methods.
#[derive(Debug, Clone, Default)]
pub(crate) enum Behaviour {
    #[default]
    Obey,
    Refuse(Refusal),
    Panic,
}

impl Behaviour {
    fn act(&self) -> Result<(), Refusal> {
        match self {
            Self::Obey => Ok(()),
            Self::Refuse(refusal) => Err(refusal.clone()),
            Self::Panic => panic!("exporter of the test panics"),
        }
    }
}

/// Where the exporter misbehaves.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) on_name: Behaviour,
    pub(crate) on_begin: Behaviour,
    pub(crate) on_end: Behaviour,
    pub(crate) on_release: Behaviour,
    pub(crate) on_drop: Behaviour,
}

/// Records its calls and follows its script.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    log: Log,
    script: Script,
}

impl Recorder {
    pub(crate) fn new(log: &Log) -> Self {
        Self::with(log, Script::default())
    }

    pub(crate) fn with(log: &Log, script: Script) -> Self {
        Self {
            log: log.clone(),
            script,
        }
    }
}

impl Exporter for Recorder {
    fn name(&self) -> &str {
        let _ = self.script.on_name.act();
        "recorder"
    }

    fn begin_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        self.log.add(Call::Begin(range, direction));
        self.script.on_begin.act()
    }

    fn end_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        self.log.add(Call::End(range, direction));
        self.script.on_end.act()
    }

    fn release(&mut self) {
        self.log.add(Call::Release);
        let _ = self.script.on_release.act();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.log.add(Call::Drop);
        let _ = self.script.on_drop.act();
    }
}

/// Exports two pages of `exporter`.
pub(crate) fn export(exporter: impl Exporter) -> Result<DmaBuf, ExportError> {
    DmaBuf::export(ExportInfo::new(exporter, 8192))
}
