//! Children that can be killed.
//!
//! A child runs this same test binary again, where a test of the given name takes over when it finds itself in a child.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SOCKET: &str = "WHARF_TEST_SOCKET";

/// The socket to use, if this process is a child.
pub fn socket() -> Option<PathBuf> {
    std::env::var_os(SOCKET).map(PathBuf::from)
}

/// Says a line to the parent. The prefix tells it from what the test harness prints.
pub fn tell(line: &str) {
    println!("\n>{line}");
    std::io::stdout().flush().unwrap();
}

/// The next line the parent says.
pub fn hear() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Waits to be killed, or until the parent is gone.
pub fn wait_for_the_end() {
    hear();
}

pub struct Actor {
    child: Child,
    output: BufReader<ChildStdout>,
    input: ChildStdin,
}

impl Actor {
    /// Starts a child in which the test called `role` takes over.
    pub fn start(role: &str, socket: &std::path::Path) -> Self {
        Self::start_under(&[], role, socket)
    }

    /// The same, started by another program that is given what to run as its last arguments.
    pub fn start_under(starter: &[&str], role: &str, socket: &std::path::Path) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut words = starter
            .iter()
            .map(std::ffi::OsStr::new)
            .chain([program.as_os_str()]);
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .args([role, "--exact", "--nocapture", "--test-threads=1"])
            .env(SOCKET, socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let input = child.stdin.take().unwrap();
        Self { child, output, input }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Says a line to the child.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The next line the child tells.
    pub fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.output.read_line(&mut line).unwrap(),
                0,
                "the child says no more"
            );
            if let Some(told) = line.strip_prefix('>') {
                return told.trim_end().to_owned();
            }
        }
    }

    /// Kills the child, and waits until it is dead.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
