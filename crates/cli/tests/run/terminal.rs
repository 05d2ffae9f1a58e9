//! At a terminal: keys that interrupt and stop.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::support::PATIENCE;
use wharf_testkit::skip;

/// A terminal whose program is `wharf run -- sh -c <script>`, in the foreground of a session of its own.
struct Terminal {
    keys: File,
    shown: Receiver<String>,
    text: String,
    child: Child,
}

impl Terminal {
    fn start(script: &str) -> Option<Self> {
        if Command::new("setsid").arg("--version").output().is_err() {
            skip("a session with a terminal takes setsid");
            return None;
        }
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let mut settings = tcgetattr(&keys).unwrap();
        // A key that interrupts is not to throw away what the program shows at that moment.
        settings.local_modes |= LocalModes::NOFLSH;
        tcsetattr(&keys, OptionalActions::Now, &settings).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        let end = || File::options().read(true).write(true).open(&path).unwrap();
        let mut command = Command::new("setsid");
        // Whoever runs the tests in the background ignores what keys send, and so would all started from there.
        command
            .args(["--ctty", "env", "--default-signal"])
            .arg(env!("CARGO_BIN_EXE_wharf"))
            .args(["run", "--", "sh", "-c", script]);
        crate::support::without_environment(&mut command);
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(keys);
        let shown = read(keys.try_clone().unwrap());
        Some(Self {
            keys,
            shown,
            text: String::new(),
            child,
        })
    }

    /// One whose program is `cat`, and no shell any more: shells catch an interrupt and forget it if they are about to start a program.
    fn running_cat() -> Option<Self> {
        let mut terminal = Self::start("exec cat")?;
        terminal.keys.write_all(b"ready\n").unwrap();
        // The terminal's echo, and what the program says.
        terminal.expect("ready\r\nready\r\n");
        Some(terminal)
    }

    fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).unwrap();
    }

    /// Waits until `text` has been shown.
    fn expect(&mut self, text: &str) {
        while !self.text.contains(text) {
            let more = self.shown.recv_timeout(PATIENCE);
            self.text += &more.unwrap_or_else(|_| panic!("no {text} in {}", self.text));
        }
    }

    /// Waits until it stops or ends.
    #[track_caller]
    fn wait(&self) -> rustix::process::WaitStatus {
        let pid = Pid::from_child(&self.child);
        let status = || {
            let changed = waitpid(Some(pid), WaitOptions::NOHANG | WaitOptions::UNTRACED).unwrap();
            changed.map(|(_, status)| status).ok_or("nothing happens")
        };
        wharf_testkit::eventually(PATIENCE, status).unwrap()
    }
}

impl Drop for Terminal {
    /// Ends what a failed test has left.
    fn drop(&mut self) {
        if let Ok(None) = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::NOHANG) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn read(mut terminal: File) -> Receiver<String> {
    let (sender, shown) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok(length @ 1..) = terminal.read(&mut bytes) {
            let _ = sender.send(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
    });
    shown
}

const INTERRUPT: u8 = 3;
const STOP: u8 = 26;

#[test]
fn interrupt_is_for_the_program() {
    let Some(mut terminal) =
        Terminal::start("trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.01; done")
    else {
        return;
    };
    terminal.expect("ready");
    terminal.press(INTERRUPT);
    terminal.expect("caught");
    assert_eq!(terminal.wait().exit_status(), Some(5));
}

#[test]
fn interrupt_ends_a_program_that_does_not_mind() {
    let Some(mut terminal) = Terminal::running_cat() else {
        return;
    };
    terminal.press(INTERRUPT);
    assert_eq!(terminal.wait().terminating_signal(), Some(2));
}

#[test]
fn stopping_stops_both_and_both_go_on() {
    let Some(mut terminal) =
        Terminal::start("echo ready; kill -STOP $$; echo on; test -t 0 && echo terminal; exit 4")
    else {
        return;
    };
    terminal.expect("ready");
    assert!(terminal.wait().stopped());
    rustix::process::kill_process(Pid::from_child(&terminal.child), rustix::process::Signal::CONT).unwrap();
    terminal.expect("on");
    terminal.expect("terminal");
    assert_eq!(terminal.wait().exit_status(), Some(4));
    let Some(mut terminal) = Terminal::running_cat() else {
        return;
    };
    terminal.press(STOP);
    // Nobody in this session could have it go on: the kernel then does not stop a whole group for a key.
    terminal.press(INTERRUPT);
    assert_eq!(terminal.wait().terminating_signal(), Some(2));
}
