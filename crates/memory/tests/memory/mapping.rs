//! What can be mapped and what is refused.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create, open};
use rustix::io::Errno;
use wharf_memory::{Access, MapError, Mapping};

use crate::support::{contents, memfd, memfd_with};

const SIZE_BYTES: usize = 8192;

/// The same object opened anew.
fn reopened(fd: &OwnedFd, flags: OFlags) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn refusal(fd: impl AsFd, len_bytes: usize, access: Access) -> MapError {
    Mapping::map(fd, len_bytes, access).unwrap_err()
}

#[test]
fn mapping_of_nothing_is_refused() {
    let error = refusal(memfd(SIZE_BYTES), 0, Access::ReadOnly);
    assert_eq!(error, MapError::Empty);
    assert_eq!(error.errno(), Errno::INVAL);
}

#[test]
fn memfd_that_can_shrink_is_refused() {
    for seals in [
        SealFlags::empty(),
        SealFlags::GROW,
        SealFlags::FUTURE_WRITE | SealFlags::SEAL,
    ] {
        let error = refusal(memfd_with(SIZE_BYTES, seals), SIZE_BYTES, Access::ReadOnly);
        assert_eq!(error, MapError::NotSealed, "{seals:?}");
        assert_eq!(error.errno(), Errno::INVAL);
    }
}

#[test]
fn more_than_the_memfd_has_is_refused() {
    let fd = memfd(SIZE_BYTES);
    for wanted_bytes in [SIZE_BYTES + 1, 2 * SIZE_BYTES, isize::MAX as usize, usize::MAX] {
        let size_bytes = SIZE_BYTES as u64;
        let error = refusal(&fd, wanted_bytes, Access::ReadOnly);
        assert_eq!(
            error,
            MapError::TooShort {
                wanted_bytes,
                size_bytes
            }
        );
        assert_eq!(error.errno(), Errno::INVAL);
    }
}

#[test]
fn descriptor_of_anything_but_a_memfd_is_refused() {
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    let null = open("/dev/null", OFlags::RDWR, Mode::empty()).unwrap();
    let file = open("/proc/self/exe", OFlags::RDONLY, Mode::empty()).unwrap();
    let path = reopened(&memfd(SIZE_BYTES), OFlags::PATH);
    for fd in [pipe, null, file, path] {
        let error = refusal(&fd, 4096, Access::ReadOnly);
        assert!(matches!(error, MapError::NotMemfd(_)), "{error:?}");
        assert_eq!(error.errno(), Errno::INVAL);
    }
}

#[test]
fn writable_mapping_of_write_sealed_memory_is_refused() {
    let fd = memfd_with(SIZE_BYTES, SealFlags::SHRINK | SealFlags::FUTURE_WRITE);
    let error = refusal(&fd, SIZE_BYTES, Access::ReadWrite);
    assert_eq!(error.errno(), Errno::PERM);
    assert!(Mapping::map(&fd, SIZE_BYTES, Access::ReadOnly).is_ok());
}

#[test]
fn writable_mapping_of_a_read_only_descriptor_is_refused() {
    let fd = reopened(&memfd(SIZE_BYTES), OFlags::RDONLY);
    let error = refusal(&fd, SIZE_BYTES, Access::ReadWrite);
    assert_eq!(error.errno(), Errno::ACCESS);
    assert!(Mapping::map(&fd, SIZE_BYTES, Access::ReadOnly).is_ok());
}

#[test]
fn read_only_mapping_gives_no_writable_view() {
    let mapping = Mapping::map(memfd(SIZE_BYTES), SIZE_BYTES, Access::ReadOnly).unwrap();
    assert_eq!(mapping.access(), Access::ReadOnly);
    assert_eq!(mapping.view_mut().map(drop).unwrap_err().errno(), Errno::ACCESS);
}

#[test]
fn mapping_is_zeroed_and_shared_with_other_mappings() {
    let fd = memfd(SIZE_BYTES);
    let writable = Mapping::map(&fd, SIZE_BYTES, Access::ReadWrite).unwrap();
    let readable = Mapping::map(&fd, SIZE_BYTES, Access::ReadOnly).unwrap();
    assert!(contents(&readable).iter().all(|byte| *byte == 0));
    let last = writable.view_mut().unwrap().subview(SIZE_BYTES - 1, 1).unwrap();
    last.copy_from(0, &[7]).unwrap();
    assert_eq!(contents(&readable)[SIZE_BYTES - 1], 7);
}

#[test]
fn part_of_a_page_can_be_mapped_and_its_end_is_the_end() {
    let mapping = Mapping::map(memfd(SIZE_BYTES), 4097, Access::ReadWrite).unwrap();
    assert_eq!(mapping.len_bytes(), 4097);
    let view = mapping.view_mut().unwrap();
    view.copy_from(4096, &[1]).unwrap();
    assert!(view.copy_from(4097, &[1]).is_err());
    assert!(mapping.view().copy_to(4096, &mut [0; 2]).is_err());
}

