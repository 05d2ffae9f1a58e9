//! The `ffmpeg` and `ffprobe` programs as independent judges.

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether both programs are there. If not, prints why the calling test is skipped.
pub(crate) fn available() -> bool {
    for program in ["ffmpeg", "ffprobe"] {
        let status = Command::new(program)
            .arg("-version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            wharf_testkit::skip(&format!(
                "the recorder's files are not checked: {program} is not installed"
            ));
            return false;
        }
    }
    true
}

/// Runs a program of the two; returns its standard output and standard error.
pub(crate) fn run(program: &str, arguments: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    (output.stdout, errors)
}

/// A source such as `testsrc2=size=320x240:rate=30`, written as Y4M with a pixel format such as `yuv420p`.
pub(crate) fn y4m(source: &str, frames: usize, pixel_format: &str) -> Vec<u8> {
    let frames = frames.to_string();
    let arguments = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        source,
        "-frames:v",
        &frames,
        "-pix_fmt",
        pixel_format,
    ];
    run(
        "ffmpeg",
        &[&arguments[..], &["-strict", "-1", "-f", "yuv4mpegpipe", "-"]].concat(),
    )
    .0
}

/// How many frames `ffprobe` decodes from a file, and what it complains about.
pub(crate) fn count_frames(path: &Path) -> (u64, String) {
    let (counted, errors) = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-count_frames",
            "-select_streams",
            "v:0",
            "-show_entries",
            "stream=nb_read_frames",
            "-of",
            "csv=p=0",
            path.to_str().unwrap(),
        ],
    );
    // A file without any frame has "N/A".
    (
        String::from_utf8(counted).unwrap().trim().parse().unwrap_or(0),
        errors,
    )
}

/// Decodes a file to I420 pictures, one after the other, each exactly once.
pub(crate) fn decode(path: &Path) -> Vec<u8> {
    let arguments = [
        "-v",
        "error",
        "-i",
        path.to_str().unwrap(),
        "-fps_mode",
        "passthrough",
    ];
    run(
        "ffmpeg",
        &[&arguments[..], &["-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]].concat(),
    )
    .0
}

/// Presentation times of a file's frames in seconds.
pub(crate) fn frame_times(path: &Path) -> Vec<f64> {
    let (times, _) = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            "frame=pts_time",
            "-of",
            "csv=p=0",
            path.to_str().unwrap(),
        ],
    );
    // Some versions end the line with a comma.
    String::from_utf8(times)
        .unwrap()
        .lines()
        .map(|line| line.trim_end_matches(',').parse().unwrap())
        .collect()
}

/// PSNR over all planes of frame `index`, in dB, as the `psnr` filter sees it: the least of all frames and
/// the mean.
pub(crate) fn psnr(recorded: &Path, original: &Path) -> (f64, f64) {
    let graph = "[0:v]settb=1/30,setpts=N[a];[1:v]settb=1/30,setpts=N[b];[a][b]psnr=stats_file=-";
    let (stats, errors) = run(
        "ffmpeg",
        &[
            "-i",
            recorded.to_str().unwrap(),
            "-i",
            original.to_str().unwrap(),
            "-lavfi",
            graph,
            "-f",
            "null",
            "-",
        ],
    );
    let field = |line: &str, name: &str| -> f64 {
        let value = line
            .split(name)
            .nth(1)
            .unwrap_or_else(|| panic!("no {name} in {line}"));
        value.split_whitespace().next().unwrap().parse().unwrap()
    };
    let stats = String::from_utf8(stats).unwrap();
    let least = stats
        .lines()
        .map(|line| field(line, "psnr_avg:"))
        .fold(f64::INFINITY, f64::min);
    let summary = errors.lines().find(|line| line.contains("average:")).unwrap();
    (least, field(summary, "average:"))
}
