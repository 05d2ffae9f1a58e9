//! The machine: QEMU, with the processor's help where there is some.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::child::{self, Passing};
use crate::guest::{Ending, Outcome};
use crate::trouble::Trouble;

/// How much of the kernel's log is told at most after a panic, in lines.
const MOST_LINES: usize = 120;
/// How much of it is told where nothing in it says where a panic begins, in lines.
const LOG_TAIL: usize = 40;
/// What the kernel's report of an error begins with. How long it gets depends on what the processor was at.
const BEGINNINGS: [&str; 3] = ["Kernel panic", "BUG:", "Oops:"];

/// The kernel's command line: an error in the kernel is a panic, and a panic ends the machine. Timers are not tried at the start, because on a busy machine an
/// emulated one comes too late for the kernel to believe in it.
const KERNEL_ARGUMENTS: &str =
    "console=ttyS0 quiet panic=-1 oops=panic no_timer_check tsc=reliable random.trust_cpu=on";

/// What the kernel need not do at its start, as nobody looks at signatures of modules, jitter, or TCP in BPF here. That is a second of an emulated
/// processor's time.
const NOT_STARTED: &str =
    "load_system_certificate_list,jent_mod_init,bpf_tcp_ca_kfunc_init,bpf_dummy_struct_ops_init";

/// A QEMU that can be started.
pub(crate) struct Machine {
    /// What runs QEMU, if not we ourselves.
    under: Vec<OsString>,
    accelerator: &'static str,
}

/// What the guest writes into files here.
pub(crate) struct SystemLog {
    /// The kernel's console.
    console: PathBuf,
    /// What the first process says of the program's end.
    status: PathBuf,
}

impl SystemLog {
    /// In this directory.
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self {
            console: directory.join("console"),
            status: directory.join("status"),
        }
    }
}

impl Machine {
    const QEMU: &str = "qemu-system-x86_64";

    /// Looks for QEMU.
    pub(crate) fn find() -> Result<Self, Trouble> {
        let asked = Command::new(Self::QEMU)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        match asked {
            Ok(status) if status.success() => Ok(Self {
                under: Vec::new(),
                accelerator: if has_hardware_help() {
                    "kvm"
                } else {
                    "tcg,thread=multi"
                },
            }),
            Ok(status) => Err(Trouble::Unavailable(format!(
                "{} does not start: {status}",
                Self::QEMU
            ))),
            Err(error) => Err(Trouble::Unavailable(format!(
                "there is no {} ({error}): scripts/setup installs Debian's package qemu-system-x86",
                Self::QEMU
            ))),
        }
    }

    /// With QEMU run by this command, if it is one.
    pub(crate) fn under(self, command: &[OsString]) -> Self {
        Self {
            under: command.to_vec(),
            ..self
        }
    }

    /// Starts the machine and waits for its end.
    pub(crate) fn run<O, E>(
        &self,
        log: &SystemLog,
        parts: &[OsString],
        kernel_arguments: &[String],
        time: Duration,
        stdout: O,
        stderr: E,
    ) -> Result<(Outcome, O, E), Trouble>
    where
        O: Write + Send + 'static,
        E: Write + Send + 'static,
    {
        let failed = |error| Trouble::failed("cannot start QEMU", error);
        let mut qemu = self
            .command(log, parts, kernel_arguments)
            .spawn()
            .map_err(failed)?;
        let stdout = Passing::start(qemu.stdout.take(), stdout);
        let stderr = Passing::start(qemu.stderr.take(), stderr);
        let status = child::wait(&mut qemu, time)?;
        let (stdout, stderr) = (stdout.finish()?, stderr.finish()?);
        Ok((judge(log, status, time)?, stdout, stderr))
    }

