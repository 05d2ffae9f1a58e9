//! Recordings as ffmpeg sees them: whole, cut off, and after write errors.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use recorder::container::{OutputFile, Recording, RecordingError, Step, Storage, Summary};
use recorder::encode::{EncodedFrame, H264Encoder, ParameterSets};
use recorder::picture::{Picture, Plane, RowSource};
use recorder::rate::FrameRate;
use recorder::size::Size;
use recorder::testcard::TestCard;
use recorder::y4m::Reader;
use rustix::io::Errno;
use support::{card, ffmpeg};

fn rate() -> FrameRate {
    FrameRate::new(30, 1).unwrap()
}

fn size() -> Size {
    Size::new(192, 128).unwrap()
}

/// Encoded test cards number 0 to `count`.
fn cards(count: u64) -> (ParameterSets, Vec<EncodedFrame>) {
    let (card, mut picture) = (TestCard::new(size()), Picture::black(size()));
    let mut encoder = H264Encoder::new(size(), rate()).unwrap();
    let frames = (0..count).map(|frame| {
        card.draw(frame, &mut picture).unwrap();
        encoder.encode(&picture).unwrap()
    });
    let frames = frames.collect();
    (encoder.parameter_sets().clone(), frames)
}

/// Records frames at 30 frames per second; how many of them were pushed without an error, and the end.
fn record(
    storage: impl Storage,
    sets: &ParameterSets,
    frames: &[EncodedFrame],
) -> (u64, Result<Summary, RecordingError>) {
    let mut recording = match Recording::begin(storage, PathBuf::from("test.mp4"), size(), rate(), sets) {
        Ok(recording) => recording,
        Err(error) => return (0, Err(error)),
    };
    for (index, frame) in (0..).zip(frames) {
        if let Err(error) = recording.push(frame, Duration::from_secs(500) + rate().due(index)) {
            return (index, Err(error));
        }
    }
    (u64::try_from(frames.len()).unwrap(), recording.finish())
}

fn frame_numbers(path: &Path) -> Vec<u32> {
    let decoded = ffmpeg::decode(path);
    assert_eq!(decoded.len() % size().picture_bytes(), 0);
    let luma_bytes = size().plane_bytes(Plane::Luma);
    decoded
        .chunks(size().picture_bytes())
        .map(|picture| card::frame_number(size(), &picture[..luma_bytes]))
        .collect()
}

/// A file with an operation that fails.
#[derive(Debug)]
struct FaultyFile {
    file: File,
    fault: Fault,
    operations: u32,
    written_bytes: usize,
    can_truncate: fn(u64) -> bool,
}

/// What fails.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Every write and save from the given one on, counted from 1, after having written half of what it was
    /// given.
    From(u32, Errno),
    /// Everything, after the given number of bytes have been written.
    After(usize),
}

impl FaultyFile {
    fn create(path: &Path, fault: Fault) -> Self {
        Self {
            file: File::create(path).unwrap(),
            fault,
            operations: 0,
            written_bytes: 0,
            can_truncate: |_| true,
        }
    }

