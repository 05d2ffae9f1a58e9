//! Every transition of a buffer's life is a tracing event with the buffer's number.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::ToDevice;
use wharf_core::MismatchPolicy::MapAtAttach;
use wharf_core::{Backing, FenceContext, Usage};

use crate::support::{Heap, LOW, Log, Told, any, forever};

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.0.insert_str(0, &format!("{value:?}")),
            "buffer" => write!(self.0, " buffer={value:?}").unwrap(),
            _ => (),
        }
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wharf_core")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_buffers_life_is_told_in_events() {
    // With one subscriber alone, an event that another thread reaches first, without any, is switched off for all.
    let _second = tracing::Dispatch::new(Events::default());
    let events = Events::default();
    let id = tracing::subscriber::with_default(events.clone(), || {
        let heap = Heap::dynamic(Backing::Deferred);
        let buffer = heap.export(MapAtAttach);
        let id = buffer.id();
        let gpu = buffer
            .attach_dynamic(
                &any("gpu"),
                ReadWrite,
                Told::revocable(&Log::default()),
                &forever(),
            )
            .unwrap();
        let guard = buffer.reservation().lock(&forever()).unwrap();
        let mapping = gpu.map(&guard, ToDevice).unwrap();
        let pin = gpu.pin(&guard).unwrap();
        let job = FenceContext::new("gpu", "copy").fence(1);
        guard.reserve_fences(1).unwrap();
        guard.add_fence(&job.fence(), Usage::Write).unwrap();
        job.signal();
        pin.unpin(&guard).unwrap();
        mapping.unmap(&guard).unwrap();
        heap.control()
            .move_buffer(&guard, || {
                heap.set_place(LOW);
                Ok(())
            })
            .unwrap();
        heap.control().revoke(&guard).unwrap();
        drop(guard);
        drop(gpu);
        drop(buffer);
        id
    });
    let told = events.0.lock().unwrap().clone();
    let of_buffer: Vec<String> = [
        "exported",
        "attached",
        "allocated",
        "mapped",
        "pinned",
        "unpinned",
        "unmapped",
        "taken over",
        "moved",
        "taken over",
        "revoked",
        "detached",
        "released",
    ]
    .iter()
    .map(|what| format!("{what} buffer={id}"))
    .collect();
    let seen: Vec<&String> = told.iter().filter(|event| event.contains("buffer=")).collect();
    assert_eq!(seen, of_buffer.iter().collect::<Vec<_>>());
    assert!(told.iter().any(|event| event == "fence added"), "{told:?}");
    assert!(told.iter().any(|event| event == "signaled"), "{told:?}");
}
