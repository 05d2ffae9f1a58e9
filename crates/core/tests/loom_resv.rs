//! Models of reservations, and of what buffers make of them, on the real code with loom's locks and atomics.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-core --test loom_resv`. A lost wake-up leaves threads asleep, which loom
//! reports as a deadlock.
//!
//! What is not modelled: the reference counts of the standard library's `Arc`. Loom switches threads at its own locks and atomics only, so
//! that a count never changes in the middle of something. Where a model is about the last handle, a [`Crossing`] before and after makes
//! threads switch there too.
#![cfg(loom)]

use std::sync::{Arc, OnceLock};

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use wharf_core::dma::{DeviceUse, PhysicalRun};
use wharf_core::{
    AccessMode, AcquireCtx, AttachmentInfo, DataDirection, Device, DmaBuf, DmaExporter, DmaLimits,
    DynamicAttachment, DynamicExporter, DynamicMapping, ExportInfo, Exporter, ExporterControl, Fence,
    FenceContext, Importer, Interrupt, MapOps, MapRequest, Notice, RESERVATION_CLASS, Refusal, Reservation,
    ReservationGuard, SgTable, Storage, UniqueFence, Usage, Wait,
};

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn context() -> FenceContext {
    FenceContext::new("model", "queue")
}

fn add(guard: &ReservationGuard<'_>, owner: &UniqueFence, usage: Usage) {
    guard.reserve_fences(1).unwrap();
    guard.add_fence(&owner.fence(), usage).unwrap();
}

fn lock(reservation: &Reservation) -> ReservationGuard<'_> {
    reservation.lock(&Wait::forever()).unwrap()
}

fn seen(reservation: &Reservation) -> Vec<Fence> {
    reservation
        .fences(Usage::Bookkeep)
        .map(|(fence, _)| fence)
        .collect()
}

/// A writer goes through four states. A reader sees whole ones, and never goes back.
#[test]
fn reader_sees_whole_states_in_their_order() {
    check(5, || {
        let (reservation, context, other) = (Reservation::new(), context(), context());
        let (first, second, preempted) = (context.fence(1), context.fence(2), context.fence(3));
        let third = other.fence(1);
        add(&lock(&reservation), &first, Usage::Write);
        let states = [
            vec![first.fence()],
            vec![second.fence()],
            vec![second.fence(), third.fence()],
            vec![preempted.fence(), third.fence()],
        ];
        let writer = {
            let reservation = Arc::clone(&reservation);
            let (context, preempted) = (context.id(), preempted.fence());
            thread::spawn(move || {
                let guard = lock(&reservation);
                // More than there is room for.
                guard.reserve_fences(16).unwrap();
                add(&guard, &second, Usage::Write);
                add(&guard, &third, Usage::Read);
                guard.replace_fences(context, &preempted, Usage::Write).unwrap();
                // Signaled only when the reader is through.
                (second, third)
            })
        };
        let place = |seen: Vec<Fence>| {
            states
                .iter()
                .position(|state| *state == seen)
                .expect("a whole state")
        };
        let (before, after) = (place(seen(&reservation)), place(seen(&reservation)));
        assert!(before <= after, "from state {before} back to {after}");
        let owners = writer.join().unwrap();
        assert_eq!(place(seen(&reservation)), 3);
        drop(owners);
    });
}

/// Whoever waits while fences are added and replaced sees the work of those that were there before.
#[test]
fn wait_during_changes_ends_after_the_work() {
    check(5, || {
        let (reservation, context, work) = (Reservation::new(), context(), Arc::new(AtomicUsize::new(0)));
        let (first, second) = (context.fence(1), context.fence(2));
        add(&lock(&reservation), &first, Usage::Write);
        let writer = {
            let (reservation, work) = (Arc::clone(&reservation), Arc::clone(&work));
            thread::spawn(move || {
                add(&lock(&reservation), &second, Usage::Write);
                work.store(1, Relaxed);
                first.signal();
                second.signal();
            })
        };
        reservation.wait(Usage::Read, &Wait::forever()).unwrap();
        assert_eq!(work.load(Relaxed), 1, "over before the work was");
        writer.join().unwrap();
        assert!(reservation.is_signaled(Usage::Bookkeep));
    });
}

const SIZE: u64 = 4096;

/// A dynamic exporter: where its memory is, how often it was asked, and whether two threads were inside at once. All kept with the
/// weakest ordering: the reservation has to provide the rest.
#[derive(Clone)]
struct Heap(Arc<HeapState>);

struct HeapState {
    place: AtomicUsize,
    inside: AtomicUsize,
    mapped: AtomicUsize,
    unmapped: AtomicUsize,
    detached: AtomicUsize,
    released: AtomicUsize,
    control: OnceLock<ExporterControl>,
}

