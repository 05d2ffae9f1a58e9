//! The file system: made, mounted nowhere, and tried.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use fuser::{Config, Session, SessionACL};
use rustix::fs::{MemfdFlags, Mode, OFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use rustix::process::{getegid, geteuid};
use wharf_core::PAGE_BYTES;

use super::Files;
use super::opener::Opener;
use super::pollers::Pollers;
use super::server::Server;
use crate::devices::{FileId, Objects};
use crate::error::RunError;
use crate::listener::waits::Waits;
use crate::memory::Releases;

/// What failed.
struct Failed {
    doing: &'static str,
    errno: Errno,
}

fn at(doing: &'static str) -> impl Fn(Errno) -> Failed {
    move |errno| Failed { doing, errno }
}

impl From<Failed> for RunError {
    fn from(Failed { doing, errno }: Failed) -> Self {
        let advice = match errno {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => {
                "load the module fuse; a container needs --device=/dev/fuse"
            }
            Errno::PERM | Errno::ACCESS => {
                "it takes root of the machine, with CAP_SYS_ADMIN outside of any user namespace"
            }
            Errno::OPNOTSUPP => "the kernel needs CONFIG_FUSE_PASSTHROUGH (Linux 6.9)",
            _ => "`wharf devices` tells what this machine has",
        };
        Self::Setup {
            reason: format!(
                "cannot make buffers files of a FUSE file system (--fd-kind fuse): {doing}: {errno}; {advice}; --fd-kind memfd \
                 needs none of this"
            ),
            errno,
        }
    }
}

/// Starts the file system. Nothing of it is seen anywhere, and it goes with this process.
///
/// # Errors
/// [`RunError::Setup`]: the machine lacks something, and what.
pub(super) fn start(objects: &Arc<Objects>, releases: &Arc<Releases>) -> Result<Arc<Files>, RunError> {
    Ok(try_to_start(objects, releases)?)
}

fn try_to_start(objects: &Arc<Objects>, releases: &Arc<Releases>) -> Result<Arc<Files>, Failed> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let connection = rustix::fs::open("/dev/fuse", flags, Mode::empty()).map_err(at("opening /dev/fuse"))?;
    let root = mount(&connection)?;
    let device = FileId::of(&root)
        .map_err(at("looking at the file system"))?
        .device;
    let opener = Opener::start(root).map_err(at("starting the thread that opens files"))?;
    let (table, waits) = (Arc::default(), Arc::<Waits>::default());
    let server = Server {
        objects: Arc::clone(objects),
        table: Arc::clone(&table),
        waits: Arc::clone(&waits),
        releases: Arc::clone(releases),
        pollers: Arc::new(Pollers::default()),
        handles: Arc::default(),
        device,
        opener: opener.thread,
    };
    serve(server, connection)?;
    let files = Arc::new(Files {
        table,
        waits,
        opener,
        device,
    });
    try_out(&files)?;
    Ok(files)
}

/// Makes a file system that is mounted nowhere; returns its root.
fn mount(connection: &OwnedFd) -> Result<OwnedFd, Failed> {
    let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC).map_err(at("fsopen"))?;
    let settings = [
        ("source", "wharf".to_owned()),
        ("fd", connection.as_raw_fd().to_string()),
        ("rootmode", "40000".to_owned()),
        ("user_id", geteuid().as_raw().to_string()),
        ("group_id", getegid().as_raw().to_string()),
    ];
    for (key, value) in settings {
        fsconfig_set_string(context.as_fd(), key, value).map_err(at("fsconfig"))?;
    }
    // Whoever got a descriptor may use it.
    fsconfig_set_flag(context.as_fd(), "allow_other").map_err(at("fsconfig"))?;
    fsconfig_create(context.as_fd()).map_err(at("making the file system"))?;
    let (flags, attributes) = (FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NOSUID);
    fsmount(context.as_fd(), flags, attributes).map_err(at("fsmount"))
}

/// Answers the kernel from now on.
fn serve(server: Server, connection: OwnedFd) -> Result<(), Failed> {
    let doing = "talking to the kernel";
    let failed = |error: std::io::Error| at(doing)(Errno::from_io_error(&error).unwrap_or(Errno::PROTO));
    let mut config = Config::default();
    config.acl = SessionACL::All;
    let session = Session::from_fd(server, connection, SessionACL::All, config).map_err(failed)?;
    // It ends with the process.
    session.spawn().map(drop).map_err(failed)
}

/// Opens a file as those of buffers are, which takes a privilege that nothing before this does.
fn try_out(files: &Arc<Files>) -> Result<(), Failed> {
    let failed = at("opening a file that passes through");
    let memory = memfd_create("wharf-trial", MemfdFlags::CLOEXEC).map_err(&failed)?;
    ftruncate(&memory, PAGE_BYTES).map_err(&failed)?;
    let shown = files.show(memory.as_fd(), PAGE_BYTES).map_err(&failed)?;
    shown.open(OFlags::RDWR).map(drop).map_err(&failed)
}
