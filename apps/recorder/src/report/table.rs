//! The report as a table for people.

use std::fmt::{self, Display, Formatter};

use super::memory_table::{MemoryLine, fmt_move, fmt_refusal};
use super::{ConsumerReport, Dropped, ProcessUse, Report, Role};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (size, rate, seconds) = (&self.size, &self.frame_rate, self.seconds);
        line(
            f,
            "video",
            format_args!("{size} at {rate} frames/s for {seconds:.1} s"),
        )?;
        self.fmt_frames(f)?;
        for (index, consumer) in self.consumers.iter().enumerate() {
            line(f, if index == 0 { "latency" } else { "" }, LatencyLine(consumer))?;
        }
        self.fmt_memory(f)?;
        self.fmt_copies(f)?;
        for (index, process) in self.processes.iter().enumerate() {
            line(f, if index == 0 { "in use" } else { "" }, UseLine(process))?;
        }
        self.fmt_files(f)
    }
}

impl Report {
    fn fmt_frames(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let captured = match self.camera {
            Some(camera) => camera.frames_captured.to_string(),
            None => "unknown number".to_owned(),
        };
        let (shown, encoded) = (self.frames_used(Role::Viewer), self.frames_used(Role::Encoder));
        let dropped = self.frames_dropped();
        line(
            f,
            "frames",
            format_args!("{captured} captured, {shown} shown, {encoded} encoded, {dropped} dropped"),
        )?;
        for Dropped { by, why, frames } in &self.dropped {
            line(
                f,
                "",
                format_args!("{frames} dropped by the {}: {why}", by.name()),
            )?;
        }
        self.fmt_checked(f)
    }

    fn fmt_checked(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&ConsumerReport) -> u64| self.consumers.iter().map(of).sum::<u64>();
        match sum(|consumer| consumer.frames_checked) {
            0 => Ok(()),
            checked => {
                let torn = sum(|consumer| consumer.frames_torn);
                line(
                    f,
                    "",
                    format_args!(
                        "{checked} compared by the viewer with what the camera had to draw: {torn} torn"
                    ),
                )
            }
        }
    }

    fn fmt_memory(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(memory) = &self.memory {
            line(f, "memory", MemoryLine(memory))?;
        }
        for moved in &self.moves {
            fmt_move(moved, f)?;
        }
        for refusal in &self.refusals {
            fmt_refusal(refusal, f)?;
        }
        Ok(())
    }

    fn fmt_copies(&self, f: &mut Formatter<'_>) -> fmt::Result {
        line(
            f,
            "copied",
            format_args!(
                "{} bytes of frames by Wharf to hand them over",
                self.wharf_copied_bytes()
            ),
        )?;
        for process in self
            .processes
            .iter()
            .filter(|process| process.own_copied_bytes > 0)
        {
            let (bytes, name) = (Bytes(process.own_copied_bytes), process.role.name());
            line(
                f,
                "",
                format_args!("{bytes} by the {name} itself, to work on them"),
            )?;
        }
        Ok(())
    }

    fn fmt_files(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for recording in &self.recordings {
            let (path, bytes) = (&recording.path, Bytes(recording.bytes));
            line(
                f,
                "file",
                format_args!(
                    "{path}: {} frames, {:.1} s, {bytes}",
                    recording.frames, recording.seconds
                ),
            )?;
        }
        if self.recordings.is_empty() {
            line(f, "file", "nothing was recorded")?;
        }
        for problem in &self.problems {
            line(f, "problem", problem)?;
        }
        Ok(())
    }
}

/// One line; `title` is said once for all lines that belong to it.
pub(super) fn line(f: &mut Formatter<'_>, title: &str, text: impl Display) -> fmt::Result {
    writeln!(f, "{title:<9}{text}")
}

struct LatencyLine<'a>(&'a ConsumerReport);

impl Display for LatencyLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ConsumerReport {
            role,
            pid,
            frames_received,
            latency,
            ..
        } = self.0;
        let (p50, p99, max) = (
            Nanoseconds(latency.p50_ns),
            Nanoseconds(latency.p99_ns),
            Nanoseconds(latency.max_ns),
        );
        write!(
            f,
            "{:<9}p50 {p50}, p99 {p99}, max {max} from publish to receive ({frames_received} frames, process {pid})",
            role.name()
        )
    }
}

struct UseLine<'a>(&'a ProcessUse);

impl Display for UseLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ProcessUse {
            role,
            pid,
            resident_bytes,
            proportional_bytes,
            open_fds,
            ..
        } = self.0;
        write!(f, "{:<9}{} resident", role.name(), Bytes(*resident_bytes))?;
        if let Some(bytes) = proportional_bytes {
            write!(f, " ({} as its share)", Bytes(*bytes))?;
        }
        write!(f, ", {open_fds} file descriptors (process {pid})")
    }
}

/// A number of bytes for people.
pub(super) struct Bytes(pub(super) u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // CAST: three digits are shown.
        let bytes = self.0 as f64;
        match self.0 {
            0..1024 => write!(f, "{} B", self.0),
            1024..0x10_0000 => write!(f, "{:.1} KiB", bytes / 1024.0),
            0x10_0000..0x4000_0000 => write!(f, "{:.1} MiB", bytes / f64::from(1 << 20)),
            _ => write!(f, "{:.1} GiB", bytes / f64::from(1 << 30)),
        }
    }
}