impl Heap {
    fn export() -> (Self, DmaBuf) {
        let heap = Self(Arc::new(HeapState {
            place: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            mapped: AtomicUsize::new(0),
            unmapped: AtomicUsize::new(0),
            detached: AtomicUsize::new(0),
            released: AtomicUsize::new(0),
            control: OnceLock::new(),
        }));
        let buffer = DmaBuf::export(ExportInfo::new(heap.clone(), SIZE)).unwrap();
        (heap, buffer)
    }

    /// What every call under the lock does. Not a read-modify-write: without the lock, calls are lost and this is noticed.
    fn enter(&self, counter: &AtomicUsize) {
        let alone = self.0.inside.load(Relaxed) == 0;
        self.0.inside.store(1, Relaxed);
        counter.store(counter.load(Relaxed) + if alone { 1 } else { 100 }, Relaxed);
        self.0.inside.store(0, Relaxed);
    }

    fn assert_unmapped(&self, times: usize) {
        assert_eq!(self.0.unmapped.load(Relaxed), times, "unmapped");
    }

    /// Moves the memory.
    fn relocate(&self, guard: &ReservationGuard<'_>) -> Fence {
        let control = self.0.control.get().unwrap();
        control
            .move_buffer(guard, || {
                self.0.place.store(self.0.place.load(Relaxed) + 1, Relaxed);
                Ok(())
            })
            .unwrap()
    }
}

impl Exporter for Heap {
    fn name(&self) -> &str {
        "heap"
    }

    fn exported(&self, control: ExporterControl) {
        let _ = self.0.control.set(control);
    }

    fn map_ops(&self) -> MapOps<'_> {
        MapOps::Dynamic(self)
    }

    fn release(&mut self) {
        self.0.released.fetch_add(1, Relaxed);
    }
}

impl DmaExporter for Heap {
    fn detach(&self, _: &AttachmentInfo) {
        self.0.detached.fetch_add(1, Relaxed);
    }
}

impl DynamicExporter for Heap {
    fn pin(&self, _: &ReservationGuard<'_>, _: &AttachmentInfo) -> Result<(), Refusal> {
        Ok(())
    }

