//! One program in a machine of its own.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::build;
use crate::image::Image;
use crate::kernel::Kernel;
use crate::modules::{Plan, Wanted};
use crate::places;
use crate::qemu::{Machine, SystemLog};
use crate::trouble::Trouble;

/// Variables of the environment that the program in the guest gets, by how they begin.
const ENVIRONMENT: [&str; 3] = ["RUST_", "WHARF_", "CARGO_MANIFEST_"];

/// Where the guest's first process finds what to do.
const ORDERS: &str = "/guest";

/// How the program in the guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It ended with this code.
    Exit(u8),
    /// This signal ended it.
    Signal(u8),
    /// The guest's kernel ended instead: a panic, or an error in the kernel, which counts as one. The end of its log.
    Panic(String),
    /// Neither had ended after this time.
    Hang(Duration),
}

impl Ending {
    /// The exit code that stands for it: the program's own, 128 and the signal's number, 125 for a panic, 124 for a hang.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Exit(code) => *code,
            Self::Signal(number) => 128 | number,
            Self::Panic(_) => 125,
            Self::Hang(_) => 124,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How the program ended.
    pub ending: Ending,
    /// Checks that the program skipped, as it wrote them to `WHARF_SKIP_LOG` in the guest.
    pub skipped: Vec<String>,
}

/// What came of a run, and what the program printed.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub outcome: Outcome,
    /// All that it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// All that it wrote to its standard error, and what QEMU had to say.
    pub stderr: Vec<u8>,
}

/// A machine for one program: Debian's stock kernel, the program, and nothing else. Each run starts from the beginning.
///
/// The program is at the same path as here, starts in the same directory, and gets what of the environment begins with `RUST_`, `WHARF_` or
/// `CARGO_MANIFEST_`. It is root, reads nothing from its standard input, and has `/proc`, `/sys`, `/dev`, `/tmp` and debugfs. It must not need
/// libraries: [`build::program`] makes such programs. When it ends, its descendants are killed.
#[derive(Debug, Clone)]
pub struct Guest {
    modules: Vec<Wanted>,
    files: Vec<(PathBuf, PathBuf)>,
    kernel_arguments: Vec<String>,
    under: Vec<OsString>,
    qemu_arguments: Vec<OsString>,
    cpus: u32,
    memory_mib: u32,
    time: Duration,
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}

impl Guest {
    /// A machine with one CPU and 1024 MiB, and two minutes for the program.
    #[must_use]
    pub fn new() -> Self {
        Self {
            modules: Vec::new(),
            files: Vec::new(),
            kernel_arguments: Vec::new(),
            under: Vec::new(),
            qemu_arguments: Vec::new(),
            cpus: 1,
            memory_mib: 1024,
            time: Duration::from_secs(120),
        }
    }

    /// With a kernel module and those it depends on. Parameters as `modprobe` takes them, separated by spaces; for what is built into the kernel
    /// they get onto its command line.
    #[must_use]
    pub fn module(mut self, name: &str, parameters: &str) -> Self {
        self.modules.push(Wanted {
            name: name.to_owned(),
            parameters: parameters.to_owned(),
        });
        self
    }

    /// With a file or directory of this machine, at an absolute path in the guest.
    #[must_use]
    pub fn file(mut self, source: impl Into<PathBuf>, place: impl Into<PathBuf>) -> Self {
        self.files.push((source.into(), place.into()));
        self
    }

    /// With one more argument on the kernel's command line.
    #[must_use]
    pub fn kernel_argument(mut self, argument: &str) -> Self {
        self.kernel_arguments.push(argument.to_owned());
        self
    }

    /// With QEMU itself run by this command, whose last arguments are QEMU's.
    #[must_use]
    pub fn under(mut self, command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.under = command.into_iter().map(Into::into).collect();
        self
    }

    /// With more arguments of QEMU.
    #[must_use]
    pub fn qemu_arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.qemu_arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With so many CPUs.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// With so much memory, in MiB. What is in the machine is in its memory, too.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// With so much time until the machine is stopped, from its start.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Looks whether this machine can have a guest, and fetches the kernel if it is not there yet.
    ///
    /// # Blocking
    ///
    /// As long as fetching takes.
    ///
    /// # Errors
    ///
    /// [`Trouble::Unavailable`] where there is no QEMU or no kernel package to be had.
    pub fn check() -> Result<(), Trouble> {
        Machine::find()?;
        Kernel::fetch()?;
        Ok(())
    }

