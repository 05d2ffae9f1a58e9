//! What holds a buffer does so without a gap.

use std::sync::{Arc, Mutex};

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::ToDevice;
use wharf_core::MismatchPolicy::PinOnMap;
use wharf_core::{Backing, MoveError};

use super::Hooked;
use crate::support::{HIGH, Heap, LOW, Told, any, contiguous, forever};

/// Between the pin of a mapping and its entry in the list, the lock is not given up: what others left for the holder is done with it.
#[test]
fn mapping_of_a_static_importer_holds_the_buffer_before_the_lock_is_given_up() {
    let hooked = Hooked::new(Heap::dynamic(Backing::At(contiguous(HIGH))));
    let heap = hooked.heap.clone();
    let buffer = hooked.export(PinOnMap);
    let screen = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let old = Mutex::new(Some(gpu.map_unlocked(ToDevice, &forever()).unwrap()));
    let moved = Arc::new(Mutex::new(None));
    let (mover, outcome) = (heap.clone(), Arc::clone(&moved));
    hooked.on_call(move |call, guard| match (call, guard) {
        ("map", _) => drop(old.lock().unwrap().take()),
        ("unmap", Some(guard)) => {
            let moved = mover.control().move_buffer(guard, || {
                mover.set_place(LOW);
                Ok(())
            });
            outcome.lock().unwrap().get_or_insert(moved);
        }
        _ => (),
    });
    let mapping = screen.map(ToDevice, &forever()).unwrap();
    let moved = moved.lock().unwrap().take().unwrap();
    assert!(matches!(moved, Err(MoveError::Held { .. })), "{moved:?}");
    assert_eq!(heap.backing_now(), Backing::At(contiguous(HIGH)));
    drop(mapping);
}
