//! Four threads and three buffers in random schedules: everything that can be done to a buffer, at once.
//!
//! Run with `RUSTFLAGS="--cfg shuttle" cargo test --release -p wharf-core --test shuttle_resv`. A failure prints its seed; it comes again with
//! `SHUTTLE_RANDOM_SEED`. A thread that sleeps forever is reported as a deadlock.
#![cfg(shuttle)]

use std::sync::{Arc, OnceLock};

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::{Config, Runner, thread};
use wharf_core::dma::{DeviceUse, PhysicalRun};
use wharf_core::{
    AccessMode, AcquireCtx, AttachmentInfo, DataDirection, Device, DmaBuf, DmaExporter, DmaLimits,
    DynamicAttachment, DynamicExporter, DynamicMapping, ExportInfo, Exporter, ExporterControl, Fence,
    FenceContext, Importer, MapOps, MapRequest, Mapping, Notice, Pin, RESERVATION_CLASS, Refusal,
    Reservation, ReservationGuard, ReservationLockError, SgTable, Storage, UniqueFence, Usage, Wait,
};

const SIZE: u64 = 4096;
const THREADS: usize = 4;
const BUFFERS: usize = 3;
const STEPS: usize = 5;

/// A dynamic exporter that counts. What is wrong is counted too, because panics are contained.
#[derive(Clone)]
struct Heap(Arc<State>);

#[derive(Default)]
struct State {
    inside: AtomicUsize,
    place: AtomicUsize,
    mapped: AtomicUsize,
    pinned: AtomicUsize,
    attached: AtomicUsize,
    released: AtomicUsize,
    wrong: AtomicUsize,
    control: OnceLock<ExporterControl>,
}

impl Heap {
    /// What every call under the lock does: nobody else is inside meanwhile.
    fn enter(&self, guard: &ReservationGuard<'_>) {
        let own = self
            .0
            .control
            .get()
            .is_some_and(|control| guard.guards(control.reservation()));
        let alone = self.0.inside.fetch_add(1, SeqCst) == 0;
        thread::yield_now();
        self.0.inside.fetch_sub(1, SeqCst);
        self.expect(own && alone);
    }

    fn expect(&self, right: bool) {
        self.0.wrong.fetch_add(usize::from(!right), SeqCst);
    }

    fn relocate(&self, guard: &ReservationGuard<'_>) -> Option<Fence> {
        let control = self.0.control.get()?;
        let moved = control.move_buffer(guard, || {
            self.expect(self.0.pinned.load(SeqCst) == 0);
            self.0.place.fetch_add(1, SeqCst);
            Ok(())
        });
        moved.ok()
    }
}

impl Exporter for Heap {
    fn name(&self) -> &str {
        "heap"
    }

    fn exported(&self, control: ExporterControl) {
        self.expect(self.0.control.set(control).is_ok());
    }

    fn map_ops(&self) -> MapOps<'_> {
        MapOps::Dynamic(self)
    }

    fn release(&mut self) {
        self.expect(self.0.attached.load(SeqCst) == 0);
        self.0.released.fetch_add(1, SeqCst);
    }
}

impl DmaExporter for Heap {
    fn attach(&self, _: &AttachmentInfo) -> Result<(), Refusal> {
        self.0.attached.fetch_add(1, SeqCst);
        Ok(())
    }

    fn detach(&self, _: &AttachmentInfo) {
        self.0.attached.fetch_sub(1, SeqCst);
    }
}

impl DynamicExporter for Heap {
    fn pin(&self, guard: &ReservationGuard<'_>, _: &AttachmentInfo) -> Result<(), Refusal> {
        self.enter(guard);
        self.0.pinned.fetch_add(1, SeqCst);
        Ok(())
    }

    fn unpin(&self, guard: &ReservationGuard<'_>, _: &AttachmentInfo) {
        self.enter(guard);
        self.0.pinned.fetch_sub(1, SeqCst);
    }

    fn map(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.enter(guard);
        self.0.mapped.fetch_add(1, SeqCst);
        let run = PhysicalRun {
            address: SIZE * self.0.place.load(SeqCst) as u64,
            length_bytes: SIZE,
        };
        request
            .attachment
            .map(&Storage::new([run]).unwrap(), request.direction)
    }

    fn unmap(&self, guard: &ReservationGuard<'_>, _: &MapRequest<'_>, _: &SgTable) {
        self.enter(guard);
        self.0.mapped.fetch_sub(1, SeqCst);
    }
}

struct Silent;

impl Importer for Silent {
    fn move_notify(&self, _: &Notice<'_>) {}
}

fn device(name: &str) -> DeviceUse {
    Device::new(name, DmaLimits::unconstrained())
        .unwrap()
        .using_all()
        .unwrap()
}

/// One buffer, as all threads see it.
#[derive(Clone)]
struct Shared {
    heap: Heap,
    buffer: DmaBuf,
    gpu: Arc<DynamicAttachment>,
}

impl Shared {
    fn new() -> Self {
        let heap = Heap(Arc::default());
        let buffer = DmaBuf::export(ExportInfo::new(heap.clone(), SIZE)).unwrap();
        let gpu = buffer.attach_dynamic(
            &device("gpu"),
            AccessMode::ReadWrite,
            Arc::new(Silent),
            &Wait::forever(),
        );
        Self {
            heap,
            buffer,
            gpu: Arc::new(gpu.unwrap()),
        }
    }
}

/// What one thread has.
struct Actor {
    shared: Vec<Shared>,
    context: FenceContext,
    fences: Vec<UniqueFence>,
    mappings: Vec<DynamicMapping>,
    screens: Vec<Mapping>,
    pins: Vec<Pin>,
    idle: Vec<Fence>,
}

impl Actor {
    fn pick(&self) -> Shared {
        self.shared[thread_rng().gen_range(0..BUFFERS)].clone()
    }

