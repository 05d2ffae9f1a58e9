//! Everything that is checked or started before the first child is.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use wharf::{SOCKET_ENV, Session};
use wharf_broker::Embedded;

use super::error::RunError;
use super::targets;
use crate::cli::{Cli, Input};
use crate::conductor::{Plan, Targets};
use crate::control::Source;
use crate::terminal::Screen;

/// What a run needs.
pub(super) struct Setup {
    pub(super) broker: Broker,
    pub(super) plan: Plan,
    pub(super) targets: Targets,
    pub(super) input: CameraInput,
}

/// The broker of a run.
#[derive(Debug)]
pub(super) enum Broker {
    /// In this process.
    Own(Embedded),
    /// The one that the user named.
    Running(PathBuf),
}

impl Broker {
    /// Finds or starts one.
    fn find() -> Result<Self, RunError> {
        match std::env::var_os(SOCKET_ENV).filter(|path| !path.is_empty()) {
            None => Ok(Self::Own(Embedded::start()?)),
            Some(path) => {
                let path = PathBuf::from(path);
                // Better now than from a child.
                Session::connect_to(&path, "recorder")?;
                Ok(Self::Running(path))
            }
        }
    }

    /// Where the children find it.
    pub(super) fn socket_path(&self) -> &Path {
        match self {
            Self::Own(broker) => broker.socket_path(),
            Self::Running(path) => path,
        }
    }
}

/// What the camera gets as its standard input.
#[derive(Debug)]
pub(super) enum CameraInput {
    /// Nothing.
    None,
    /// Ours.
    Ours,
    /// A file.
    File(File),
}

impl CameraInput {
    /// Opens what the command line names.
    fn open(input: &Input) -> Result<Self, RunError> {
        match input {
            Input::TestCard { .. } => Ok(Self::None),
            Input::Stdin if io::stdin().is_terminal() => Err(RunError::Usage(
                "--input - reads Y4M from standard input, which is a terminal: pipe something in",
            )),
            Input::Stdin => Ok(Self::Ours),
            Input::File(path) => match File::open(path) {
                Ok(file) => Ok(Self::File(file)),
                Err(source) => Err(RunError::Input {
                    path: path.clone(),
                    source,
                }),
            },
        }
    }

    /// The same file once more, to tell it apart from outputs.
    fn try_clone(&self) -> Option<File> {
        match self {
            Self::None => None,
            Self::Ours => io::stdin().as_fd().try_clone_to_owned().ok().map(File::from),
            Self::File(file) => file.try_clone().ok(),
        }
    }

    /// As the standard input of a process.
    pub(super) fn stdio(&self) -> io::Result<Stdio> {
        match self {
            Self::None => Ok(Stdio::null()),
            Self::Ours => Ok(Stdio::inherit()),
            Self::File(file) => Ok(file.try_clone()?.into()),
        }
    }

    /// Whether our own standard input is left for keys.
    pub(super) fn leaves_stdin(&self) -> bool {
        !matches!(self, Self::Ours)
    }
}

impl Setup {
    pub(super) fn new(cli: &Cli) -> Result<Self, RunError> {
        let source = cli.source();
        let input = CameraInput::open(&source)?;
        let mut targets = targets::Targets::new(cli.output.clone(), input.try_clone());
        targets.check()?;
        let broker = Broker::find()?;
        let viewers = if cli.no_view { 0 } else { cli.viewers };
        let plan = Plan {
            source: match source {
                Input::TestCard { size } => Source::TestCard(size),
                Input::File(_) | Input::Stdin => Source::Y4m,
            },
            rate: cli.fps,
            time_limit: cli.time_limit(),
            record_after: cli.record_after,
            viewers,
            draw: viewers > 0 && !cli.json && Screen::is_available(),
            pin_viewers: cli.pin_viewer,
            check: cli.verify,
            encoder_needs: cli.encoder_needs,
        };
        Ok(Self {
            broker,
            plan,
            targets: Box::new(move || targets.next().map_err(|error| error.to_string())),
            input,
        })
    }
}
