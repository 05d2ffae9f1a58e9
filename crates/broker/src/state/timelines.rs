//! Timelines: who owns one, who imported it, and that everybody hears of its end. Contract: F, P5.
//!
//! Signals do not pass through the broker. It brings the pages together and says in a status page of its own whether the owner is
//! still there; a timeline is forgotten as soon as it is over.

use std::collections::BTreeMap;

use wharf_protocol::limits::MAX_IMPORTS;
use wharf_protocol::{
    BrokerError, Call, CreateTimeline, CreateTimelineReply, Done, DropTimeline, ImportTimeline,
    ImportTimelineReply, ObjectKind, ReleaseTimeline, Reply, Resource, SessionId, TakeImporters,
    TakeImportersReply, TimelineId, TimelineImport,
};
use wharf_stream::timeline::End;
use wharf_stream::timeline::layout::PAGE_BYTES;

use super::accounts::{IMPORT, TIMELINE, one_more};
use super::operations::{Operation, Work};
use super::pages::check_page;
use super::peers::Caller;
use super::{Answer, Answered, Effect, FdHandle, FdRef, Machine, OperationId, PeerId, Request, done, next};

/// How many timelines one user has at most.
pub(super) const MAX_TIMELINES_PER_USER: usize = 1024;

/// A timeline whose owner is there.
#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) name: String,
    pub(super) owner: SessionId,
    /// The owner's user, who is charged for the timeline.
    pub(super) uid: u32,
    /// The page its owner writes.
    pub(super) page: FdHandle,
    /// The page the broker writes.
    pub(super) status: FdHandle,
    /// By number.
    pub(super) imports: BTreeMap<u64, Import>,
    /// The number of the newest import there was.
    newest: u64,
}

/// One import of a timeline.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) session: SessionId,
    /// The importer's user, who is charged for the page.
    pub(super) uid: u32,
    /// Where it says what it waits for.
    pub(super) page: FdHandle,
    cell: u32,
}

impl Machine {
    pub(super) fn create_timeline(&mut self, request: &Request, _call: &CreateTimeline) -> Answered {
        let caller = self.caller(request.peer)?;
        check_page(request.page.as_ref(), PAGE_BYTES)?;
        self.check_timelines(caller.uid)?;
        let timeline = TimelineId(next(&mut self.counters.timeline));
        self.begin(request, Work::TimelinePage, TIMELINE, |operation| {
            Effect::CreateTimelinePage { operation, timeline }
        })
    }

    /// Whether a user may have one more timeline, those that are being made included.
    fn check_timelines(&self, uid: u32) -> Result<(), BrokerError> {
        let made = self.timelines.values();
        let made = made.filter(|timeline| timeline.uid == uid).count();
        let is_made = |operation: &&Operation| {
            operation.work == Work::TimelinePage && self.uid_of(operation.request.peer) == Some(uid)
        };
        let used = made + self.operations.values().filter(is_made).count();
        one_more(uid, Resource::Timelines, used, MAX_TIMELINES_PER_USER)
    }

    pub(super) fn timeline_page_created(
        &mut self,
        id: OperationId,
        timeline: TimelineId,
        outcome: Result<FdHandle, BrokerError>,
    ) {
        let discard = Effect::DropTimelinePage { timeline };
        self.page_created(
            (id, Work::TimelinePage),
            outcome,
            discard,
            |machine, operation, status| machine.new_timeline(operation, timeline, status),
        );
    }

    fn new_timeline(
        &mut self,
        operation: &Operation,
        id: TimelineId,
        status: FdHandle,
    ) -> Result<(), BrokerError> {
        let (request, peer) = (&operation.request, operation.request.peer);
        let (Call::CreateTimeline(call), Some(page)) = (&request.call, &request.page) else {
            return Err(BrokerError::NotRegistered);
        };
        let caller = self.caller(peer)?;
        let timeline = Timeline {
            name: call.name.clone(),
            owner: caller.session,
            uid: caller.uid,
            page: page.handle,
            status,
            imports: BTreeMap::new(),
            newest: 0,
        };
        self.timelines.insert(id, timeline);
        if let Some(session) = self.sessions.get_mut(&caller.session) {
            session.timelines.insert(id);
        }
        let reply = Reply::CreateTimeline(CreateTimelineReply { timeline: id });
        self.reply(peer, request.oneway, reply, vec![FdRef::Held(status)]);
        Ok(())
    }

