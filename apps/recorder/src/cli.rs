//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

pub use crate::needs::EncoderNeeds;
use crate::rate::FrameRate;
use crate::size::Size;

/// Exit code for a command line that makes no sense.
pub const USAGE_EXIT_CODE: u8 = 2;
/// What exit codes mean, for the help.
const EXIT_CODES: &str = "\
Exit code: 0 if all went well; 1 if something did not, also if recording was refused because the \
encoder and the others have no memory in common: the preview goes on then, and the report says \
why; 2 for a command line that makes no sense.";
/// How long the test card is shown if nothing is said.
const DEFAULT_SECONDS: u64 = 10;
/// Longest time that can be asked for, in seconds: about eleven days.
const MAX_SECONDS: u64 = 1_000_000;

/// Camera, viewer and encoder as separate processes on the same frames.
#[derive(Debug, Clone, PartialEq, Parser)]
#[command(name = "recorder", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// Show this YUV4MPEG2 file instead of the test card; - is standard input
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,

    /// Record to this MP4 file, which is replaced if it exists
    #[arg(long, value_name = "FILE", default_value = "recording.mp4")]
    pub output: PathBuf,

    /// Stop after this time [default: 10, or the end of --input]
    #[arg(long, value_name = "SECONDS", value_parser = parse_positive_seconds)]
    pub seconds: Option<Duration>,

    /// Start recording after this time
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_seconds)]
    pub record_after: Duration,

    /// Size of the test card in pixels [default: 1280x720]
    #[arg(long, value_name = "WIDTHxHEIGHT", conflicts_with = "input")]
    pub size: Option<Size>,

    /// Frames per second: a number or a fraction such as 30000/1001 [default: 30, or what --input says]
    #[arg(long, value_name = "RATE")]
    pub fps: Option<FrameRate>,

    /// Start no viewer
    #[arg(long)]
    pub no_view: bool,

    /// Start so many viewers, of which the first one draws
    #[arg(long, value_name = "COUNT", default_value = "1", conflicts_with = "no_view",
        value_parser = clap::value_parser!(u32).range(1..=16))]
    pub viewers: u32,

    /// Have viewers hold the memory of the frames in place, so that it cannot move when recording begins
    #[arg(long, conflicts_with = "no_view")]
    pub pin_viewer: bool,

    /// What the encoder needs of that memory: rows of whole macroblocks in chunks of 2 MiB, or a pixel format that the camera does
    /// not have
    #[arg(long, value_name = "NEEDS", default_value = "default", value_enum)]
    pub encoder_needs: EncoderNeeds,

    /// Have viewers compare every frame with the test card, to the last byte
    #[arg(long, conflicts_with_all = ["no_view", "input"])]
    pub verify: bool,

    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Where the pictures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The built-in test card.
    TestCard {
        /// Size of its pictures.
        size: Size,
    },
    /// A YUV4MPEG2 file.
    File(PathBuf),
    /// A YUV4MPEG2 stream on standard input.
    Stdin,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    /// Run.
    Run(Box<Cli>),
    /// Print this text and leave: help or version.
    Print(String),
}

/// A command line that makes no sense; one line that says why. The exit code for it is [`USAGE_EXIT_CODE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} (see --help)")]
pub struct UsageError(String);

impl Cli {
    /// Understands a command line; the first word is the program's name.
    ///
    /// # Errors
    ///
    /// [`UsageError`] if it makes no sense.
    pub fn understand(words: impl IntoIterator<Item = OsString>) -> Result<Request, UsageError> {
        match Self::try_parse_from(words) {
            Ok(cli) => Ok(Request::Run(Box::new(cli))),
            Err(error) if !error.use_stderr() => Ok(Request::Print(error.to_string())),
            Err(error) => Err(UsageError(one_line(&error.to_string()))),
        }
    }

    /// Where the pictures come from.
    #[must_use]
    pub fn source(&self) -> Input {
        match &self.input {
            None => Input::TestCard {
                size: self.size.unwrap_or_default(),
            },
            Some(path) if path.as_os_str() == "-" => Input::Stdin,
            Some(path) => Input::File(path.clone()),
        }
    }

    /// How long to run at most; `None` is until the input ends.
    #[must_use]
    pub fn time_limit(&self) -> Option<Duration> {
        match &self.input {
            None => Some(self.seconds.unwrap_or(Duration::from_secs(DEFAULT_SECONDS))),
            Some(_) => self.seconds,
        }
    }
}

/// What clap says in one line: without its prefix, its tips, and anything that would do something to a terminal.
fn one_line(message: &str) -> String {
    let paragraph = message.split("\n\n").next().unwrap_or_default().trim_end();
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    paragraph
        .trim_start_matches("error: ")
        .chars()
        .map(printable)
        .collect()
}

