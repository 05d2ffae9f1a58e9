//! Which mappings are trapped: those of a card's places, and where parts of memory files can be buffers, those of files that are shared.
//!
//! What is private or of no file stays the kernel's. A filter does not see which file is mapped, so that where there are parts every
//! shared mapping of a file is looked at here. What the caller is [made to map](super::injection) then must not be trapped again: it is
//! [marked] where the kernel does not look.

use rustix::io::Errno;

use super::answering::{Listener, Next};
use super::filter::{ARGUMENTS_AT, AUDIT_64BIT, AUDIT_LITTLE_ENDIAN, end, if_equal, load, masked};
use super::sys::{Instruction, Reply};
use super::task::Task;
use crate::devices::{Caller as _, END_OF_PLACES, FIRST_PLACE, Object};
use crate::options::Options;

/// The way of mapping that can be taken in the caller's place: architecture and number.
const MAPPING: Option<(u32, u32)> = if cfg!(target_arch = "x86_64") {
    Some((AUDIT_64BIT | AUDIT_LITTLE_ENDIAN | 62, 9))
} else {
    None
};

const LOWER: u32 = if cfg!(target_endian = "big") { 4 } else { 0 };
const UPPER: u32 = 4 - LOWER;
/// Where the lower half of the fourth argument is: how it is mapped.
const FLAGS_AT: u32 = ARGUMENTS_AT + 3 * 8 + LOWER;
/// Where the upper half of the fifth argument is, of which the kernel takes the lower one: the descriptor.
const MARK_AT: u32 = ARGUMENTS_AT + 4 * 8 + UPPER;
/// Where the upper half of the sixth argument is: of the place in the file.
const PLACE_AT: u32 = ARGUMENTS_AT + 5 * 8 + UPPER;

/// The upper half of a descriptor that a caller is made to map.
const MARK: u32 = 0x5748_4152;
/// What of the flags says whether a file is shared.
const KIND: i32 = 0x0f | libc::MAP_ANONYMOUS;

/// A descriptor, as a mapping that is not to be trapped names it.
pub(super) fn marked(number: u32) -> u64 {
    u64::from(MARK) << 32 | u64::from(number)
}

/// The call that is looked at, and what looks at it; `None` where none need be.
pub(super) fn trapped(options: &Options) -> Option<((u32, u32), Vec<Instruction>)> {
    let places = options.vgem.then(places);
    let shared = options
        .exact_udmabuf
        .then(|| shared(places.as_ref().map_or(0, |places| places.len() as u8)));
    let looks: Vec<Instruction> = shared
        .into_iter()
        .flatten()
        .chain(places.into_iter().flatten())
        .collect();
    let entry = MAPPING.filter(|_| !looks.is_empty())?;
    let ends = [end(libc::SECCOMP_RET_ALLOW), end(libc::SECCOMP_RET_USER_NOTIF)];
    Some((entry, [looks, ends.to_vec()].concat()))
}

/// Traps what is a shared mapping of a file, and allows what is marked; goes on for the rest. `more` instructions follow before the
/// two ends.
const fn shared(more: u8) -> [Instruction; 6] {
    // CAST: small flags.
    [
        load(MARK_AT),
        if_equal(MARK, more + 4),
        load(FLAGS_AT),
        masked(KIND as u32),
        if_equal(libc::MAP_SHARED as u32, more + 2),
        if_equal(libc::MAP_SHARED_VALIDATE as u32, more + 1),
    ]
}

/// Traps mappings of a card's places; goes on for the rest.
const fn places() -> [Instruction; 3] {
    const _: () = assert!(END_OF_PLACES - FIRST_PLACE == 0x100 << 32, "one mask tells it");
    // CAST: the upper half.
    [
        load(PLACE_AT),
        masked(0xffff_ff00),
        if_equal((FIRST_PLACE >> 32) as u32, 1),
    ]
}

impl Listener {
    /// Has the caller map what it means, if that is not what it asks for.
    // DIFFERENCE: a signal can come before this is heard of, and no mapping of the kernel's fails with EINTR.
    pub(super) fn map(&self, task: &Task<'_>) -> Result<Next, Errno> {
        // CAST: the kernel takes it as an int.
        let fd = task.notification.data.args[4] as i32;
        let Ok((_, id)) = task.file(fd) else {
            return Ok(Next::Reply(Reply::Native));
        };
        match self.objects.get(id) {
            Some(Object::Card(card)) => self.map_card(task, &card),
            Some(Object::Buffer(buffer)) => match &buffer.parts {
                Some(parts) => self.map_parts(task, parts),
                None => Ok(Next::Reply(Reply::Native)),
            },
            _ => Ok(Next::Reply(Reply::Native)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::{judged, program};
    use super::*;

    const ANONYMOUS: i32 = libc::MAP_ANONYMOUS;

    fn is_trapped(options: &Options, (flags, fd, place): (i32, u64, u64)) -> bool {
        let (entry, _) = trapped(options).unwrap();
        let arguments = [0, 4096, 3, flags as u64, fd, place];
        judged(&program(options).unwrap(), entry, arguments) == libc::SECCOMP_RET_USER_NOTIF
    }

    fn with(vgem: bool, exact_udmabuf: bool) -> Options {
        Options {
            vgem,
            exact_udmabuf,
            ..Options::default()
        }
    }

    #[test]
    fn nothing_is_looked_at_that_was_not_asked_for() {
        assert!(trapped(&with(false, false)).is_none());
    }

    #[test]
    fn places_of_cards_are_trapped() {
        if MAPPING.is_none() {
            return;
        }
        for exact in [false, true] {
            for (place, trapped) in [
                (0, false),
                (FIRST_PLACE - 4096, false),
                (FIRST_PLACE, true),
                (END_OF_PLACES - 4096, true),
                (END_OF_PLACES, false),
                (u64::MAX, false),
            ] {
                let asked = (libc::MAP_PRIVATE, 5, place);
                assert_eq!(is_trapped(&with(true, exact), asked), trapped, "{place:x}");
            }
        }
    }

    #[test]
    fn shared_files_are_trapped_where_there_are_parts() {
        if MAPPING.is_none() {
            return;
        }
        let more = libc::MAP_FIXED | libc::MAP_POPULATE | libc::MAP_32BIT;
        for (flags, trapped) in [
            (libc::MAP_SHARED, true),
            (libc::MAP_SHARED | more, true),
            (libc::MAP_SHARED_VALIDATE, true),
            (libc::MAP_SHARED | ANONYMOUS, false),
            (libc::MAP_SHARED_VALIDATE | ANONYMOUS, false),
            (libc::MAP_PRIVATE, false),
            (libc::MAP_PRIVATE | ANONYMOUS | more, false),
            (libc::MAP_PRIVATE | libc::MAP_DENYWRITE, false),
            (0, false),
        ] {
            for vgem in [false, true] {
                assert_eq!(is_trapped(&with(vgem, true), (flags, 5, 0)), trapped, "{flags:x}");
            }
            assert!(!is_trapped(&with(true, false), (flags, 5, 0)), "{flags:x}");
        }
    }

    #[test]
    fn what_was_made_to_be_mapped_is_not_trapped_again() {
        if MAPPING.is_none() {
            return;
        }
        for vgem in [false, true] {
            for place in [0, FIRST_PLACE] {
                for (fd, trapped) in [(marked(5), false), (5, true), (u64::from(u32::MAX), true)] {
                    let asked = (libc::MAP_SHARED | libc::MAP_FIXED, fd, place);
                    assert_eq!(is_trapped(&with(vgem, true), asked), trapped, "{fd:x} {place:x}");
                }
            }
        }
    }
}
