//! The part of the table about memory.

use std::fmt::{self, Display, Formatter};

use super::table::{Bytes, Nanoseconds, line};
use super::{MemoryReport, MoveReport, RefusalReport};

/// Chunks of this many bytes are nothing special.
const PAGE_BYTES: u64 = 4096;

/// One generation of the buffers.
pub(super) struct MemoryLine<'a>(pub(super) &'a MemoryReport);

impl Display for MemoryLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let MemoryReport {
            generation,
            heap,
            count,
            size_bytes,
            chunk_bytes,
            stride_bytes,
            rows,
        } = self.0;
        write!(
            f,
            "generation {generation}: {count} buffers of {}",
            Bytes(*size_bytes)
        )?;
        if *chunk_bytes > PAGE_BYTES {
            write!(f, " in chunks of {}", Bytes(*chunk_bytes))?;
        }
        write!(f, " from {heap}, rows of {stride_bytes} bytes, {rows} of them")
    }
}

/// A move, over several lines.
pub(super) fn fmt_move(moved: &MoveReport, f: &mut Formatter<'_>) -> fmt::Result {
    line(f, "moved", MemoryLine(&moved.to))?;
    if let Some(newcomer) = &moved.newcomer {
        let why: Vec<String> = newcomer
            .why
            .iter()
            .map(|why| format!("{} {} ({})", why.field, why.value, why.who.join(", ")))
            .collect();
        let (name, pid, why) = (newcomer.role.name(), newcomer.pid, why.join(", "));
        line(f, "", format_args!("for the {name} (process {pid}): {why}"))?;
    }
    if let (Some(allocated), Some(ready), Some(first)) = (
        moved.allocated_after_ns,
        moved.everybody_ready_after_ns,
        moved.first_frame_after_ns,
    ) {
        let [allocated, ready, first] = [allocated, ready, first].map(Nanoseconds);
        line(
            f,
            "",
            format_args!(
                "new memory after {allocated}, everybody ready after {ready}, first frame in it after {first}"
            ),
        )?;
    }
    line(
        f,
        "",
        format_args!(
            "meanwhile at most {} between frames, {} frames lost, {} passed over by viewers",
            Nanoseconds(moved.longest_interval_ns),
            moved.frames_lost,
            moved.frames_skipped
        ),
    )
}

/// A refusal with its whole report.
pub(super) fn fmt_refusal(refusal: &RefusalReport, f: &mut Formatter<'_>) -> fmt::Result {
    let (name, pid) = (refusal.role.name(), refusal.pid);
    let outcome = match refusal.found_another_way {
        true => "makes do with other memory than it would like",
        false => "is refused",
    };
    line(
        f,
        "refused",
        format_args!("the {name} (process {pid}) {outcome}:"),
    )?;
    for text in refusal.report.to_string().lines() {
        match text {
            "" => writeln!(f)?,
            text => line(f, "", text)?,
        }
    }
    Ok(())
}
