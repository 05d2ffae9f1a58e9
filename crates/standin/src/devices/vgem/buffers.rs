//! Buffers that are made here, handed out and taken in.

use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_core::PAGE_BYTES;
use wharf_uapi::drm::{CreateDumb, MapDumb, PrimeHandle};

use super::super::{Buffer, Caller, Object};
use super::card::{Card, Handle};
use super::{Call, Surroundings};

/// Makes a buffer.
pub(super) fn create(
    (around, card): (&Surroundings<'_>, &Card),
    asked: &mut CreateDumb,
) -> Result<(), Errno> {
    let (pitch, size_bytes) = dimensions(asked)?;
    (asked.handle, asked.pitch, asked.size) = (0, 0, 0);
    let piece = (around.allocate)(size_bytes).map_err(|_| Errno::NOMEM)?;
    let id = piece.id;
    let buffer = Buffer::of_card(piece, around.objects.next_place());
    let buffer = (around.finish)(buffer).map_err(|_| Errno::NOMEM)?;
    let handle = Handle {
        id,
        buffer: Arc::new(buffer),
        memory: None,
    };
    let number = card.handles.lock().add(handle);
    (asked.handle, asked.pitch, asked.size) = (number, pitch, size_bytes);
    Ok(())
}

/// The bytes of a row and of the whole, in whole pages. All is less than 4 GiB.
fn dimensions(asked: &CreateDumb) -> Result<(u32, u64), Errno> {
    let CreateDumb {
        width, height, bpp, ..
    } = *asked;
    let in_range = |number: Option<u32>| number.filter(|number| *number > 0).ok_or(Errno::INVAL);
    if bpp > u32::MAX - 8 {
        return Err(Errno::INVAL);
    }
    let row = in_range(bpp.div_ceil(8).checked_mul(width))?;
    let whole = in_range(row.checked_mul(height))?;
    if whole > u32::MAX - (PAGE_BYTES as u32 - 1) {
        return Err(Errno::INVAL);
    }
    let pitch = (u64::from(width) * u64::from(bpp)).div_ceil(8);
    let size_bytes = (pitch * u64::from(height)).next_multiple_of(PAGE_BYTES);
    // CAST: no longer than `row`.
    Ok((pitch as u32, size_bytes))
}

/// Gives up a handle.
pub(super) fn close((around, card): (&Surroundings<'_>, &Card), number: u32) -> Result<(), Errno> {
    let removed = card.handles.lock().remove(number);
    around.retire(removed.ok_or(Errno::INVAL)?);
    Ok(())
}

/// Tells where a buffer can be mapped.
pub(super) fn place(caller: &dyn Caller, card: &Card, asked: &mut MapDumb) -> Result<(), Errno> {
    // DIFFERENCE: a place that nobody could map would be a lie.
    if !caller.can_be_made_to_map() {
        return Err(Errno::NOSYS);
    }
    let handle = card.handle(asked.handle)?;
    // Buffers of others are theirs to map.
    asked.offset = handle.buffer.place.ok_or(Errno::INVAL)?;
    Ok(())
}

/// Makes a descriptor of a buffer.
pub(super) fn export(
    call: &Call<'_>,
    (around, card): (&Surroundings<'_>, &Card),
    asked: &mut PrimeHandle,
) -> Result<(), Errno> {
    let flags = OFlags::from_bits_retain(asked.flags);
    if !(flags - OFlags::CLOEXEC - OFlags::RDWR).is_empty() {
        return Err(Errno::INVAL);
    }
    let handle = card.handle(asked.handle)?;
    // There is no way to take a descriptor back: first it is tried whether its number can be told.
    if call.request.writes() {
        call.tell(asked)?;
    }
    let opened = handle.open((around.objects, around.releases), flags & OFlags::ACCMODE)?;
    // CAST: descriptors are ints.
    asked.fd = call.caller.install(std::os::fd::AsFd::as_fd(&opened), flags)? as i32;
    drop(opened);
    handle.buffer.is_known_as(|| call.caller.process(), asked.fd);
    let size_bytes = handle.buffer.piece.as_ref().map_or(0, |piece| piece.size_bytes);
    around.releases.add(around.objects, handle.id, size_bytes);
    Ok(())
}

/// Makes a handle of a descriptor; for a buffer that has one, it is that.
pub(super) fn import(
    caller: &dyn Caller,
    (around, card): (&Surroundings<'_>, &Card),
    asked: &mut PrimeHandle,
) -> Result<(), Errno> {
    let (file, id) = caller.file(asked.fd)?;
    let Some(Object::Buffer(buffer)) = around.objects.get(id) else {
        return Err(Errno::INVAL);
    };
    let mut handles = card.handles.lock();
    let known = handles
        .iter_mut()
        .find(|(_, handle)| handle.id == id)
        .map(|(number, _)| number);
    asked.handle = known.unwrap_or_else(|| {
        // A file of ours is held by the buffer; a descriptor of it would count as the program's.
        let memory = buffer.file().is_none().then(|| Arc::new(file));
        handles.add(Handle { id, buffer, memory })
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dumb(width: u32, height: u32, bpp: u32) -> Result<(u32, u64), Errno> {
        dimensions(&CreateDumb {
            width,
            height,
            bpp,
            ..CreateDumb::default()
        })
    }

    #[test]
    fn sizes_are_whole_bytes_a_row_and_whole_pages() {
        assert_eq!(dumb(640, 480, 32), Ok((2560, 2560 * 480)));
        assert_eq!(dumb(1, 1, 1), Ok((1, 4096)));
        assert_eq!(dumb(10, 3, 12), Ok((15, 4096)));
        assert_eq!(dumb(1 << 29, 1, 8), Ok((1 << 29, 1 << 29)));
    }

    #[test]
    fn what_is_nothing_or_beyond_32_bits_is_refused() {
        for (width, height, bpp) in [
            (0, 1, 8),
            (1, 0, 8),
            (1, 1, 0),
            (1, 1, u32::MAX),
            (1 << 30, 1, 32),
            (1 << 16, 1 << 16, 8),
            (u32::MAX, 1, 8),
        ] {
            assert_eq!(
                dumb(width, height, bpp),
                Err(Errno::INVAL),
                "{width} {height} {bpp}"
            );
        }
    }
}