/// Parses a time such as `10` or `2.5`, in seconds.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text
        .parse::<f64>()
        .ok()
        .filter(|_| plain)
        .ok_or("it is not a number of seconds such as 10 or 2.5")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration <= Duration::from_secs(MAX_SECONDS) => Ok(duration),
        _ => Err(format!("it is more than the limit of {MAX_SECONDS} seconds")),
    }
}

fn parse_positive_seconds(text: &str) -> Result<Duration, String> {
    match parse_seconds(text)? {
        Duration::ZERO => Err("it must be more than zero seconds".to_owned()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understand(words: &[&str]) -> Result<Request, UsageError> {
        Cli::understand(["recorder"].iter().chain(words).map(OsString::from))
    }

    fn run(words: &[&str]) -> Cli {
        match understand(words) {
            Ok(Request::Run(cli)) => *cli,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn no_arguments_show_the_test_card_for_ten_seconds() {
        let cli = run(&[]);
        assert_eq!(
            cli.source(),
            Input::TestCard {
                size: Size::new(1280, 720).unwrap()
            }
        );
        assert_eq!(
            (cli.time_limit(), cli.record_after),
            (Some(Duration::from_secs(10)), Duration::from_secs(3))
        );
        assert_eq!(
            (cli.output.to_str(), cli.fps, cli.no_view, cli.json),
            (Some("recording.mp4"), None, false, false)
        );
    }

    #[test]
    fn every_option_is_taken() {
        let cli = run(&[
            "--size",
            "640x480",
            "--fps",
            "30000/1001",
            "--seconds",
            "2.5",
            "--record-after",
            "0",
            "--output",
            "x.mp4",
            "--no-view",
            "--encoder-needs",
            "impossible",
            "--json",
        ]);
        assert_eq!(
            cli.source(),
            Input::TestCard {
                size: Size::new(640, 480).unwrap()
            }
        );
        assert_eq!(
            (cli.fps, cli.time_limit()),
            (
                FrameRate::new(30_000, 1001).ok(),
                Some(Duration::from_millis(2500))
            )
        );
        assert_eq!(
            (cli.record_after, cli.output.to_str(), cli.no_view, cli.json),
            (Duration::ZERO, Some("x.mp4"), true, true)
        );
        assert_eq!(cli.encoder_needs, EncoderNeeds::Impossible);
        let cli = run(&["--pin-viewer", "--verify"]);
        assert!(cli.pin_viewer && cli.verify && cli.encoder_needs == EncoderNeeds::Default);
    }

    #[test]
    fn input_runs_to_its_end_unless_told_otherwise() {
        let cli = run(&["--input", "in.y4m"]);
        assert_eq!(
            (cli.source(), cli.time_limit()),
            (Input::File("in.y4m".into()), None)
        );
        let cli = run(&["--input", "-", "--seconds", "5"]);
        assert_eq!(
            (cli.source(), cli.time_limit()),
            (Input::Stdin, Some(Duration::from_secs(5)))
        );
    }

    #[test]
    fn senseless_command_lines_are_refused_in_one_line() {
        let cases = [
            (&["--size", "641x480"][..], "odd"),
            (&["--size", "0x480"], "zero"),
            (&["--size", "99999999999x2"], "too large"),
            (&["--size", "big\n\x1b[2J"], "WIDTHxHEIGHT"),
            (&["--size", "64x64", "--input", "-"], "--input"),
            (&["--fps", "0"], "zero"),
            (&["--fps", "30fps"], "frame rate"),
            (&["--seconds", "0"], "more than zero"),
            (&["--seconds", "-1"], "-1"),
            (&["--seconds", "1e3"], "not a number of seconds"),
            (&["--seconds", "nan"], "not a number of seconds"),
            (&["--record-after", "1000001"], "limit"),
            (&["--record-after", ""], "SECONDS"),
            (&["--colour"], "--colour"),
            (&["file.y4m"], "file.y4m"),
            (&["--output"], "--output"),
            (&["--viewers", "0"], "1..=16"),
            (&["--viewers", "2", "--no-view"], "--no-view"),
            (&["--pin-viewer", "--no-view"], "--no-view"),
            (&["--encoder-needs", "gold"], "impossible"),
            (&["--verify", "--input", "-"], "--input"),
        ];
        for (words, reason) in cases {
            let error = understand(words).unwrap_err().to_string();
            assert!(
                error.contains(reason) && !error.contains(char::is_control) && !error.starts_with("error"),
                "{words:?}: {error}"
            );
        }
    }

    #[test]
    fn help_and_version_are_printed() {
        for (word, part) in [
            ("--help", "--record-after"),
            ("--help", "Exit code"),
            ("--version", env!("CARGO_PKG_VERSION")),
        ] {
            assert!(matches!(understand(&[word]), Ok(Request::Print(text)) if text.contains(part)));
        }
    }

    #[test]
    fn definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
