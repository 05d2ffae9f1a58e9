//! What can go wrong with a child process.

use std::process::ExitStatus;
use std::time::Duration;

/// Why a child process gave no answer. Each brings what it wrote to stderr so far.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// It runs but says nothing.
    #[error("{name} said nothing for {patience:?}; its stderr: {stderr}")]
    Silent {
        /// Its name.
        name: String,
        /// How long it was listened to.
        patience: Duration,
        /// What it wrote to stderr.
        stderr: String,
    },
    /// It has ended.
    #[error("{name} ended ({}); its stderr: {stderr}", status.map_or("status unknown".to_owned(), |status| status.to_string()))]
    Ended {
        /// Its name.
        name: String,
        /// How it ended.
        status: Option<ExitStatus>,
        /// What it wrote to stderr.
        stderr: String,
    },
    /// The watchdog killed it.
    #[error("{name} was killed by the watchdog, its deadline had passed; its stderr: {stderr}")]
    Overdue {
        /// Its name.
        name: String,
        /// What it wrote to stderr.
        stderr: String,
    },
}
