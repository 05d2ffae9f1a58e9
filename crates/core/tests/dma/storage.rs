use wharf_core::Errno;
use wharf_core::dma::{PhysicalRun, Storage, StorageError};

fn storage(runs: &[(u64, u64)]) -> Result<Storage, StorageError> {
    let run = |(address, length_bytes): &(u64, u64)| PhysicalRun {
        address: *address,
        length_bytes: *length_bytes,
    };
    Storage::new(runs.iter().map(run))
}

#[test]
fn runs_stay_in_the_order_of_the_buffer() {
    let storage = storage(&[(0x9000, 0x1000), (0x1000, 0x2000)]).unwrap();
    assert_eq!(storage.size_bytes(), 0x3000);
    assert_eq!(storage.runs()[0].address, 0x9000);
    assert!(!storage.is_contiguous());
}

#[test]
fn runs_that_follow_each_other_are_joined_only_in_that_order() {
    assert!(
        storage(&[(0x1000, 0x1000), (0x2000, 0x1000)])
            .unwrap()
            .is_contiguous()
    );
    assert_eq!(
        storage(&[(0x2000, 0x1000), (0x1000, 0x1000)])
            .unwrap()
            .runs()
            .len(),
        2
    );
}

#[test]
fn no_run_at_all_is_no_storage() {
    assert_eq!(storage(&[]), Err(StorageError::Empty));
}

#[test]
fn runs_are_in_whole_pages_and_not_empty() {
    for (address, length_bytes) in [(0x1000, 0), (0x1000, 0x800), (0x800, 0x1000)] {
        let expected = StorageError::Unaligned {
            run: 1,
            address,
            length_bytes,
        };
        assert_eq!(
            storage(&[(0x8000, 0x1000), (address, length_bytes)]),
            Err(expected)
        );
    }
}

#[test]
fn last_page_of_all_addresses_is_usable_and_no_more() {
    let last = u64::MAX - 0xfff;
    assert_eq!(storage(&[(last, 0x1000)]).unwrap().size_bytes(), 0x1000);
    let past = StorageError::Overflow {
        run: 0,
        address: last,
        length_bytes: 0x2000,
    };
    assert_eq!(storage(&[(last, 0x2000)]), Err(past));
}

#[test]
fn total_of_disjoint_runs_fits_in_64_bits_unless_they_are_all_memory() {
    let almost = storage(&[(0x1000, u64::MAX - 0xfff)]);
    assert_eq!(almost.unwrap().size_bytes(), u64::MAX - 0xfff);
    let all = storage(&[(0x1000, u64::MAX - 0xfff), (0, 0x1000)]);
    assert!(
        matches!(all, Err(StorageError::Overflow { run: 1, .. })),
        "{all:?}"
    );
}

#[test]
fn overlap_names_both_runs_as_given() {
    let overlap = storage(&[(0x5000, 0x2000), (0x1000, 0x1000), (0x4000, 0x2000)]);
    let expected = StorageError::Overlap {
        first: 0,
        second: 2,
        address: 0x5000,
    };
    assert_eq!(overlap, Err(expected));
    let same = storage(&[(0x1000, 0x1000), (0x1000, 0x1000)]);
    assert_eq!(
        same,
        Err(StorageError::Overlap {
            first: 0,
            second: 1,
            address: 0x1000
        })
    );
}

#[test]
fn errors_have_their_numbers_and_words() {
    let errors = [
        (
            StorageError::Empty,
            Errno::EINVAL,
            "storage without memory; give at least one run",
        ),
        (
            StorageError::Unaligned {
                run: 0,
                address: 0x800,
                length_bytes: 0,
            },
            Errno::EINVAL,
            "run 0 at 0x800 has 0 bytes; both must be multiples of 4096, and the length not zero",
        ),
        (
            StorageError::Overflow {
                run: 1,
                address: 0x1000,
                length_bytes: 4096,
            },
            Errno::EOVERFLOW,
            "run 1 at 0x1000 of 4096 bytes goes past the end of 64-bit numbers",
        ),
        (
            StorageError::Overlap {
                first: 0,
                second: 1,
                address: 0x1000,
            },
            Errno::EINVAL,
            "runs 0 and 1 share the memory at 0x1000",
        ),
    ];
    for (error, errno, words) in errors {
        assert_eq!((error.errno(), error.to_string().as_str()), (errno, words));
    }
}
