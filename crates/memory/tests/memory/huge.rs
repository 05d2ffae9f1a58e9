//! Places for huge pages, huge pages, and locked pages. What needs a pool of huge pages is tested in `wharf-linux`.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create};
use rustix::io::Errno;
use wharf_memory::{Access, CHUNK_BYTES, MapError, Mapping};

use crate::support::{contents, memfd, memfd_with};

/// A memfd of huge pages, none of which is allocated.
fn empty_hugetlb(seals: SealFlags) -> Option<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    let Ok(fd) = memfd_create("huge", flags) else {
        eprintln!("SKIPPED: this kernel has no huge pages of 2 MiB");
        return None;
    };
    ftruncate(&fd, 2 * CHUNK_BYTES as u64).unwrap();
    fcntl_add_seals(&fd, seals).unwrap();
    Some(fd)
}

#[test]
fn huge_pages_that_can_be_taken_away_are_refused() {
    let Some(fd) = empty_hugetlb(SealFlags::SHRINK) else {
        return;
    };
    for access in [Access::ReadOnly, Access::ReadWrite] {
        assert_eq!(
            Mapping::map(&fd, CHUNK_BYTES, access).unwrap_err(),
            MapError::HugePages
        );
    }
}

#[test]
fn huge_pages_that_are_not_there_are_refused() {
    let Some(fd) = empty_hugetlb(SealFlags::SHRINK | SealFlags::FUTURE_WRITE) else {
        return;
    };
    let holes = MapError::HolesInHugePages {
        present_bytes: 0,
        size_bytes: 2 * CHUNK_BYTES as u64,
    };
    assert_eq!(
        Mapping::map(&fd, CHUNK_BYTES, Access::ReadOnly).unwrap_err(),
        holes
    );
}

#[test]
fn part_of_a_huge_page_is_refused() {
    let Some(fd) = empty_hugetlb(SealFlags::SHRINK) else {
        return;
    };
    let error = Mapping::map(&fd, 4096, Access::ReadOnly).unwrap_err();
    let part = MapError::PartOfHugePage {
        wanted_bytes: 4096,
        page_bytes: CHUNK_BYTES as u64,
    };
    assert_eq!(error, part);
    assert_eq!(error.errno(), Errno::INVAL);
}

#[test]
fn last_writer_shuts_the_others_out() {
    let fd = memfd(8192);
    let mapping = Mapping::map_as_last_writer(&fd, 8192).unwrap();
    assert!(fcntl_get_seals(&fd).unwrap().contains(SealFlags::FUTURE_WRITE));
    mapping.view_mut().unwrap().copy_from(0, b"last").unwrap();
    let refused = Mapping::map(&fd, 8192, Access::ReadWrite).unwrap_err();
    assert_eq!(refused.errno(), Errno::PERM);
    let reader = Mapping::map(&fd, 8192, Access::ReadOnly).unwrap();
    assert_eq!(contents(&reader)[..4], *b"last");
}

#[test]
fn last_writer_needs_memory_that_takes_its_seal() {
    let fd = memfd_with(8192, SealFlags::SHRINK | SealFlags::SEAL);
    let refused = Mapping::map_as_last_writer(&fd, 8192).unwrap_err();
    assert_eq!(refused.errno(), Errno::PERM);
}

#[test]
fn mappings_of_whole_huge_pages_are_aligned_to_them() {
    let small = memfd(4096);
    // Small mappings between them, so that alignment does not come by chance.
    let mut keep = Vec::new();
    for chunks in 1..6 {
        let len_bytes = chunks * CHUNK_BYTES;
        let mapping = Mapping::map(memfd(len_bytes), len_bytes, Access::ReadWrite).unwrap();
        assert!(mapping.start_address().is_multiple_of(CHUNK_BYTES));
        let last = mapping.view_mut().unwrap().fill(len_bytes - 1, 1, 7);
        assert!(last.is_ok(), "all of it is mapped");
        keep.push(mapping);
        keep.push(Mapping::map(&small, 4096, Access::ReadOnly).unwrap());
    }
}

#[test]
fn huge_pages_keep_contents_and_give_zeroes_elsewhere() {
    let len_bytes = 2 * CHUNK_BYTES;
    let fd = memfd(len_bytes);
    let mapping = Mapping::map(&fd, len_bytes, Access::ReadWrite).unwrap();
    mapping
        .view_mut()
        .unwrap()
        .copy_from(CHUNK_BYTES + 5000, b"kept")
        .unwrap();
    // Contents must survive whether it succeeds or not.
    let assembled = mapping.assemble_huge_pages();
    let mut expected = vec![0; len_bytes];
    expected[CHUNK_BYTES + 5000..CHUNK_BYTES + 5004].copy_from_slice(b"kept");
    assert!(contents(&mapping) == expected, "contents changed");
    let present_bytes = rustix::fs::fstat(&fd).unwrap().st_blocks * 512;
    assert!(
        assembled.is_err() || present_bytes == len_bytes as i64,
        "{present_bytes} bytes have pages"
    );
}

#[test]
fn locked_pages_are_counted_until_the_mapping_is_dropped() {
    // Alone in a process this would be a comparison of VmLck; beside other tests the pages of one mapping are looked at.
    let locked_kib = |mapping: &Mapping| {
        let start = format!("{:x}-", mapping.start_address());
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&start));
        let line = lines.find(|line| line.starts_with("Locked:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let mapping = Mapping::map(memfd(16384), 16384, Access::ReadOnly).unwrap();
    assert_eq!(locked_kib(&mapping), 0);
    mapping.lock().unwrap();
    assert_eq!(locked_kib(&mapping), 16);
}