    pub(super) fn import_timeline(&mut self, request: &Request, call: &ImportTimeline) -> Answered {
        let caller = self.caller(request.peer)?;
        let id = self.tokens.timeline(&call.token)?;
        let page = check_page(request.page.as_ref(), PAGE_BYTES)?.handle;
        let timeline = self.timelines.get_mut(&id).ok_or(BrokerError::TokenUnknown)?;
        let owner = self.sessions.get(&timeline.owner);
        let owner = owner.ok_or(BrokerError::NoSuchTimeline { id })?;
        if timeline.imports.len() >= MAX_IMPORTS {
            return Err(BrokerError::TimelineFull {
                max: MAX_IMPORTS as u32,
            });
        }
        self.accounts.charge(caller.uid, IMPORT)?;
        let number = next(&mut timeline.newest);
        let import = Import {
            session: caller.session,
            uid: caller.uid,
            page,
            cell: call.cell,
        };
        timeline.imports.insert(number, import);
        let reply = ImportTimelineReply {
            timeline: id,
            import: number,
            name: timeline.name.clone(),
            owner_label: owner.label.clone(),
            owner_pid: owner.credentials.pid,
        };
        let fds = vec![
            FdRef::Held(timeline.page),
            FdRef::Held(timeline.status),
            FdRef::Process(owner.peer),
        ];
        if let Some(session) = self.sessions.get_mut(&caller.session) {
            session.waits_for.insert((id, number));
        }
        self.tokens.count_use(&call.token);
        // Before the importer hears of it: who waits must be known to be there.
        self.announce_imports(id);
        Ok(Answer::Done(Reply::ImportTimeline(reply), fds))
    }

    fn announce_imports(&mut self, id: TimelineId) {
        if let Some(timeline) = self.timelines.get(&id) {
            self.effects.push(Effect::SetImports {
                timeline: id,
                newest: timeline.newest,
            });
        }
    }

    pub(super) fn take_importers(&mut self, peer: PeerId, call: &TakeImporters) -> Answered {
        let caller = self.caller(peer)?;
        let timeline = self.owned_timeline(caller, call.timeline)?;
        let newcomers = timeline
            .imports
            .iter()
            .filter(|(number, _)| **number > call.after);
        let (joined, fds) = newcomers
            .map(|(number, import)| {
                let cell = import.cell;
                let joined = TimelineImport {
                    import: *number,
                    cell,
                };
                (joined, FdRef::Held(import.page))
            })
            .unzip();
        let present = timeline.imports.keys().copied().collect();
        let reply = TakeImportersReply { joined, present };
        Ok(Answer::Done(Reply::TakeImporters(reply), fds))
    }

    pub(super) fn release_timeline(&mut self, peer: PeerId, call: &ReleaseTimeline) -> Answered {
        let caller = self.caller(peer)?;
        let unknown = BrokerError::NoSuchTimeline { id: call.timeline };
        let session = self.sessions.get(&caller.session).ok_or(unknown.clone())?;
        if !session.waits_for.contains(&(call.timeline, call.import)) {
            return Err(unknown);
        }
        self.remove_import(call.timeline, call.import);
        done(Reply::ReleaseTimeline(Done {}))
    }

    /// Forgets an import, whose maker gave it back or is gone.
    pub(super) fn remove_import(&mut self, id: TimelineId, number: u64) {
        let Some(timeline) = self.timelines.get_mut(&id) else {
            return;
        };
        let Some(import) = timeline.imports.remove(&number) else {
            return;
        };
        self.announce_imports(id);
        self.give_import_back(id, number, &import);
        self.drop_handles(vec![import.page]);
    }

    fn give_import_back(&mut self, id: TimelineId, number: u64, import: &Import) {
        if let Some(session) = self.sessions.get_mut(&import.session) {
            session.waits_for.remove(&(id, number));
        }
        self.accounts.release(import.uid, IMPORT);
    }

    pub(super) fn drop_timeline(&mut self, peer: PeerId, call: &DropTimeline) -> Answered {
        let caller = self.caller(peer)?;
        self.owned_timeline(caller, call.timeline)?;
        self.remove_timeline(call.timeline, End::Dropped);
        done(Reply::DropTimeline(Done {}))
    }

    /// Tells everybody that a timeline is over, and forgets it with its imports.
    pub(super) fn remove_timeline(&mut self, id: TimelineId, end: End) {
        let Some(timeline) = self.timelines.remove(&id) else {
            return;
        };
        self.effects.push(Effect::EndTimeline { timeline: id, end });
        self.effects.push(Effect::DropTimelinePage { timeline: id });
        self.tokens.remove_timeline(id);
        let mut unused = vec![timeline.page, timeline.status];
        for (number, import) in &timeline.imports {
            self.give_import_back(id, *number, import);
            unused.push(import.page);
        }
        if let Some(owner) = self.sessions.get_mut(&timeline.owner) {
            owner.timelines.remove(&id);
        }
        self.accounts.release(timeline.uid, TIMELINE);
        self.drop_handles(unused);
    }

    /// The timeline with this id, if it belongs to the caller.
    pub(super) fn owned_timeline(&self, caller: Caller, id: TimelineId) -> Result<&Timeline, BrokerError> {
        let owner = |timeline: &Timeline| (timeline.owner, timeline.uid);
        let unknown = BrokerError::NoSuchTimeline { id };
        caller.own(
            self.timelines.get(&id),
            owner,
            (ObjectKind::Timeline, id.0),
            unknown,
        )
    }
}
