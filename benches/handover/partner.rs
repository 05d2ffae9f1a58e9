//! The process on the other side.

use crate::{Link, Outcome, futex, socket, streams};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Tells a child which exchange it takes part in.
const ROLE: &str = "WHARF_BENCH_ROLE";

/// This process as the other side.
pub(crate) struct Partner {
    link: Box<dyn Link>,
}

impl Partner {
    /// What the environment asks this process to be, if anything.
    pub(crate) fn from_environment() -> Outcome<Option<Self>> {
        let Ok(role) = std::env::var(ROLE) else {
            return Ok(None);
        };
        pin_to_cpu(1)?;
        let mut input = std::io::stdin().lines();
        let mut line = || Ok::<String, Box<dyn std::error::Error>>(input.next().ok_or("no line")??);
        let link: Box<dyn Link> = match role.as_str() {
            "streams" => Box::new(streams::follow(&line()?, &line()?, line()?.parse()?)?),
            "futex" => Box::new(futex::follow(&line()?)?),
            "socket" => Box::new(socket::follow(&line()?, line()?.parse()?)?),
            role => return Err(format!("unknown role {role}").into()),
        };
        Ok(Some(Self { link }))
    }

    pub(crate) fn serve(mut self) -> Outcome<()> {
        while self.link.answer()? {}
        Ok(())
    }
}

/// A child process as the other side; ends with its link.
pub(crate) struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    pub(crate) fn start(role: &str) -> Outcome<Self> {
        let mut child = Command::new("/proc/self/exe")
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("child without stdin")?;
        let output = BufReader::new(child.stdout.take().ok_or("child without stdout")?);
        Ok(Self { child, input, output })
    }

    pub(crate) fn tell(&mut self, line: &str) -> Outcome<()> {
        Ok(writeln!(self.input, "{line}")?)
    }

    pub(crate) fn hear(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps this process on one processor; on a machine that lacks it, wherever it likes.
pub(crate) fn pin_to_cpu(cpu: usize) -> Outcome<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    match sched_setaffinity(None, &cpus) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
