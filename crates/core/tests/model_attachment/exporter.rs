//! An exporter of any kind that counts what it is asked, and whether the lock is right.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use wharf_core::dma::PhysicalRun;
use wharf_core::{
    AttachmentId, AttachmentInfo, Contract, DmaExporter, DynamicExporter, Exporter, ExporterControl,
    Importer, MapOps, MapRequest, MismatchPolicy, Notice, Refusal, Reservation, ReservationGuard, Revocable,
    SgTable, StaticExporter, Storage,
};

pub(crate) const SIZE: u64 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Static,
    /// Static, and wants first mappings kept.
    Caching,
    Dynamic,
}

/// What an attachment has of the exporter now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Has {
    pub(crate) mappings: usize,
    pub(crate) pins: usize,
}

#[derive(Default)]
struct Counts {
    /// What is attached.
    attached: BTreeMap<AttachmentId, Has>,
    place: u64,
    released: bool,
    /// How often importers were told of moves and revocations.
    told: usize,
    /// What was wrong, noted because panics are contained.
    wrong: Vec<String>,
}

/// Cloning gives the same.
#[derive(Clone)]
pub(crate) struct Recorder {
    kind: Kind,
    policy: MismatchPolicy,
    reservation: Arc<Reservation>,
    counts: Arc<Mutex<Counts>>,
    control: Arc<OnceLock<ExporterControl>>,
}

impl Recorder {
    pub(crate) fn new(kind: Kind, policy: MismatchPolicy, reservation: &Arc<Reservation>) -> Self {
        Self {
            kind,
            policy,
            reservation: Arc::clone(reservation),
            counts: Arc::default(),
            control: Arc::default(),
        }
    }

    fn with<R>(&self, change: impl FnOnce(&mut Counts) -> R) -> R {
        change(&mut self.counts.lock().unwrap())
    }

    pub(crate) fn control(&self) -> &ExporterControl {
        self.control.get().unwrap()
    }

    pub(crate) fn attached(&self) -> Vec<Has> {
        self.with(|counts| counts.attached.values().copied().collect())
    }

    pub(crate) fn is_released(&self) -> bool {
        self.with(|counts| counts.released)
    }

    pub(crate) fn told(&self) -> usize {
        self.with(|counts| std::mem::take(&mut counts.told))
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.with(|counts| std::mem::take(&mut counts.wrong))
    }

    pub(crate) fn place(&self) -> u64 {
        self.with(|counts| counts.place)
    }

    pub(crate) fn relocate(&self) {
        let wrong = self.with(|counts| {
            counts.place += SIZE;
            counts.attached.values().any(|has| has.pins > 0)
        });
        self.expect(!wrong, "moved while pinned");
    }

    fn expect(&self, right: bool, what: &str) {
        if !right {
            self.with(|counts| counts.wrong.push(what.to_owned()));
        }
    }

    /// A static exporter is called with the lock held only where a static importer's user may hold it for reasons of their own, or where
    /// the policy says so.
    fn expect_static_lock(&self, attachment: &AttachmentInfo, what: &str) {
        let may_be = attachment.contract() == Contract::Static || self.policy == MismatchPolicy::PinOnMap;
        self.expect(may_be || !self.reservation.is_locked(), what);
    }

    fn change(&self, attachment: &AttachmentInfo, what: &str, change: impl FnOnce(&mut Has) -> bool) {
        let right = self.with(|counts| counts.attached.get_mut(&attachment.id()).is_some_and(change));
        self.expect(right, what);
    }

    fn make_table(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.change(request.attachment, "map without attach", |has| {
            has.mappings += 1;
            true
        });
        let run = PhysicalRun {
            address: self.place(),
            length_bytes: SIZE,
        };
        request
            .attachment
            .map(&Storage::new([run]).unwrap(), request.direction)
    }

    fn take_back(&self, request: &MapRequest<'_>) {
        self.change(request.attachment, "unmap without map", |has| {
            has.mappings
                .checked_sub(1)
                .map(|left| has.mappings = left)
                .is_some()
        });
    }
}

impl Exporter for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    fn exported(&self, control: ExporterControl) {
        assert!(self.control.set(control).is_ok());
    }

    fn map_ops(&self) -> MapOps<'_> {
        match self.kind {
            Kind::Dynamic => MapOps::Dynamic(self),
            Kind::Static | Kind::Caching => MapOps::Static(self),
        }
    }

    fn release(&mut self) {
        let right = self.with(|counts| counts.attached.is_empty() && !counts.released);
        self.expect(right, "released twice or too early");
        self.with(|counts| counts.released = true);
    }
}

impl DmaExporter for Recorder {
    fn attach(&self, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        self.with(|counts| counts.attached.insert(attachment.id(), Has::default()));
        Ok(())
    }

    fn detach(&self, attachment: &AttachmentInfo) {
        if self.kind != Kind::Dynamic && attachment.contract() != Contract::Static {
            self.expect(!self.reservation.is_locked(), "detach under the lock");
        }
        let had = self.with(|counts| counts.attached.remove(&attachment.id()));
        self.expect(
            had == Some(Has::default()),
            "detach without attach, or while mapped or pinned",
        );
    }
}

impl StaticExporter for Recorder {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.expect_static_lock(request.attachment, "map under the lock");
        self.make_table(request)
    }

    fn unmap(&self, request: &MapRequest<'_>, _: &SgTable) {
        self.expect_static_lock(request.attachment, "unmap under the lock");
        self.take_back(request);
    }

    fn caches_mappings(&self) -> bool {
        self.kind == Kind::Caching
    }
}

impl DynamicExporter for Recorder {
    fn pin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        self.expect(guard.guards(&self.reservation), "pin with a wrong guard");
        self.change(attachment, "pin without attach", |has| {
            has.pins += 1;
            true
        });
        Ok(())
    }

    fn unpin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) {
        self.expect(guard.guards(&self.reservation), "unpin with a wrong guard");
        self.change(attachment, "unpin without pin", |has| {
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
}

/// An importer that counts what it is told.
pub(crate) struct Told(pub(crate) Recorder, pub(crate) Contract);

impl Importer for Told {
    fn move_notify(&self, notice: &Notice<'_>) {
        self.0.expect(
            notice.guard.guards(&self.0.reservation),
            "told with a wrong guard",
        );
        self.0.with(|counts| counts.told += 1);
    }

    fn revocable(&self) -> Option<&dyn Revocable> {
        (self.1 == Contract::Revocable).then_some(self as _)
    }
}

impl Revocable for Told {
    fn revoked(&self, notice: &Notice<'_>) {
        self.move_notify(notice);
    }
}
