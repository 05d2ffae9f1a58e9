//! Reading back what is in a recording.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use mp4_atom::{Atom, Moof, TrunSamples};

use super::recording::{Summary, duration};

/// Bytes of the header of a box.
const BOX_HEADER_BYTES: u64 = 8;
/// Longest `moof` read, in bytes: ours have a few kilobytes.
const MOOF_LIMIT_BYTES: u64 = 1 << 20;

/// Counts the frames in the whole fragments of a file that a [`Recording`](super::Recording) wrote, also if its process
/// was killed meanwhile. A file that is not of that kind has none.
///
/// # Errors
///
/// What the system says when it is read.
pub fn inspect(path: &Path) -> io::Result<Summary> {
    let mut file = BufReader::new(File::open(path)?);
    let length_bytes = file.get_ref().metadata()?.len();
    let mut summary = Summary {
        bytes: length_bytes,
        ..Summary::default()
    };
    let (mut frames, mut ticks) = (0, 0);
    while let Some((name, size_bytes)) = next_box(&mut file, length_bytes)? {
        let body_bytes = size_bytes - BOX_HEADER_BYTES;
        let next = file.stream_position()? + body_bytes;
        match &name {
            b"moof" if body_bytes <= MOOF_LIMIT_BYTES => {
                let mut body = vec![0; usize::try_from(body_bytes).unwrap_or(0)];
                file.read_exact(&mut body)?;
                let Some((in_fragment, end_ticks)) = fragment(&body) else {
                    break;
                };
                frames += in_fragment;
                ticks = end_ticks;
            }
            b"mdat" => {
                // The fragment is whole.
                summary.frames = frames;
                summary.duration = duration(ticks);
            }
            _ => {}
        }
        file.seek(SeekFrom::Start(next))?;
    }
    Ok(summary)
}

/// Name and size of the box at the reader's place, if all of it is there.
fn next_box(file: &mut (impl Read + Seek), length_bytes: u64) -> io::Result<Option<([u8; 4], u64)>> {
    let left_bytes = length_bytes.saturating_sub(file.stream_position()?);
    if left_bytes < BOX_HEADER_BYTES {
        return Ok(None);
    }
    let (mut size, mut name) = ([0; 4], [0; 4]);
    file.read_exact(&mut size)?;
    file.read_exact(&mut name)?;
    let size_bytes = u64::from(u32::from_be_bytes(size));
    let is_whole = (BOX_HEADER_BYTES..=left_bytes).contains(&size_bytes);
    Ok(is_whole.then_some((name, size_bytes)))
}

/// How many frames a fragment has, and at which tick the last one ends.
fn fragment(mut body: &[u8]) -> Option<(u64, u64)> {
    let moof = Moof::decode_body(&mut body).ok()?;
    let traf = moof.traf.first()?;
    let start_ticks = traf.tfdt.as_ref()?.base_media_decode_time;
    let TrunSamples::Explicit(entries) = &traf.trun.first()?.samples else {
        return None;
    };
    let durations = entries.iter().map(|entry| u64::from(entry.duration.unwrap_or(0)));
    let end_ticks = start_ticks.checked_add(durations.sum())?;
    Some((u64::try_from(entries.len()).ok()?, end_ticks))
}
