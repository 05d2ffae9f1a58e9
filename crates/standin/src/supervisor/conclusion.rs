//! What is told when the program has ended, in a run that checks coherency.

use std::io::Write;
use std::sync::Arc;

use crate::launch::Report;
use crate::listener::Listener;
use crate::options::Options;

/// Tells what is wrong with the program's brackets.
#[derive(Debug)]
pub(super) struct Conclusion {
    listener: Arc<Listener>,
    exit: Option<u8>,
}

impl Conclusion {
    pub(super) fn new(listener: &Arc<Listener>, options: &Options) -> Self {
        Self {
            listener: Arc::clone(listener),
            exit: options.coherency_exit,
        }
    }

    /// What is said of a program that ended so: the same, unless it ended well and something is wrong. That is told before.
    pub(super) fn of(&self, report: Report) -> Report {
        if matches!(report, Report::Stopped { .. }) {
            return report;
        }
        let Some(found) = self.listener.conclude() else {
            return report;
        };
        // Nobody is left to be told if stderr is gone.
        let _ = write!(std::io::stderr(), "{found}");
        match (report, self.exit) {
            (Report::Exited { code: 0 }, Some(code)) if found.has_errors() => {
                Report::Exited { code: code.into() }
            }
            (report, _) => report,
        }
    }
}