/// A time for people.
pub(super) struct Nanoseconds(pub(super) u64);

impl Display for Nanoseconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // CAST: three digits are shown.
        let ns = self.0 as f64;
        match self.0 {
            0..1000 => write!(f, "{} ns", self.0),
            1000..1_000_000 => write!(f, "{:.1} µs", ns / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.1} ms", ns / 1e6),
            _ => write!(f, "{:.1} s", ns / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CameraReport, Latency, MemoryReport, MoveReport, Newcomer, RecordingReport, Why};
    use super::*;

    fn consumer(role: Role, pid: u32, frames_used: u64) -> ConsumerReport {
        ConsumerReport {
            role,
            pid,
            frames_received: frames_used,
            frames_used,
            frames_lost: 0,
            frames_checked: if role == Role::Viewer { frames_used } else { 0 },
            frames_torn: 0,
            latency: Latency {
                count: 297,
                p50_ns: 45_200,
                p99_ns: 1_250_000,
                max_ns: 950,
            },
        }
    }

    fn usage(role: Role, pid: u32, proportional_bytes: Option<u64>) -> ProcessUse {
        ProcessUse {
            role,
            pid,
            resident_bytes: 12 << 20,
            proportional_bytes,
            open_fds: 14,
            wharf_copied_bytes: 0,
            own_copied_bytes: if role == Role::Camera { 0 } else { 3 << 20 },
        }
    }

    fn memory(generation: u64, heap: &str, chunk_bytes: u64) -> MemoryReport {
        MemoryReport {
            generation,
            heap: heap.into(),
            count: 5,
            size_bytes: 2 << 20,
            chunk_bytes,
            stride_bytes: 1280,
            rows: 720,
        }
    }

    fn moved() -> MoveReport {
        MoveReport {
            from: memory(1, "memfd", 4096),
            to: memory(2, "memfd-huge", 2 << 20),
            newcomer: Some(Newcomer {
                role: Role::Encoder,
                pid: 12,
                why: vec![Why {
                    field: "min_chunk_bytes".into(),
                    value: "2097152 bytes".into(),
                    who: vec!["encoder".into()],
                }],
            }),
            allocated_after_ns: Some(4_200_000),
            everybody_ready_after_ns: Some(5_000_000),
            first_frame_after_ns: Some(31_000_000),
            longest_interval_ns: 33_400_000,
            frames_lost: 0,
            frames_skipped: 1,
        }
    }

    fn report() -> Report {
        Report {
            size: "1280x720".into(),
            frame_rate: "30".into(),
            seconds: 10.0,
            camera: Some(CameraReport { frames_captured: 300 }),
            consumers: vec![consumer(Role::Viewer, 11, 297), consumer(Role::Encoder, 12, 210)],
            recordings: vec![RecordingReport {
                path: "recording.mp4".into(),
                first_frame: Some(90),
                bytes: 1_500_000,
                frames: 210,
                seconds: 7.0,
            }],
            dropped: vec![Dropped {
                by: Role::Viewer,
                why: "a newer frame was there".into(),
                frames: 3,
            }],
            memory: Some(memory(1, "memfd", 4096)),
            moves: vec![moved()],
            refusals: vec![],
            processes: vec![
                usage(Role::Camera, 10, Some(3 << 20)),
                usage(Role::Viewer, 11, None),
            ],
            problems: vec![],
        }
    }

    #[test]
    fn table_says_everything_in_order() {
        let expected = "\
video    1280x720 at 30 frames/s for 10.0 s
frames   300 captured, 297 shown, 210 encoded, 3 dropped
         3 dropped by the viewer: a newer frame was there
         297 compared by the viewer with what the camera had to draw: 0 torn
latency  viewer   p50 45.2 µs, p99 1.2 ms, max 950 ns from publish to receive (297 frames, process 11)
         encoder  p50 45.2 µs, p99 1.2 ms, max 950 ns from publish to receive (210 frames, process 12)
memory   generation 1: 5 buffers of 2.0 MiB from memfd, rows of 1280 bytes, 720 of them
moved    generation 2: 5 buffers of 2.0 MiB in chunks of 2.0 MiB from memfd-huge, rows of 1280 bytes, 720 of them
         for the encoder (process 12): min_chunk_bytes 2097152 bytes (encoder)
         new memory after 4.2 ms, everybody ready after 5.0 ms, first frame in it after 31.0 ms
         meanwhile at most 33.4 ms between frames, 0 frames lost, 1 passed over by viewers
copied   0 bytes of frames by Wharf to hand them over
         3.0 MiB by the viewer itself, to work on them
in use   camera   12.0 MiB resident (3.0 MiB as its share), 14 file descriptors (process 10)
         viewer   12.0 MiB resident, 14 file descriptors (process 11)
file     recording.mp4: 210 frames, 7.0 s, 1.4 MiB
";
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn table_of_a_failed_run_says_so() {
        let failed = Report {
            camera: None,
            recordings: vec![],
            problems: vec!["the camera was killed".into()],
            ..report()
        };
        let text = failed.to_string();
        assert!(
            text.contains("unknown number captured")
                && text.ends_with("file     nothing was recorded\nproblem  the camera was killed\n"),
            "{text}"
        );
    }

    #[test]
    fn json_comes_back_the_same() {
        let text = serde_json::to_string(&report()).unwrap();
        assert!(text.contains(r#""role":"viewer""#) && text.contains(r#""by":"viewer""#));
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
    }
}
