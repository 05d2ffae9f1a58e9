//! The process that answers the program's calls.
//!
//! One thread does nothing but answer. The other one waits for everything else: the program's end, buffers that were closed, fences
//! whose waiters are interrupted, and the guardian's death.

mod conclusion;
mod in_flight;
mod keeper;
mod program;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use wharf_broker::Embedded;
use wharf_protocol::transport::BlockingClient;

use crate::devices::{FileId, Object, Objects};
use crate::error::RunError;
use crate::files::Descriptors;
use crate::launch::{Channel, Device, Orders, Report};
use crate::listener::Listener;
use crate::memory::{Depot, Releases, Source};
use crate::options::Options;

pub(crate) use in_flight::InFlight;
pub(crate) use keeper::keep;
pub(crate) use program::{answer_in_a_thread, label, report};

/// Supervises a program until nothing of it is left. Returns the exit code.
pub(crate) fn run(guardian: Channel, in_flight: OwnedFd, orders: &Orders, program: &[OsString]) -> u8 {
    // Those of the terminal are for the program, which unblocks them when it is started.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    match program::start(&guardian, in_flight, orders, program) {
        Ok(running) => {
            running.attend(&guardian);
            0
        }
        Err(error) => {
            let code = error.exit_code();
            let _ = guardian.send(&Report::Failed(error.into()), &[]);
            code
        }
    }
}

/// The broker that memory comes from.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) socket: std::path::PathBuf,
    /// The run's own.
    _own: Option<Embedded>,
}

impl Broker {
    /// The one asked for; or the one where clients look, if it answers; or one of the run's own.
    pub(crate) fn find(options: &Options) -> Result<Self, RunError> {
        if let Some(socket) = &options.socket {
            return match BlockingClient::connect(socket, wharf::PATIENCE) {
                Ok(_) => Ok(Self {
                    socket: socket.clone(),
                    _own: None,
                }),
                Err(error) => Err(RunError::Setup {
                    errno: error.errno(),
                    reason: error.to_string(),
                }),
            };
        }
        let patience = std::time::Duration::from_millis(500);
        let expected = wharf::socket_path().ok();
        let answering = expected.filter(|path| BlockingClient::connect(path, patience).is_ok());
        if let Some(socket) = answering {
            return Ok(Self { socket, _own: None });
        }
        let own = Embedded::start().map_err(|error| RunError::Setup {
            errno: error.errno(),
            reason: format!("no broker answers, and none can be started here: {error}"),
        })?;
        Ok(Self {
            socket: own.socket_path().to_owned(),
            _own: Some(own),
        })
    }
}

/// What answers the calls of the programs behind `fd`.
pub(crate) fn listener(
    (fd, in_flight): (OwnedFd, InFlight),
    devices: Vec<(FileId, Device)>,
    (source, descriptors): (
        Source,
        impl FnOnce(&Arc<Objects>, &Arc<Releases>) -> Result<Descriptors, RunError>,
    ),
    inherits: bool,
) -> Result<Listener, RunError> {
    let failed = |errno| RunError::setup("prepare supervision", errno);
    let devices = devices.into_iter().map(|(id, device)| {
        let object = match device {
            Device::Heap(name) => Object::Heap(name.into()),
            Device::Udmabuf(exactness) => Object::Udmabuf(exactness),
            Device::SwSync => Object::SwSync,
            Device::Vgem => Object::Vgem,
        };
        (id, object)
    });
    let objects = Arc::new(Objects::new(devices).map_err(failed)?);
    let releases = Arc::new(Releases::new().map_err(failed)?);
    let descriptors = descriptors(&objects, &releases)?;
    let parts = (objects, Depot::new(source), releases, descriptors);
    Listener::new(Arc::new(fd), parts, Arc::new(in_flight), inherits).map_err(failed)
}
