//! The machine around the program.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::mount::MountFlags;
use rustix::process::{Resource, Rlimit};
use rustix::system::RebootCommand;

use crate::orders::Module;

/// File systems: type, place, options.
const FILE_SYSTEMS: [(&str, &str, &str); 6] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", ""),
    ("devpts", "/dev/pts", ""),
    ("tmpfs", "/dev/shm", "mode=1777"),
    ("debugfs", "/sys/kernel/debug", ""),
];

/// How long a port of the host may take to appear.
const PORT_WAIT: Duration = Duration::from_secs(20);

/// Descriptors that a process may ask for, as where systemd runs.
const MAX_DESCRIPTORS: u64 = 1 << 20;

/// Mounts what programs expect to be there.
pub(crate) fn mount_file_systems() -> io::Result<()> {
    for (kind, place, options) in FILE_SYSTEMS {
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{kind} at {place}: {error}"));
        fs::create_dir_all(place).map_err(failed)?;
        let options = CString::new(options)?;
        rustix::mount::mount(kind, place, kind, MountFlags::empty(), options.as_c_str())
            .map_err(|error| failed(error.into()))?;
    }
    // The program and its files may be in these, too, so nothing is mounted there.
    for place in ["/run", "/tmp", "/var/tmp"] {
        fs::create_dir_all(place)?;
        fs::set_permissions(place, fs::Permissions::from_mode(0o1777))?;
    }
    rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(1024),
            maximum: Some(MAX_DESCRIPTORS),
        },
    )?;
    Ok(())
}

/// Loads a module.
pub(crate) fn load(module: &Module) -> io::Result<()> {
    let failed = |error: io::Error| {
        let parameters = module.parameters.display();
        let path = module.path.display();
        io::Error::new(
            error.kind(),
            format!("cannot load {path} with parameters '{parameters}': {error}"),
        )
    };
    let file = File::open(&module.path).map_err(failed)?;
    let parameters = CString::new(module.parameters.as_bytes())?;
    rustix::system::finit_module(file, &parameters, 0).map_err(|error| failed(error.into()))
}

/// Opens the host's port of this name. Ports appear some time after the machine has started.
pub(crate) fn port(name: &str) -> io::Result<File> {
    let deadline = Instant::now() + PORT_WAIT;
    loop {
        if let Some(device) = port_device(name).filter(|device| device.exists()) {
            return OpenOptions::new().write(true).open(device);
        }
        if Instant::now() > deadline {
            let seconds = PORT_WAIT.as_secs();
            return Err(io::Error::other(format!(
                "no port '{name}' of the host after {seconds} seconds"
            )));
        }
        sleep(Duration::from_millis(2));
    }
}

fn port_device(name: &str) -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    ports.flatten().find_map(|port| {
        let found = fs::read_to_string(port.path().join("name")).ok()?;
        (found.trim_end() == name).then(|| Path::new("/dev").join(port.file_name()))
    })
}

/// Ends the machine: the host takes a restart for the end.
pub(crate) fn reboot() -> ! {
    let refused = rustix::system::reboot(RebootCommand::Restart);
    // The first process must not end: the kernel would panic, which is what the host then sees.
    panic!("the guest does not restart: {refused:?}");
}
