//! An exporter that does as it likes, and notes what it is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use wharf_core::dma::{PhysicalRun, Requirements};
use wharf_core::{
    AttachmentId, AttachmentInfo, Backing, DmaExporter, DynamicExporter, Errno, Exporter, ExporterControl,
    MapOps, MapRequest, Refusal, Reservation, ReservationGuard, SgSegment, SgTable, StaticExporter, Storage,
};

pub(super) const PAGE_BYTES: u64 = 4096;

/// What an attachment has of the exporter now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Has {
    mappings: usize,
    pins: usize,
}

/// What the exporter does, by the bits of a byte.
#[derive(Debug, Clone, Copy)]
struct Habits(u8);

impl Habits {
    fn is_dynamic(self) -> bool {
        self.0 & 1 != 0
    }

    /// It gives memory without asking whether that suits anybody.
    fn is_careless(self) -> bool {
        self.0 & 2 != 0
    }

    fn refuses_to_map(self) -> bool {
        self.0 & 12 == 12
    }

    /// It makes up tables.
    fn makes_up_tables(self) -> bool {
        self.0 & 12 == 8
    }

    fn refuses_to_attach(self) -> bool {
        self.0 & 0x30 == 0x30
    }

    /// It says that it has allocated, and has not.
    fn lies(self) -> bool {
        self.0 & 0x70 == 0x60
    }

    fn caches(self) -> bool {
        self.0 & 0x80 != 0
    }
}

#[derive(Default)]
struct Book {
    attached: BTreeMap<AttachmentId, Has>,
    storage: Option<Storage>,
    moves: u64,
    is_released: bool,
    /// What was wrong, noted because panics are contained.
    wrong: Vec<String>,
}

/// Cloning gives the same.
#[derive(Clone)]
pub(super) struct Maker {
    size_bytes: u64,
    /// Whether it is dynamic does not change.
    is_dynamic: bool,
    habits: Arc<Mutex<Habits>>,
    reservation: Arc<Reservation>,
    book: Arc<Mutex<Book>>,
    control: Arc<OnceLock<ExporterControl>>,
}

impl Maker {
    pub(super) fn new(size_bytes: u64, habits: u8, reservation: &Arc<Reservation>) -> Self {
        Self {
            size_bytes,
            is_dynamic: Habits(habits).is_dynamic(),
            habits: Arc::new(Mutex::new(Habits(habits))),
            reservation: Arc::clone(reservation),
            book: Arc::default(),
            control: Arc::default(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics with it")
    }

    fn habits(&self) -> Habits {
        *self.habits.lock().expect("nothing panics with it")
    }

    pub(super) fn change(&self, habits: u8) {
        *self.habits.lock().expect("nothing panics with it") = Habits(habits);
    }

    pub(super) fn control(&self) -> &ExporterControl {
        self.control.get().expect("it was exported")
    }

    pub(super) fn has_moved(&self) -> bool {
        self.book().moves > 0
    }

    fn expect(&self, right: bool, what: &str) {
        if !right {
            self.book().wrong.push(what.to_owned());
        }
    }

    pub(super) fn assert_right(&self) {
        assert_eq!(self.book().wrong, Vec::<String>::new());
    }

    pub(super) fn assert_over(&self) {
        let book = self.book();
        assert!(
            book.is_released && book.attached.is_empty(),
            "{:?}",
            book.attached
        );
    }

    /// The places there are: low and high, in one piece and in pages.
    fn places(&self) -> impl Iterator<Item = Storage> {
        let size_bytes = self.size_bytes;
        let turn = self.book().moves * 0x10_0000;
        [0x1_0000, 0x1_1000, 0x4000_0000, 0x1_0000_0000_u64]
            .into_iter()
            .flat_map(move |base| {
                let whole = vec![(base + turn, size_bytes)];
                let pages = (0..size_bytes / PAGE_BYTES)
                    .map(|page| (base + turn + page * 2 * PAGE_BYTES, PAGE_BYTES));
                [whole, pages.collect()]
            })
            .filter_map(|runs| {
                let runs = runs.into_iter().map(|(address, length_bytes)| PhysicalRun {
                    address,
                    length_bytes,
                });
                Storage::new(runs).ok()
            })
    }

    fn find(&self, suits: impl Fn(&Storage) -> bool) -> Result<(), Refusal> {
        let habits = self.habits();
        let place = if habits.is_careless() {
            // CAST: a few bits.
            self.places().nth(usize::from(habits.0 >> 2) % 8)
        } else {
            self.places().find(suits)
        };
        let place = place.ok_or(Refusal::new(Errno::ENOMEM, "no place suits"))?;
        if !habits.lies() {
            self.book().storage = Some(place);
        }
        Ok(())
    }

    /// Moves to any other place.
    pub(super) fn go_elsewhere(&self) -> Result<(), Refusal> {
        let is_pinned = self.book().attached.values().any(|has| has.pins > 0);
        self.expect(!is_pinned, "moved while pinned");
        self.book().moves += 1;
        self.find(|_| true)
    }

    fn change_of(&self, attachment: &AttachmentInfo, what: &str, change: impl FnOnce(&mut Has) -> bool) {
        let right = self.book().attached.get_mut(&attachment.id()).is_some_and(change);
        self.expect(right, what);
    }

    fn make_table(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        let habits = self.habits();
        if habits.refuses_to_map() {
            return Err(Refusal::new(Errno::ENOMEM, "no addresses are left"));
        }
        let table = if habits.makes_up_tables() {
            let address = u64::from(habits.0 >> 4) << 60 | 0xfff;
            let segment = |length_bytes| SgSegment {
                address,
                length_bytes,
            };
            SgTable::new([self.size_bytes, 0, u64::MAX].map(segment))
        } else {
            let storage = self.book().storage.clone();
            let storage = storage.ok_or(Refusal::new(Errno::ENOMEM, "nothing is allocated"))?;
            request.attachment.map(&storage, request.direction)?
        };
        self.change_of(request.attachment, "map without attach", |has| {
            has.mappings += 1;
            true
        });
        Ok(table)
    }

    fn take_back(&self, request: &MapRequest<'_>) {
        self.change_of(request.attachment, "unmap without map", |has| {
            let left = has.mappings.checked_sub(1);
            left.map(|left| has.mappings = left).is_some()
        });
    }
}

impl Exporter for Maker {
    fn name(&self) -> &str {
        "maker"
    }

    fn exported(&self, control: ExporterControl) {
        self.expect(self.control.set(control).is_ok(), "exported twice");
    }

    fn map_ops(&self) -> MapOps<'_> {
        if self.is_dynamic {
            MapOps::Dynamic(self)
        } else {
            MapOps::Static(self)
        }
    }

    fn release(&mut self) {
        let mut book = self.book();
        let right = book.attached.is_empty() && !book.is_released;
        book.is_released = true;
        drop(book);
        self.expect(right, "released twice or too early");
    }
}

impl DmaExporter for Maker {
    fn attach(&self, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        if self.habits().refuses_to_attach() {
            return Err(Refusal::new(Errno::EACCES, "no more"));
        }
        self.book().attached.insert(attachment.id(), Has::default());
        Ok(())
    }