    /// Counts an operation with `len` bytes: how many of them are written before it fails, and the error.
    fn operate(&mut self, len: usize) -> Option<(usize, io::Error)> {
        self.operations += 1;
        self.written_bytes += len;
        match self.fault {
            Fault::From(operation, error) => (self.operations >= operation).then(|| (len / 2, error.into())),
            Fault::After(bytes) => {
                let excess = self
                    .written_bytes
                    .checked_sub(bytes)
                    .filter(|&excess| excess > 0)?;
                Some((len.saturating_sub(excess), io::ErrorKind::Other.into()))
            }
        }
    }
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let failure = self.operate(bytes.len());
        self.file
            .write_all(&bytes[..failure.as_ref().map_or(bytes.len(), |(len, _)| *len)])?;
        failure.map_or(Ok(bytes.len()), |(_, error)| Err(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Storage for FaultyFile {
    fn overwrite(&mut self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        match self.operate(bytes.len()) {
            // Four bytes are not written by halves.
            Some((_, error)) => Err(error),
            None => self.file.write_all_at(bytes, offset_bytes),
        }
    }

    fn truncate(&mut self, len_bytes: u64) -> io::Result<()> {
        if (self.can_truncate)(len_bytes) {
            self.file.set_len(len_bytes)
        } else {
            Err(Errno::IO.into())
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operate(0).map_or(Ok(()), |(_, error)| Err(error))
    }
}

#[test]
fn every_frame_is_in_the_file_once_in_order_and_in_time() {
    if !ffmpeg::available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cards.mp4");
    for count in [1, 2, 15, 16, 17, 77] {
        let (sets, frames) = cards(count);
        let (_, summary) = record(OutputFile::open(&path, None).unwrap(), &sets, &frames);
        let summary = summary.unwrap();
        assert_eq!(summary.frames, count);
        assert!(
            summary.duration.abs_diff(rate().due(count)) < Duration::from_micros(1),
            "{summary:?}"
        );
        assert_eq!(summary.bytes, fs::metadata(&path).unwrap().len());
        assert_eq!(ffmpeg::count_frames(&path), (count, String::new()));
        assert_eq!(
            frame_numbers(&path),
            (0..u32::try_from(count).unwrap()).collect::<Vec<_>>()
        );
        for (index, time) in (0..).zip(ffmpeg::frame_times(&path)) {
            assert!(
                (time - rate().due(index).as_secs_f64()).abs() < 1e-5,
                "frame {index} at {time}"
            );
        }
    }
}

#[test]
fn uneven_capture_times_are_kept() {
    if !ffmpeg::available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uneven.mp4");
    let times_ms = [0, 10, 400, 500, 501, 1700, 1733];
    let (sets, frames) = cards(7);
    let output = OutputFile::open(&path, None).unwrap();
    let mut recording = Recording::begin(output, path.clone(), size(), rate(), &sets).unwrap();
    for (frame, ms) in frames.iter().zip(times_ms) {
        recording
            .push(frame, Duration::from_secs(99) + Duration::from_millis(ms))
            .unwrap();
    }
    recording.finish().unwrap();
    let times = ffmpeg::frame_times(&path)
        .into_iter()
        .map(|seconds| (seconds * 1000.0).round() as u64);
    assert_eq!(times.collect::<Vec<_>>(), times_ms);
}

#[test]
fn recording_without_frames_is_a_valid_file() {
    if !ffmpeg::available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.mp4");
    let (sets, _) = cards(0);
    let (_, summary) = record(OutputFile::open(&path, None).unwrap(), &sets, &[]);
    assert_eq!(summary.unwrap().frames, 0);
    assert_eq!(ffmpeg::count_frames(&path), (0, String::new()));
}

#[test]
fn longer_file_that_was_there_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.mp4");
    fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
    let (sets, frames) = cards(3);
    let (_, summary) = record(OutputFile::open(&path, None).unwrap(), &sets, &frames);
    assert_eq!(fs::metadata(&path).unwrap().len(), summary.unwrap().bytes);
    assert!(!fs::read(&path).unwrap().ends_with(b"xxxx"));
}

#[test]
fn write_error_anywhere_leaves_the_whole_fragments_before_it() {
    let check = ffmpeg::available();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faulty.mp4");
    let (sets, frames) = cards(50);
    for fail_at in 1.. {
        let error = if fail_at % 2 == 0 { Errno::NOSPC } else { Errno::IO };
        let (pushed, end) = record(
            FaultyFile::create(&path, Fault::From(fail_at, error)),
            &sets,
            &frames,
        );
        let Err(failure) = end else {
            assert_eq!(fail_at, 11, "header, two writes for each of four fragments, sync");
            return;
        };
        assert_eq!(failure.errno(), error);
        assert_eq!(failure.step, if fail_at == 10 { Step::Sync } else { Step::Write });
        assert_eq!(failure.kept_bytes, fs::metadata(&path).unwrap().len());
        let at_end = pushed == 50;
        let given = if at_end || fail_at == 1 {
            pushed
        } else {
            pushed + 1
        };
        assert_eq!(failure.kept_frames + failure.lost_frames, given, "{failure}");
        assert!(failure.to_string().starts_with(&format!(
            "cannot {} test.mp4: ",
            if fail_at == 10 { "save" } else { "write to" }
        )));
        if fail_at == 1 {
            assert_eq!(failure.kept_bytes, 0);
        } else if check {
            assert_eq!(ffmpeg::count_frames(&path), (failure.kept_frames, String::new()));
        }
        if failure.kept_frames > 0 && check {
            assert_eq!(
                frame_numbers(&path),
                (0..u32::try_from(failure.kept_frames).unwrap()).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn failed_recording_takes_no_more_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faulty.mp4");
    let (sets, frames) = cards(20);
    let storage = FaultyFile::create(&path, Fault::From(2, Errno::NOSPC));
    let mut recording = Recording::begin(storage, path.clone(), size(), rate(), &sets).unwrap();
    let results: Vec<_> = (0..)
        .zip(&frames)
        .map(|(index, frame)| recording.push(frame, rate().due(index)))
        .collect();
    let lost: u64 = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .map(|error| error.lost_frames)
        .sum();
    assert_eq!((lost, recording.written().frames), (20, 0));
    let len = fs::metadata(&path).unwrap().len();
    assert!(recording.finish().is_err());
    assert_eq!(fs::metadata(&path).unwrap().len(), len);
}

#[test]
fn fragment_that_cannot_be_cut_off_is_reported_and_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faulty.mp4");
    let (sets, frames) = cards(50);
    let storage = FaultyFile {
        can_truncate: |len_bytes| len_bytes == 0,
        ..FaultyFile::create(&path, Fault::From(3, Errno::NOSPC))
    };
    let error = record(storage, &sets, &frames).1.unwrap_err();
    assert!(
        error.leftover.is_some() && error.to_string().contains("part of a fragment stays at its end"),
        "{error}"
    );
    assert!(fs::metadata(&path).unwrap().len() > error.kept_bytes);
    if ffmpeg::available() {
        assert!(ffmpeg::count_frames(&path).0 >= error.kept_frames);
    }
}

#[test]
fn file_that_cannot_be_emptied_is_not_recorded_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faulty.mp4");
    let (sets, frames) = cards(1);
    let storage = FaultyFile {
        can_truncate: |_| false,
        ..FaultyFile::create(&path, Fault::From(3, Errno::NOSPC))
    };
    let error = record(storage, &sets, &frames).1.unwrap_err();
    assert_eq!(
        (error.step, error.errno(), error.kept_bytes),
        (Step::Empty, Errno::IO, 0)
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn recording_killed_anywhere_plays_its_whole_fragments() {
    if !ffmpeg::available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.mp4");
    let (sets, frames) = cards(50);
    let header_bytes = record(OutputFile::open(&path, None).unwrap(), &sets, &[])
        .1
        .unwrap()
        .bytes;
    let whole_bytes = record(OutputFile::open(&path, None).unwrap(), &sets, &frames)
        .1
        .unwrap()
        .bytes;
    let places = usize::try_from(header_bytes).unwrap()..usize::try_from(whole_bytes).unwrap();
    for written_bytes in places.step_by(181) {
        // Who is killed does not cut anything off.
        let file = FaultyFile::create(&path, Fault::After(written_bytes));
        let storage = FaultyFile {
            can_truncate: |len_bytes| len_bytes == 0,
            ..file
        };
        let error = record(storage, &sets, &frames).1.unwrap_err();
        assert_eq!(
            ffmpeg::count_frames(&path).0,
            error.kept_frames,
            "killed after {written_bytes} bytes"
        );
    }
}

#[test]
fn full_disk_is_named_as_such() {
    let (sets, frames) = cards(3);
    let output = OutputFile::open(Path::new("/dev/full"), None).unwrap();
    let error = record(output, &sets, &frames).1.unwrap_err();
    assert_eq!((error.errno(), error.kept_bytes), (Errno::NOSPC, 0));
    assert!(error.to_string().contains("No space left on device"), "{error}");
}

#[test]
fn real_looking_pictures_keep_at_least_30_db() {
    if !ffmpeg::available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for source in ["testsrc2", "mandelbrot"] {
        let (original, recorded) = (
            folder.path().join("original.y4m"),
            folder.path().join("recorded.mp4"),
        );
        fs::write(
            &original,
            ffmpeg::y4m(&format!("{source}=size=640x360:rate=30"), 45, "yuv420p"),
        )
        .unwrap();
        let mut reader = Reader::new(File::open(&original).unwrap()).unwrap();
        let size = reader.header().size;
        let mut encoder = H264Encoder::new(size, rate()).unwrap();
        let output = OutputFile::open(&recorded, None).unwrap();
        let sets = encoder.parameter_sets().clone();
        let mut recording = Recording::begin(output, recorded.clone(), size, rate(), &sets).unwrap();
        let mut picture = Picture::black(size);
        while let Some(frame) = reader.read_frame(&mut picture).unwrap() {
            recording
                .push(&encoder.encode(&picture).unwrap(), rate().due(frame))
                .unwrap();
        }
        assert_eq!(picture.size(), size);
        recording.finish().unwrap();
        assert_eq!(ffmpeg::count_frames(&recorded), (45, String::new()), "{source}");
        let (least, mean) = ffmpeg::psnr(&recorded, &original);
        assert!(
            least >= 30.0 && mean >= 30.0,
            "{source}: least {least} dB, mean {mean} dB"
        );
    }
}