    fn unpin(&self, _: &ReservationGuard<'_>, _: &AttachmentInfo) {}

    fn map(&self, _: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.enter(&self.0.mapped);
        let run = PhysicalRun {
            address: SIZE * self.0.place.load(Relaxed) as u64,
            length_bytes: SIZE,
        };
        request
            .attachment
            .map(&Storage::new([run]).unwrap(), request.direction)
    }

    fn unmap(&self, _: &ReservationGuard<'_>, _: &MapRequest<'_>, _: &SgTable) {
        self.enter(&self.0.unmapped);
    }
}

struct Silent;

impl Importer for Silent {
    fn move_notify(&self, _: &Notice<'_>) {}
}

fn device() -> DeviceUse {
    Device::new("gpu", DmaLimits::unconstrained())
        .unwrap()
        .using_all()
        .unwrap()
}

fn attach(buffer: &DmaBuf) -> DynamicAttachment {
    buffer
        .attach_dynamic(
            &device(),
            AccessMode::ReadWrite,
            Arc::new(Silent),
            &Wait::forever(),
        )
        .unwrap()
}

fn map(attachment: &DynamicAttachment) -> DynamicMapping {
    attachment
        .map_unlocked(DataDirection::ToDevice, &Wait::forever())
        .unwrap()
}

#[test]
fn mapping_dropped_while_another_thread_unlocks_is_unmapped_once_by_one_of_them() {
    check(4, || {
        let (heap, buffer) = Heap::export();
        let attachment = attach(&buffer);
        let mapping = map(&attachment);
        let guard = lock(buffer.reservation());
        let dropper = thread::spawn(move || drop(mapping));
        drop(guard);
        dropper.join().unwrap();
        heap.assert_unmapped(1);
        assert!(!buffer.reservation().is_locked());
    });
}

/// The lock may go through a third hand, and two may leave work at once.
#[test]
fn mappings_dropped_while_the_lock_goes_from_hand_to_hand_are_all_unmapped() {
    check(2, || {
        let (heap, buffer) = Heap::export();
        let attachment = attach(&buffer);
        let mappings = [map(&attachment), map(&attachment)];
        let guard = lock(buffer.reservation());
        let droppers = mappings.map(|mapping| thread::spawn(move || drop(mapping)));
        let next = {
            let reservation = Arc::clone(buffer.reservation());
            thread::spawn(move || drop(lock(&reservation)))
        };
        drop(guard);
        for thread in droppers.into_iter().chain([next]) {
            thread.join().unwrap();
        }
        heap.assert_unmapped(2);
        assert!(!buffer.reservation().is_locked());
    });
}

/// Who waits for the lock and gives up does not take the others' question for a look along.
#[test]
fn mapping_dropped_while_a_waiter_gives_up_is_unmapped() {
    check(3, || {
        let (heap, buffer) = Heap::export();
        let attachment = attach(&buffer);
        let (mapping, interrupt) = (map(&attachment), Interrupt::new());
        let guard = lock(buffer.reservation());
        let waiter = {
            let (reservation, interrupt) = (Arc::clone(buffer.reservation()), interrupt.clone());
            thread::spawn(move || {
                let bounds = Wait::forever().interruptible(&interrupt);
                drop(reservation.lock(&bounds));
            })
        };
        let dropper = thread::spawn(move || {
            drop(mapping);
            interrupt.raise();
        });
        drop(guard);
        waiter.join().unwrap();
        dropper.join().unwrap();
        heap.assert_unmapped(1);
        assert!(!buffer.reservation().is_locked());
    });
}

/// The same with a context that backs off in between.
#[test]
fn mapping_dropped_while_a_context_locks_all_is_unmapped() {
    check(3, || {
        let (heap, buffer) = Heap::export();
        let (attachment, other) = (attach(&buffer), Reservation::new());
        let mapping = map(&attachment);
        let locker = {
            let (own, other) = (Arc::clone(buffer.reservation()), Arc::clone(&other));
            thread::spawn(move || {
                let context = AcquireCtx::injecting_deadlocks(&RESERVATION_CLASS);
                drop(Reservation::lock_all(&context, &[&own, &other], &Wait::forever()).unwrap());
            })
        };
        drop(mapping);
        locker.join().unwrap();
        heap.assert_unmapped(1);
        assert!(!buffer.reservation().is_locked() && !other.is_locked());
    });
}

/// Where threads meet: loom tries both orders in which two of them come here.
#[derive(Clone)]
struct Crossing(Arc<AtomicUsize>);

impl Crossing {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn pass(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Handles, attachment and mapping go on two threads: the exporter hears the end of each, once, and in the right order.
#[test]
fn everything_dropped_on_two_threads_ends_once() {
    check(4, || {
        let ((heap, buffer), crossing) = (Heap::export(), Crossing::new());
        let attachment = attach(&buffer);
        let mapping = map(&attachment);
        let dropper = {
            let crossing = crossing.clone();
            thread::spawn(move || {
                crossing.pass();
                drop(mapping);
                crossing.pass();
                drop(buffer);
            })
        };
        crossing.pass();
        drop(attachment);
        crossing.pass();
        dropper.join().unwrap();
        heap.assert_unmapped(1);
        assert_eq!(heap.0.detached.load(Relaxed), 1, "detached");
        assert_eq!(heap.0.released.load(Relaxed), 1, "released");
    });
}

#[test]
fn mapping_made_during_a_move_is_old_and_knows_it_or_finds_the_new_place() {
    check(4, || {
        let (heap, buffer) = Heap::export();
        let attachment = attach(&buffer);
        let mover = {
            let (heap, reservation) = (heap.clone(), Arc::clone(buffer.reservation()));
            thread::spawn(move || {
                let guard = lock(&reservation);
                heap.relocate(&guard)
            })
        };
        let mapping = map(&attachment);
        let idle = mover.join().unwrap();
        let found_new = mapping.segments()[0].address == SIZE;
        assert_eq!(mapping.is_current(), found_new);
        assert_eq!(
            idle.is_signaled(),
            found_new,
            "idle while the old mapping is there, or busy without"
        );
        drop(mapping);
        assert!(idle.is_signaled());
    });
}

/// The old mapping goes while its place is being left: the place is idle only when the exporter has the mapping back.
#[test]
fn old_place_is_idle_only_after_its_mappings_are_gone() {
    check(4, || {
        let (heap, buffer) = Heap::export();
        let attachment = attach(&buffer);
        let mapping = map(&attachment);
        let dropper = thread::spawn(move || drop(mapping));
        let guard = lock(buffer.reservation());
        let idle = heap.relocate(&guard);
        if idle.is_signaled() {
            heap.assert_unmapped(1);
        }
        drop(guard);
        idle.wait(&Wait::forever()).unwrap();
        heap.assert_unmapped(1);
        dropper.join().unwrap();
        heap.assert_unmapped(1);
    });
}

/// Of the last drop and an upgrade one comes first: the exporter is released once, and never while an upgraded handle lives.
#[test]
fn buffer_is_released_once_and_not_while_an_upgraded_handle_lives() {
    check(4, || {
        let ((heap, buffer), crossing) = (Heap::export(), Crossing::new());
        let weak = buffer.downgrade();
        let upgrader = {
            let (heap, crossing) = (heap.clone(), crossing.clone());
            thread::spawn(move || {
                crossing.pass();
                let Some(upgraded) = weak.upgrade() else {
                    return;
                };
                drop(lock(upgraded.reservation()));
                crossing.pass();
                assert_eq!(heap.0.released.load(Relaxed), 0, "released under a handle");
                drop(upgraded);
            })
        };
        // The last handle is one that a mapping has.
        let mapping = map(&attach(&buffer));
        drop(buffer);
        crossing.pass();
        drop(mapping);
        crossing.pass();
        upgrader.join().unwrap();
        assert_eq!(heap.0.released.load(Relaxed), 1);
        heap.assert_unmapped(1);
    });
}