    fn detach(&self, attachment: &AttachmentInfo) {
        let had = self.book().attached.remove(&attachment.id());
        self.expect(had == Some(Has::default()), "detach without attach, or in use");
    }

    fn backing(&self) -> Backing {
        self.book().storage.clone().map_or(Backing::Deferred, Backing::At)
    }

    fn allocate(&self, requirements: &Requirements) -> Result<(), Refusal> {
        self.expect(self.book().storage.is_none(), "allocated twice");
        self.find(|place| requirements.allows(place).is_ok())
    }
}

impl StaticExporter for Maker {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.make_table(request)
    }

    fn unmap(&self, request: &MapRequest<'_>, _: &SgTable) {
        self.take_back(request);
    }

    fn caches_mappings(&self) -> bool {
        self.habits().caches()
    }
}

impl DynamicExporter for Maker {
    fn pin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        self.expect(guard.guards(&self.reservation), "pin with a wrong guard");
        if self.habits().refuses_to_map() {
            return Err(Refusal::new(Errno::EBUSY, "it has to move"));
        }
        self.change_of(attachment, "pin without attach", |has| {
            has.pins += 1;
            true
        });
        Ok(())
    }

    fn unpin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) {
        self.expect(guard.guards(&self.reservation), "unpin with a wrong guard");
        self.change_of(attachment, "unpin without pin", |has| {
            has.pins.checked_sub(1).map(|left| has.pins = left).is_some()
        });
    }

    fn map(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.expect(guard.guards(&self.reservation), "map with a wrong guard");
        self.make_table(request)
    }

    fn unmap(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>, _: &SgTable) {
        self.expect(guard.guards(&self.reservation), "unmap with a wrong guard");
        self.take_back(request);
    }

    fn relocate(&self, guard: &ReservationGuard<'_>, requirements: &Requirements) -> Result<(), Refusal> {
        self.expect(guard.guards(&self.reservation), "relocate with a wrong guard");
        let is_pinned = self.book().attached.values().any(|has| has.pins > 0);
        self.expect(!is_pinned, "relocated while pinned");
        self.book().moves += 1;
        self.find(|place| requirements.allows(place).is_ok())
    }
}