    fn step(&mut self, seqno: u64) {
        match thread_rng().gen_range(0..8) {
            0 | 1 => self.lock_all(seqno),
            2 => self.lock_by_hand(),
            3 => {
                let mapping = self
                    .pick()
                    .gpu
                    .map_unlocked(DataDirection::ToDevice, &Wait::forever());
                self.mappings.push(mapping.unwrap());
            }
            4 => {
                self.mappings.pop();
                self.pins.pop();
            }
            5 => self.relocate(),
            6 => self.screen(),
            _ => {
                // Whoever waits owes no signal, so that no two wait for each other.
                self.fences.drain(..).for_each(UniqueFence::signal);
                self.pick()
                    .buffer
                    .reservation()
                    .wait(Usage::Read, &Wait::forever())
                    .unwrap();
            }
        }
    }

    /// Locks some buffers in any order, and works on them.
    fn lock_all(&mut self, seqno: u64) {
        let picked: Vec<Shared> = (0..thread_rng().gen_range(1..=BUFFERS))
            .map(|_| self.pick())
            .collect();
        let list: Vec<&Reservation> = picked.iter().map(|one| &**one.buffer.reservation()).collect();
        let context = AcquireCtx::new(&RESERVATION_CLASS);
        let set = Reservation::lock_all(&context, &list, &Wait::forever()).unwrap();
        let job = self.context.fence(seqno);
        for guard in set.guards() {
            guard.reserve_fences(1).unwrap();
            let usage = Usage::ALL[thread_rng().gen_range(1..4)];
            guard.add_fence(&job.fence(), usage).unwrap();
            // Goes under the locks.
            self.mappings.pop();
        }
        let guard = set.guard(list[0]).unwrap();
        self.mappings
            .push(picked[0].gpu.map(guard, DataDirection::FromDevice).unwrap());
        self.pins.push(picked[0].gpu.pin(guard).unwrap());
        self.fences.push(job);
    }

    /// Backs off by hand.
    fn lock_by_hand(&mut self) {
        let (first, second) = (self.pick(), self.pick());
        let context = AcquireCtx::new(&RESERVATION_CLASS);
        let guard = first
            .buffer
            .reservation()
            .lock_in(&context, &Wait::forever())
            .unwrap();
        match second.buffer.reservation().lock_in(&context, &Wait::forever()) {
            Ok(_) | Err(ReservationLockError::AlreadyLocked) => {}
            Err(ReservationLockError::Deadlock(deadlock)) => {
                drop(guard);
                drop(deadlock.lock_slow(&Wait::forever()).unwrap());
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn relocate(&mut self) {
        let one = self.pick();
        let guard = one.buffer.reservation().lock(&Wait::forever()).unwrap();
        self.idle.extend(one.heap.relocate(&guard));
    }

    /// Has a static importer for a while.
    fn screen(&mut self) {
        self.screens.pop();
        let attachment = self
            .pick()
            .buffer
            .attach(&device("screen"), AccessMode::ReadOnly, &Wait::forever());
        let mapping = attachment.unwrap().map(DataDirection::ToDevice, &Wait::forever());
        self.screens.push(mapping.unwrap());
    }
}

fn everything_at_once() {
    let shared: Vec<Shared> = (0..BUFFERS).map(|_| Shared::new()).collect();
    let heaps: Vec<Heap> = shared.iter().map(|one| one.heap.clone()).collect();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || {
                let mut actor = Actor {
                    shared,
                    context: FenceContext::new("shuttle", "queue"),
                    fences: Vec::new(),
                    mappings: Vec::new(),
                    screens: Vec::new(),
                    pins: Vec::new(),
                    idle: Vec::new(),
                };
                for step in 0..STEPS {
                    actor.step(step as u64);
                }
                std::mem::take(&mut actor.idle)
            })
        })
        .collect();
    drop(shared);
    let idle: Vec<Fence> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    for Heap(state) in &heaps {
        assert_eq!(state.wrong.load(SeqCst), 0, "something was wrong");
        assert_eq!(state.mapped.load(SeqCst), 0, "mapped");
        assert_eq!(state.pinned.load(SeqCst), 0, "pinned");
        assert_eq!(state.attached.load(SeqCst), 0, "attached");
        assert_eq!(state.released.load(SeqCst), 1, "released");
    }
    assert!(idle.iter().all(Fence::is_signaled));
}

fn run(scheduler: impl Scheduler + 'static) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    Runner::new(scheduler, config).run(everything_at_once);
}

#[test]
fn everything_at_once_in_random_schedules() {
    run(RandomScheduler::new(15_000));
}

#[test]
fn everything_at_once_with_few_switches() {
    run(PctScheduler::new(4, 5000));
}
