//! Processes with an end, and their output.

use std::io::{self, Read, Write};
use std::process::{Child, ExitStatus};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::trouble::Trouble;

/// What passes the output of a process on.
pub(crate) struct Passing<W>(JoinHandle<W>);

impl<W: Write + Send + 'static> Passing<W> {
    /// Passes on what comes as it comes.
    pub(crate) fn start(from: Option<impl Read + Send + 'static>, mut to: W) -> Self {
        Self(thread::spawn(move || {
            if let Some(mut from) = from {
                // If nobody takes it any more, the process must not wait for that.
                if io::copy(&mut from, &mut to).is_err() {
                    let _ = io::copy(&mut from, &mut io::sink());
                }
            }
            to
        }))
    }

    /// Waits until all is passed on, and returns to where.
    pub(crate) fn finish(self) -> Result<W, Trouble> {
        self.0
            .join()
            .map_err(|_| Trouble::Failed("whoever passes output on panicked".into()))
    }
}

/// Waits for a process's end, or kills it when its time is over: `None`.
pub(crate) fn wait(child: &mut Child, time: Duration) -> Result<Option<ExitStatus>, Trouble> {
    let failed = |error| Trouble::failed("cannot wait for a process", error);
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().map_err(failed)?;
    child.wait().map_err(failed)?;
    Ok(None)
}