    /// Runs a program, whose output appears on standard output and standard error while it runs.
    ///
    /// # Blocking
    ///
    /// Until the program has ended, at most the guest's time; the first run on a machine fetches the kernel and builds the first process.
    ///
    /// # Errors
    ///
    /// [`Trouble::Unavailable`] where there is no QEMU or no kernel package to be had; [`Trouble::Failed`] for the rest: a file that cannot be read, a module
    /// that there is not or that cannot be loaded.
    pub fn run(&self, program: &Path, arguments: &[OsString]) -> Result<Outcome, Trouble> {
        let own = |fd: io::Result<_>| {
            fd.map(File::from)
                .map_err(|error| Trouble::failed("cannot pass output on", error))
        };
        let stdout = own(io::stdout().as_fd().try_clone_to_owned())?;
        let stderr = own(io::stderr().as_fd().try_clone_to_owned())?;
        Ok(self.run_into(program, arguments, stdout, stderr)?.0)
    }

    /// Runs a program and returns its output.
    ///
    /// # Blocking
    ///
    /// As [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn output(&self, program: &Path, arguments: &[OsString]) -> Result<Output, Trouble> {
        let (outcome, stdout, stderr) = self.run_into(program, arguments, Vec::new(), Vec::new())?;
        Ok(Output {
            outcome,
            stdout,
            stderr,
        })
    }

    fn run_into<O, E>(
        &self,
        program: &Path,
        arguments: &[OsString],
        stdout: O,
        stderr: E,
    ) -> Result<(Outcome, O, E), Trouble>
    where
        O: Write + Send + 'static,
        E: Write + Send + 'static,
    {
        let machine = Machine::find()?.under(&self.under);
        let kernel = Kernel::fetch()?;
        let init = build::program("guest-init", "guest-init")?;
        let plan = Plan::new(&kernel, &self.modules)?;
        let guest = places::guest()?;
        let run = tempfile::tempdir_in(&guest)
            .map_err(|error| Trouble::at("make a directory in", &guest, &error))?;
        let image = run.path().join("image");
        self.write_image(&image, &init, &plan, program, arguments)?;
        let kernel_arguments = plan
            .kernel_arguments
            .iter()
            .chain(&self.kernel_arguments)
            .cloned()
            .collect::<Vec<_>>();
        let parts = self.parts(kernel.image, image);
        let log = SystemLog::in_directory(run.path());
        machine.run(&log, &parts, &kernel_arguments, self.time, stdout, stderr)
    }

    /// What the machine is made of, as options of QEMU.
    fn parts(&self, kernel: PathBuf, image: PathBuf) -> Vec<OsString> {
        let parts: [OsString; 8] = [
            "-smp".into(),
            self.cpus.to_string().into(),
            "-m".into(),
            self.memory_mib.to_string().into(),
            "-kernel".into(),
            kernel.into(),
            "-initrd".into(),
            image.into(),
        ];
        parts.into_iter().chain(self.qemu_arguments.clone()).collect()
    }

    fn write_image(
        &self,
        path: &Path,
        init: &Path,
        plan: &Plan,
        program: &Path,
        arguments: &[OsString],
    ) -> Result<(), Trouble> {
        let failed = |error| Trouble::at("write", path, &error);
        let mut image = Image::new(BufWriter::new(File::create(path).map_err(failed)?));
        let orders = Path::new(ORDERS);
        image.add_from(init, Path::new("/init"))?;
        let program = program
            .canonicalize()
            .map_err(|error| Trouble::at("find", program, &error))?;
        image.add_from(&program, &program)?;
        for (source, place) in &self.files {
            image.add_from(source, place)?;
        }
        let mut modules = Vec::new();
        for module in &plan.load {
            let place = orders.join(&module.file);
            image.add(&place, &module.contents)?;
            modules.extend([place.into_os_string(), OsString::from(&module.parameters)]);
        }
        image.add_list(&orders.join("modules"), modules.iter().map(OsString::as_os_str))?;
        let all = std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
        image.add_list(&orders.join("arguments"), all)?;
        add_surroundings(&mut image)?;
        image.finish().map_err(failed)
    }
}

/// Adds what the program gets of its surroundings here: environment and directory.
fn add_surroundings<W: Write>(image: &mut Image<W>) -> Result<(), Trouble> {
    let orders = Path::new(ORDERS);
    let environment: Vec<_> = env::vars_os().filter(|(name, _)| is_passed(name)).collect();
    let pairs = environment
        .iter()
        .flat_map(|(name, value)| [name.as_os_str(), value.as_os_str()]);
    image.add_list(&orders.join("environment"), pairs)?;
    let directory =
        env::current_dir().map_err(|error| Trouble::failed("there is no current directory", error))?;
    image.add_list(&orders.join("directory"), [directory.as_os_str()])
}

/// Whether a variable of the environment is for the program in the guest.
fn is_passed(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| ENVIRONMENT.iter().any(|begin| name.starts_with(begin)))
}
