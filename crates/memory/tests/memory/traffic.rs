//! Bytes through views are counted.

use wharf_memory::bytes_moved;

use crate::support::mapping;

/// How many bytes `action` moves, by the count of this thread.
fn moved(action: impl FnOnce()) -> u64 {
    let before = bytes_moved();
    action();
    bytes_moved() - before
}

#[test]
fn reads_writes_and_fills_count_their_bytes() {
    let mapping = mapping(4096);
    let view = mapping.view_mut().unwrap();
    assert_eq!(moved(|| view.copy_from(3, &[1; 100]).unwrap()), 100);
    assert_eq!(moved(|| view.as_view().copy_to(50, &mut [0; 33]).unwrap()), 33);
    assert_eq!(moved(|| view.fill(1, 4095, 9).unwrap()), 4095);
    assert_eq!(moved(|| view.copy_from(0, &[]).unwrap()), 0);
}

#[test]
fn what_is_refused_or_only_looked_at_counts_nothing() {
    let mapping = mapping(4096);
    let view = mapping.view_mut().unwrap();
    let refused = moved(|| {
        assert!(view.copy_from(4090, &[0; 7]).is_err());
        assert!(view.as_view().copy_to(4090, &mut [0; 7]).is_err());
        assert!(view.fill(4090, 7, 0).is_err());
        assert!(view.subview(0, 4096).is_ok());
    });
    assert_eq!(refused, 0);
}

#[test]
fn threads_are_counted_apart() {
    let mapping = mapping(4096);
    let others = || {
        std::thread::scope(|scope| {
            let fill = || moved(|| mapping.view_mut().unwrap().fill(0, 4096, 1).unwrap());
            scope.spawn(fill).join().unwrap()
        })
    };
    let mut by_the_other = 0;
    assert_eq!(moved(|| by_the_other = others()), 0);
    assert_eq!(by_the_other, 4096);
}
