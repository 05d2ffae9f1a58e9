//! Brackets of CPU access. Contract: C3, and what of C5 is page by page.

use std::thread;

use wharf_core::Errno;

use super::{CpuSut, DataDirection, PAGE_BYTES, SIZE, buffer, must, refused};

const DIRECTIONS: [DataDirection; 3] = [
    DataDirection::Bidirectional,
    DataDirection::ToDevice,
    DataDirection::FromDevice,
];

/// C3: what is written in one bracket is read in the next, through any handle, at any place.
pub fn written_bytes_are_read_later<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    let viewer = must(sut.read_only(&buffer));
    sut.put(&buffer, 10, b"wharf");
    sut.put(&buffer, 3 * PAGE_BYTES - 2, b"over a page");
    sut.put(&buffer, SIZE - 3, b"end");
    assert_eq!(sut.look(&viewer, 10, 5), b"wharf");
    assert_eq!(sut.look(&buffer, 3 * PAGE_BYTES - 2, 11), b"over a page");
    assert_eq!(sut.look(&viewer, SIZE - 3, 3), b"end");
    assert_eq!(sut.look(&viewer, 9, 1), [0], "wrote before the place");
}

/// C3: a bracket for both ways reads what it has written.
pub fn bidirectional_bracket_reads_its_own_writes<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    let access = must(sut.begin_all(&buffer, DataDirection::Bidirectional));
    must(sut.write(&access, 100, &[1, 2, 3]));
    let mut seen = [0; 3];
    must(sut.read(&access, 100, &mut seen));
    assert_eq!(seen, [1, 2, 3]);
    must(sut.end(access));
}

/// C3: a bracket around nothing, or over the end, is refused, and nothing has begun.
pub fn bracket_outside_the_buffer_is_refused<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    for bytes in [0..SIZE + 1, SIZE..SIZE + 1, SIZE - 1..u64::MAX, 7..7, SIZE..SIZE] {
        for direction in DIRECTIONS {
            refused(sut.begin(&buffer, bytes.clone(), direction), Errno::EINVAL);
        }
    }
    sut.put(&buffer, 0, &[1]);
}

/// C3, C5: bytes past the end of the buffer do not exist, whatever is open.
pub fn bytes_past_the_end_are_refused<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    let access = must(sut.begin_all(&buffer, DataDirection::Bidirectional));
    for offset in [SIZE, SIZE + PAGE_BYTES, SIZE * 1000] {
        refused(sut.read(&access, offset, &mut [0]), Errno::EINVAL);
        refused(sut.write(&access, offset, &[1]), Errno::EINVAL);
    }
    refused(sut.read(&access, SIZE - 1, &mut [0; 2]), Errno::EINVAL);
    refused(sut.write(&access, SIZE - 1, &[1; 2]), Errno::EINVAL);
    must(sut.end(access));
}

/// C3, C5: a bracket around a part gives that part and no other byte. Of the kernel's interface to users, which has no ranges, this is left out.
pub fn bracket_gives_its_part_only<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    let access = must(sut.begin(&buffer, PAGE_BYTES..PAGE_BYTES + 64, DataDirection::Bidirectional));
    must(sut.write(&access, PAGE_BYTES, &[1; 64]));
    must(sut.read(&access, PAGE_BYTES + 60, &mut [0; 4]));
    for offset in [0, PAGE_BYTES - 1, PAGE_BYTES + 61, 2 * PAGE_BYTES] {
        refused(sut.read(&access, offset, &mut [0; 4]), Errno::EINVAL);
        refused(sut.write(&access, offset, &[1; 4]), Errno::EINVAL);
    }
    must(sut.end(access));
    assert_eq!(sut.look(&buffer, PAGE_BYTES - 1, 66)[1..65], [1; 64]);
}

/// C3: through a read-only handle the CPU reads, and cannot begin to write. The kernel's core does not look at the mode of the descriptor here.
pub fn read_only_handle_begins_no_writing<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    sut.put(&buffer, 0, b"seen");
    let viewer = must(sut.read_only(&must(sut.read_only(&buffer))));
    for direction in [DataDirection::ToDevice, DataDirection::Bidirectional] {
        refused(sut.begin_all(&viewer, direction), Errno::EACCES);
        refused(
            sut.begin_all(&sut.another_handle(&viewer), direction),
            Errno::EACCES,
        );
    }
    assert_eq!(sut.look(&viewer, 0, 4), b"seen");
    sut.put(&buffer, 0, b"more");
}

/// C3: a bracket gives what it was opened for. The kernel tells exporters the direction and then looks away.
pub fn bracket_gives_its_direction_only<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    let reading = must(sut.begin_all(&buffer, DataDirection::FromDevice));
    refused(sut.write(&reading, 0, &[1]), Errno::EACCES);
    must(sut.read(&reading, 0, &mut [0]));
    must(sut.end(reading));
    let writing = must(sut.begin_all(&buffer, DataDirection::ToDevice));
    refused(sut.read(&writing, 0, &mut [0]), Errno::EACCES);
    must(sut.write(&writing, 0, &[1]));
    must(sut.end(writing));
    assert_eq!(sut.look(&buffer, 0, 1), [1]);
}

/// C3: brackets overlap as they like, and end in any order. Mirrors `DMA_BUF_IOCTL_SYNC`, which counts nothing and knows no owner.
pub fn brackets_overlap<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    let outer = must(sut.begin_all(&buffer, DataDirection::Bidirectional));
    let inner = must(sut.begin_all(&buffer, DataDirection::ToDevice));
    must(sut.write(&inner, 0, &[1]));
    must(sut.write(&outer, 1, &[2]));
    must(sut.end(outer));
    must(sut.write(&inner, 2, &[3]));
    must(sut.end(inner));
    assert_eq!(sut.look(&buffer, 0, 3), [1, 2, 3]);
}

/// C3: a bracket that is dropped is closed, with what was written in it.
pub fn dropped_bracket_is_closed<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    let access = must(sut.begin_all(&buffer, DataDirection::ToDevice));
    must(sut.write(&access, 5, &[7]));
    drop(access);
    assert_eq!(sut.look(&buffer, 5, 1), [7]);
}

/// C3: threads have brackets of their own, on the same buffer at the same time.
pub fn threads_have_their_own_brackets<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    thread::scope(|scope| {
        for number in 1..=4_u8 {
            let handle = sut.another_handle(&buffer);
            scope.spawn(move || {
                let place = u64::from(number) * 512;
                for _ in 0..50 {
                    sut.put(&handle, place, &[number; 512]);
                    assert_eq!(sut.look(&handle, place, 512), [number; 512]);
                }
            });
        }
    });
}
