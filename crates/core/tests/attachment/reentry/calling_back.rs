//! Importers and exporters that call the framework from where it calls them.

use std::sync::{Arc, Mutex, OnceLock};

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::ToDevice;
use wharf_core::MismatchPolicy::MapAtAttach;
use wharf_core::{Backing, DynamicAttachment, DynamicMapping, Errno, Importer, Notice};

use super::{Hooked, in_bounded_time};
use crate::support::{HIGH, Heap, LOW, any, contiguous, forever, low_only};

/// Maps anew as soon as it is told, as the guard that it is given allows.
#[derive(Default)]
struct Eager {
    attachment: OnceLock<DynamicAttachment>,
    mappings: Mutex<Vec<DynamicMapping>>,
}

impl Importer for Eager {
    fn move_notify(&self, notice: &Notice<'_>) {
        let mapping = self
            .attachment
            .get()
            .unwrap()
            .map(notice.guard, ToDevice)
            .unwrap();
        self.mappings.lock().unwrap().push(mapping);
    }
}

/// The move is made for a late device, before anybody has mapped the buffer.
#[test]
fn importer_may_map_while_it_is_told_of_a_move() {
    let address = in_bounded_time(|| {
        let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
        let buffer = heap.export(MapAtAttach);
        let eager = Arc::new(Eager::default());
        let gpu = buffer
            .attach_dynamic(&any("gpu"), ReadWrite, eager.clone(), &forever())
            .unwrap();
        assert!(eager.attachment.set(gpu).is_ok());
        let _late = buffer.attach(&low_only("late"), ReadWrite, &forever()).unwrap();
        let mapping = eager.mappings.lock().unwrap().pop().unwrap();
        assert!(mapping.is_current());
        mapping.segments()[0].address
    });
    assert_eq!(address, LOW);
}

/// It is a mistake, and must not become a hang.
#[test]
fn exporter_that_needs_its_memory_while_it_allocates_it_is_refused() {
    let errno = in_bounded_time(|| {
        let hooked = Hooked::new(Heap::new_static(Backing::Deferred));
        let buffer = hooked.export(MapAtAttach);
        let weak = buffer.downgrade();
        let seen = Arc::new(Mutex::new(None));
        let inner = Arc::clone(&seen);
        hooked.on_call(move |call, _| {
            if call == "allocate" {
                let refused = weak
                    .upgrade()
                    .unwrap()
                    .begin_cpu_access(.., ToDevice)
                    .unwrap_err();
                *inner.lock().unwrap() = Some(refused.errno());
            }
        });
        let gpu = buffer.attach(&any("gpu"), ReadWrite, &forever()).unwrap();
        drop(gpu.map(ToDevice, &forever()).unwrap());
        seen.lock().unwrap().take()
    });
    assert_eq!(errno, Some(Errno::EIO));
}

#[test]
fn exporter_that_panics_when_asked_whether_it_keeps_mappings_gets_the_mapping_back() {
    let hooked = Hooked::new(Heap::caching(Backing::At(contiguous(LOW))));
    let buffer = hooked.export(MapAtAttach);
    let gpu = buffer.attach(&any("gpu"), ReadWrite, &forever()).unwrap();
    hooked.on_call(|call, _| assert!(call != "caches_mappings", "told to panic"));
    hooked.heap.log().take();
    let error = gpu.map(ToDevice, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EIO);
    let log = hooked.heap.log().take();
    let count = |call| log.iter().filter(|entry| entry.starts_with(call)).count();
    assert_eq!(count("map "), count("unmap "), "{log:?}");
}

/// Gives up everything it has, the last handle of the buffer too, as soon as it is told.
#[derive(Default)]
struct Quitter {
    everything: Mutex<Option<Box<dyn Send>>>,
}

impl Importer for Quitter {
    fn move_notify(&self, _: &Notice<'_>) {
        drop(self.everything.lock().unwrap().take());
    }
}

#[test]
fn importer_may_give_up_everything_while_it_is_told_of_a_move() {
    let log = in_bounded_time(|| {
        let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
        let buffer = heap.export(MapAtAttach);
        let quitter = Arc::new(Quitter::default());
        let gpu = buffer
            .attach_dynamic(&any("gpu"), ReadWrite, quitter.clone(), &forever())
            .unwrap();
        let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
        *quitter.everything.lock().unwrap() = Some(Box::new((mapping, gpu, buffer)));
        heap.log().take();
        let control = heap.control().clone();
        let guard = control.reservation().lock(&forever()).unwrap();
        let idle = control.move_buffer(&guard, || Ok(())).unwrap();
        assert!(!idle.is_signaled(), "it is unmapped under the lock, after this");
        drop(guard);
        assert!(idle.is_signaled());
        heap.log().take()
    });
    assert_eq!(
        log,
        [
            "moved locked",
            "unmap ToDevice at 0x100000000 locked",
            "detach gpu unlocked",
            "release"
        ]
    );
}
