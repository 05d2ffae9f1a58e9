//! The viewer's screen and keys, in a pseudo-terminal.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use support::ffmpeg;
use support::run::{Ended, PROGRAM, Recorder, Run};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// A run in a terminal of its own.
struct Terminal {
    run: Run,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: std::thread::JoinHandle<()>,
}

impl Terminal {
    /// Starts a run, after a command for the shell; `None` if there are no terminals here.
    fn start(before: &str, arguments: &[&str]) -> Option<Self> {
        Self::start_between(before, "", arguments)
    }

    /// Starts a run between two commands for the shell.
    fn start_between(before: &str, after: &str, arguments: &[&str]) -> Option<Self> {
        if Command::new("script").arg("--version").output().is_err() {
            wharf_testkit::skip("the recorder is not tested in a terminal: script is not installed");
            return None;
        }
        let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
        let program = format!("'{PROGRAM}' {}", quoted.join(" "));
        // A shell without work of its own makes way for the program: Ctrl-C would end it at once.
        let run = match after {
            "" => format!("exec {program}"),
            after => format!("{program}; code=$?; {after} exit $code"),
        };
        let command = format!("stty cols 100 rows 30; {before} {run}");
        let mut run = Recorder::through(&["script"], &["-qefc", &command, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .start();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut output, copy) = (run.child.stdout.take().unwrap(), Arc::clone(&shown));
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(1..) = output.read(&mut buffer).inspect(|&bytes| {
                copy.lock().unwrap().extend_from_slice(&buffer[..bytes]);
            }) {}
        });
        let keys = run.child.stdin.take().unwrap();
        Some(Self {
            run,
            keys,
            shown,
            reader,
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Forgets what was shown so far, and waits for a text to be shown.
    fn wait_for(&self, text: &str) {
        self.shown.lock().unwrap().clear();
        self.wait_to_see(text);
    }

    /// Waits until a text has been shown.
    fn wait_to_see(&self, text: &str) {
        self.run
            .eventually(text, |_| self.text().contains(text).then_some(()));
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end; returns everything that was shown since the last call of [`Self::wait_for`].
    fn end(self) -> (Ended, String) {
        self.end_with(Run::wait)
    }

    /// The same for a run whose director was killed.
    fn end_of_killed(self) -> (Ended, String) {
        self.end_with(Run::wait_and_leave_directories)
    }

    fn end_with(self, wait: impl FnOnce(Run) -> Ended) -> (Ended, String) {
        let ended = wait(self.run);
        drop(self.keys);
        self.reader.join().unwrap();
        let text = String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned();
        (ended, text)
    }
}

/// The end of what was shown, for people.
fn plain(text: &str) -> String {
    let pictureless = text.replace('▀', "");
    let end: Vec<char> = pictureless.chars().rev().take(1500).collect();
    end.into_iter().rev().flat_map(char::escape_debug).collect()
}

#[test]
fn keys_record_stop_and_quit() {
    let arguments = ["--size", "64x64", "--seconds", "600", "--record-after", "600"];
    let Some(mut terminal) = Terminal::start("", &arguments) else {
        return;
    };
    terminal.wait_for("not recording");
    terminal.press("r");
    terminal.wait_for("REC 0:01 recording.mp4");
    terminal.press("r");
    terminal.wait_for("not recording");
    terminal.press("\x1bOR\x1b[Ar");
    terminal.wait_for("REC 0:00 recording-2.mp4");
    terminal.press("q");
    let (ended, text) = terminal.end();
    assert!(ended.status.success(), "{}", plain(&text));
    assert_eq!(ended.files(), ["recording-2.mp4", "recording.mp4"]);
    let report = text
        .split(LEAVE)
        .nth(1)
        .unwrap_or_else(|| panic!("{}", plain(&text)));
    for part in [
        "frames   ",
        "file     recording.mp4: ",
        "file     recording-2.mp4: ",
    ] {
        assert!(report.contains(part), "{report}");
    }
    // The memory that suits the first recording suits the second; memory that it had to make do with is not worth keeping.
    if !report.contains("makes do") {
        assert_eq!(report.matches("moved    generation ").count(), 1, "{report}");
    }
    if ffmpeg::available() {
        for file in ended.files() {
            let (frames, complaints) = ffmpeg::count_frames(&ended.path(&file));
            assert!(
                frames > 0 && complaints.is_empty(),
                "{file}: {frames} {complaints}"
            );
        }
    }
}

#[test]
fn refusal_is_shown_while_the_preview_goes_on_and_whole_in_the_report() {
    let arguments = ["--size", "64x64", "--seconds", "600", "--record-after", "600"];
    let Some(mut terminal) = Terminal::start("", &[&arguments[..], &["--pin-viewer"]].concat()) else {
        return;
    };
    terminal.wait_for("not recording");
    terminal.press("r");
    // Shown again with every frame.
    for _ in 0..5 {
        terminal.wait_for(" ! the encoder is refused: not while others hold the memory");
    }
    terminal.press("q");
    let (ended, text) = terminal.end();
    assert_eq!(ended.status.code(), Some(1), "{}", plain(&text));
    let report = text
        .split(LEAVE)
        .nth(1)
        .unwrap_or_else(|| panic!("{}", plain(&text)));
    let says = |part: &str| assert_eq!(report.matches(part).count(), 1, "{part}: {report}");
    says("refused  the encoder (process ");
    says("file     nothing was recorded");
    says("problem  the encoder is refused: not while others hold the memory: ");
    says("recorder: the encoder is refused: not while others hold the memory: ");
    assert!(ended.files().is_empty());
}

#[test]
fn picture_is_drawn_in_true_color() {
    let arguments = ["--size", "64x64", "--seconds", "1", "--record-after", "9"];
    let Some(terminal) = Terminal::start("", &arguments) else {
        return;
    };
    let (ended, text) = terminal.end();
    assert!(ended.status.success(), "{}", plain(&text));
    assert!(text.contains(ENTER) && text.contains("▀") && text.contains("\x1b[38;2;191;191;191m"));
    assert_eq!(text.matches(LEAVE).count(), 1);
    assert!(
        text.split(LEAVE)
            .nth(1)
            .unwrap()
            .contains("file     nothing was recorded")
    );
}

#[test]
fn control_c_ends_the_run_in_order() {
    let arguments = ["--size", "64x64", "--seconds", "600", "--record-after", "0"];
    for no_view in [false, true] {
        let arguments = [&arguments[..], if no_view { &["--no-view"] } else { &[] }].concat();
        let Some(mut terminal) = Terminal::start("", &arguments) else {
            return;
        };
        terminal.run.wait_for_bytes("recording.mp4", 0);
        terminal.press("\x03");
        let (ended, text) = terminal.end();
        assert!(
            ended.status.success() && text.contains("file     recording.mp4"),
            "{text}"
        );
    }
}

#[test]
fn terminal_of_a_killed_viewer_is_restored() {
    let arguments = ["--size", "64x64", "--seconds", "2", "--record-after", "0"];
    let Some(terminal) = Terminal::start("stty -echo icanon;", &arguments) else {
        return;
    };
    terminal.wait_for("REC");
    terminal.run.signal("viewer", Signal::KILL);
    let (ended, text) = terminal.end();
    assert_eq!(ended.status.code(), Some(1));
    let after = text
        .split(LEAVE)
        .nth(1)
        .unwrap_or_else(|| panic!("{}", plain(&text)));
    assert!(
        after.contains("was killed by SIGKILL; the run goes on, Ctrl-C ends it"),
        "{after}"
    );
    assert!(after.contains("problem  the viewer (process "), "{after}");
}

#[test]
fn terminal_of_a_killed_director_is_restored_by_the_viewer() {
    let arguments = ["--size", "64x64", "--seconds", "600", "--record-after", "0"];
    // The shell keeps the terminal until it gets a line.
    let Some(mut terminal) = Terminal::start_between("", "read line;", &arguments) else {
        return;
    };
    terminal.wait_for("REC");
    terminal.run.signal_program(Signal::KILL);
    terminal.wait_to_see(LEAVE);
    terminal.press("\n");
    let (ended, _) = terminal.end_of_killed();
    assert_eq!(ended.status.code(), Some(128 + 9));
}

#[test]
fn settings_of_the_terminal_are_the_same_after_the_run() {
    let arguments = ["--size", "64x64", "--seconds", "0.5", "--record-after", "9"];
    let (before, after) = ("stty -a > before;", "stty -a > after;");
    let Some(terminal) = Terminal::start_between(before, after, &arguments) else {
        return;
    };
    let (ended, _) = terminal.end();
    let settings = ["before", "after"].map(|name| std::fs::read_to_string(ended.path(name)).unwrap());
    assert_eq!(settings[0], settings[1]);
}

#[test]
fn nothing_is_drawn_where_that_makes_no_sense() {
    let arguments = ["--size", "64x64", "--seconds", "0.5", "--record-after", "9"];
    let [json, none]: [&[&str]; 2] = [&["--json"], &[]];
    for (before, more) in [("", json), ("TERM=dumb", none), ("stty rows 0 cols 0;", none)] {
        let Some(terminal) = Terminal::start(before, &[&arguments[..], more].concat()) else {
            return;
        };
        let (ended, text) = terminal.end();
        assert!(
            ended.status.success() && !text.contains('\x1b'),
            "{}",
            plain(&text)
        );
    }
}

#[test]
fn closed_terminal_ends_the_run_in_order() {
    let arguments = ["--size", "64x64", "--seconds", "600", "--record-after", "0"];
    let Some(terminal) = Terminal::start("", &arguments) else {
        return;
    };
    terminal.wait_for("REC");
    // The master of the terminal dies: everyone in it gets a hang-up.
    terminal.run.signal_director(Signal::KILL);
    let ended = terminal.run.wait();
    if ffmpeg::available() {
        let (frames, complaints) = ffmpeg::count_frames(&ended.path("recording.mp4"));
        assert!(frames > 0 && complaints.is_empty(), "{frames} {complaints}");
    }
}

#[test]
fn terminal_is_no_input() {
    let Some(terminal) = Terminal::start("", &["--input", "-"]) else {
        return;
    };
    let (ended, text) = terminal.end();
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        text.contains("which is a terminal: pipe something in"),
        "{}",
        plain(&text)
    );
}