#[test]
fn mapping_outlives_its_descriptor_and_goes_when_dropped() {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = memfd_create("mapped-and-dropped", flags).unwrap();
    ftruncate(&fd, SIZE_BYTES as u64).unwrap();
    fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    let is_mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.contains("mapped-and-dropped")
    };
    let mapping = Mapping::map(&fd, SIZE_BYTES, Access::ReadOnly).unwrap();
    drop(fd);
    assert!(is_mapped());
    assert_eq!(contents(&mapping).len(), SIZE_BYTES);
    drop(mapping);
    assert!(!is_mapped());
}

/// Names another object each time it is asked.
struct Fickle {
    fds: [OwnedFd; 2],
    asked: Cell<usize>,
}

impl AsFd for Fickle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let asked = self.asked.replace(self.asked.get() + 1);
        self.fds[asked.min(1)].as_fd()
    }
}

#[test]
fn what_is_mapped_is_what_was_checked() {
    let sealed = memfd(SIZE_BYTES);
    let writable = Mapping::map(&sealed, SIZE_BYTES, Access::ReadWrite).unwrap();
    writable.view_mut().unwrap().fill(0, 1, 5).unwrap();
    let fickle = Fickle {
        fds: [sealed, memfd_with(SIZE_BYTES, SealFlags::empty())],
        asked: Cell::new(0),
    };
    let mapping = Mapping::map(fickle, SIZE_BYTES, Access::ReadOnly).unwrap();
    assert_eq!(contents(&mapping)[0], 5);
}

#[test]
fn every_refusal_says_something_else() {
    let refusals = [
        MapError::Empty,
        MapError::NotMemfd(Errno::INVAL),
        MapError::NotSealed,
        MapError::HugePages,
        MapError::HolesInHugePages {
            present_bytes: 1,
            size_bytes: 2,
        },
        MapError::PartOfHugePage {
            wanted_bytes: 1,
            page_bytes: 2,
        },
        MapError::TooShort {
            wanted_bytes: 2,
            size_bytes: 1,
        },
        MapError::Os {
            call: "mmap",
            wanted_bytes: 2,
            errno: Errno::NOMEM,
        },
    ];
    let mut texts: Vec<String> = refusals.iter().map(MapError::to_string).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), refusals.len());
    assert_eq!(refusals[7].errno(), Errno::NOMEM);
}

#[test]
fn what_is_no_dma_buf_is_not_mapped_as_one() {
    let fd = memfd(SIZE_BYTES);
    assert!(!wharf_memory::is_dma_buf(&fd));
    let empty = Mapping::map_dma_buf(&fd, 0, Access::ReadOnly).unwrap_err();
    assert_eq!(empty, MapError::Empty);
    let files = [fd, std::fs::File::open("/dev/zero").unwrap().into()];
    for other in files {
        let refused = Mapping::map_dma_buf(&other, 4096, Access::ReadOnly).unwrap_err();
        assert!(matches!(refused, MapError::NotDmaBuf { .. }), "{refused}");
        assert_eq!(refused.errno(), Errno::INVAL);
    }
}

#[test]
fn calls_on_what_is_something_else_are_refused_by_the_kernel() {
    use wharf_memory::ioctl;
    let fd = memfd(SIZE_BYTES);
    let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
    assert_eq!(ioctl::begin_or_end_access(&fd, 1), Err(Errno::NOTTY));
    assert_eq!(ioctl::take_fences(&fd, 1).map(drop), Err(Errno::NOTTY));
    assert_eq!(ioctl::add_fences(&fd, 1, &pipe), Err(Errno::NOTTY));
    assert_eq!(ioctl::set_name(&fd, c"name"), Err(Errno::NOTTY));
    assert_eq!(
        ioctl::allocate(&fd, 4096, OFlags::RDWR).map(drop),
        Err(Errno::NOTTY)
    );
    let part = ioctl::MemoryPart {
        memory: fd.as_fd(),
        offset_bytes: 0,
        len_bytes: 4096,
    };
    assert_eq!(ioctl::make_of_part(&pipe, part).map(drop), Err(Errno::NOTTY));
    assert_eq!(
        ioctl::make_of_parts(&pipe, &[part, part]).map(drop),
        Err(Errno::NOTTY)
    );
    assert_eq!(ioctl::ask(&pipe).map(drop), Err(Errno::NOTTY));
    assert_eq!(ioctl::merge(&pipe, &pipe, [0; 32]).map(drop), Err(Errno::NOTTY));
    assert_eq!(ioctl::hint_deadline(&pipe, 1), Err(Errno::NOTTY));
    assert_eq!(ioctl::make_fence(&pipe, 1).map(drop), Err(Errno::NOTTY));
    assert_eq!(ioctl::advance(&pipe, 1), Err(Errno::NOTTY));
}