    fn command(&self, log: &SystemLog, parts: &[OsString], kernel_arguments: &[String]) -> Command {
        // The machine goes when we go, however that happens.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command.args(&self.under).arg(Self::QEMU);
        command.args(["-accel", self.accelerator, "-machine", "q35", "-cpu", "max"]);
        command.args(["-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"]);
        command.args(parts);
        let kernel_arguments = kernel_arguments.join(" ");
        command.arg("-append");
        command.arg(format!(
            "{KERNEL_ARGUMENTS} initcall_blacklist={NOT_STARTED} {kernel_arguments}"
        ));
        command
            .args(["-serial", "chardev:console", "-chardev"])
            .arg(file("console", &log.console));
        command.args(["-device", "virtio-serial-pci,max_ports=4"]);
        port(&mut command, "stdout", file("stdout", Path::new("/dev/stdout")));
        port(&mut command, "stderr", file("stderr", Path::new("/dev/stderr")));
        port(&mut command, "status", file("status", &log.status));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Whether the processor helps, and lets us: emulation of what it does is slower than emulation without it.
fn has_hardware_help() -> bool {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = processors
        .lines()
        .find(|line| line.starts_with("flags"))
        .unwrap_or_default();
    let helps = flags
        .split_whitespace()
        .any(|flag| flag == "vmx" || flag == "svm");
    helps && OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
}

/// A file as QEMU takes it; a comma in its name would end it.
fn file(id: &str, path: &Path) -> OsString {
    format!("file,id={id},path={}", path.to_string_lossy().replace(',', ",,")).into()
}

/// Adds a port of this name.
fn port(command: &mut Command, name: &str, leads_to: OsString) {
    command.arg("-chardev").arg(leads_to);
    command
        .arg("-device")
        .arg(format!("virtserialport,chardev={name},name={name}"));
}

/// What the files say of how it went.
fn judge(log: &SystemLog, qemu: Option<ExitStatus>, time: Duration) -> Result<Outcome, Trouble> {
    let status = fs::read_to_string(&log.status).unwrap_or_default();
    let mut skipped = Vec::new();
    let mut ending = None;
    for line in status.lines() {
        let number = |text: &str| {
            text.parse()
                .map_err(|_| Trouble::Failed(format!("the guest said '{line}'")))
        };
        match line.split_once(' ') {
            Some(("skip", reason)) => skipped.push(reason.to_owned()),
            Some(("exit", code)) => ending = Some(Ending::Exit(number(code)?)),
            Some(("signal", signal)) => ending = Some(Ending::Signal(number(signal)?)),
            Some(("failed", why)) => return Err(Trouble::failed("the guest cannot run the program", why)),
            _ => return Err(Trouble::Failed(format!("the guest said '{line}'"))),
        }
    }
    let ending = match (ending, qemu) {
        (Some(ending), _) => ending,
        (None, None) => Ending::Hang(time),
        (None, Some(status)) if status.success() => Ending::Panic(tail(&log.console)),
        (None, Some(status)) => {
            let log = tail(&log.console);
            return Err(Trouble::Failed(format!(
                "QEMU ended with {status}, the program had not; the kernel's log:\n{log}"
            )));
        }
    };
    Ok(Outcome { ending, skipped })
}

/// The end of the kernel's log.
fn tail(console: &Path) -> String {
    let log = fs::read(console).unwrap_or_default();
    end_of(&String::from_utf8_lossy(&log))
}

/// From where an error is reported, or the last lines.
fn end_of(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let is_beginning = |line: &&str| BEGINNINGS.iter().any(|beginning| line.contains(beginning));
    let from = lines.iter().position(is_beginning);
    let from = from.unwrap_or(lines.len().saturating_sub(LOG_TAIL));
    let told = lines.iter().skip(from).take(MOST_LINES);
    told.copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> String {
        "a line\n".repeat(count)
    }

    #[test]
    fn error_is_told_from_its_beginning_however_long() {
        let log = format!("{}[1.0] BUG: bad\n{}Kernel panic\n", lines(70), lines(80));
        let told = end_of(&log);
        assert!(told.starts_with("[1.0] BUG: bad\n") && told.ends_with("Kernel panic"));
        assert_eq!(end_of(&(log + &lines(300))).lines().count(), MOST_LINES);
    }

    #[test]
    fn last_lines_are_told_of_what_has_no_error() {
        assert_eq!(end_of(&lines(100)).lines().count(), LOG_TAIL);
        assert_eq!(end_of("one\ntwo\n"), "one\ntwo");
        assert_eq!(end_of(""), "");
    }
}
