//! All about a stream and its consumers: what they count, who holds what, who is in the way.

use super::super::units::{duration, number, percent};
use super::{Line, named};
use crate::document::{Consumer, Document, Latency, Stream};

pub(super) fn stream(document: &Document, stream: &Stream) -> Vec<Line> {
    let mut lines = vec![
        Line::Heading(format!("stream {} {}", stream.stream, stream.name)),
        Line::Text(format!("produced by {}", named(document, stream.producer))),
        Line::Text(format!("in buffer set {}", stream.set)),
    ];
    let Some(its) = &stream.statistics else {
        lines.push(Line::Text("it says nothing of itself: it is over".to_owned()));
        return lines;
    };
    lines.push(Line::Text(format!("{} frames published", its.frames_published)));
    if let Some(rates) = &its.rates {
        lines.push(Line::Text(format!(
            "{} frames/s, {} of the time waiting for a buffer",
            number(rates.frames_published_per_s),
            percent(rates.waiting_share)
        )));
    }
    lines.push(Line::Text(latency(&its.latency)));
    lines.push(Line::Text(format!(
        "waited {} times for a buffer, {} in all; {} times in vain",
        its.acquire_waits,
        duration(its.acquire_waited_ns),
        its.acquire_failures
    )));
    lines.push(Line::Text(format!(
        "took {} frames back unclaimed; woke consumers {} times",
        its.frames_taken_back, its.wakes
    )));
    if let Some(waiting_ns) = its.waiting_ns {
        let who = blockers(stream);
        let text = format!("has been waiting for {}: {who}", duration(waiting_ns));
        lines.push(Line::Alarm(text));
    }
    lines.extend(holders(stream));
    for consumer in &stream.consumers {
        lines.extend(self::consumer(consumer));
    }
    lines
}

fn blockers(stream: &Stream) -> String {
    let blockers = stream
        .consumers
        .iter()
        .filter(|consumer| consumer.blocks_producer());
    let names: Vec<String> = blockers
        .map(|consumer| format!("{} (pid {}) is in the way", consumer.label, consumer.pid))
        .collect();
    if names.is_empty() {
        return "nobody is in the way any more".to_owned();
    }
    names.join(", ")
}

/// Each frame that somebody holds, by buffer.
pub(super) fn holders(stream: &Stream) -> Vec<Line> {
    let mut held: Vec<_> = stream
        .consumers
        .iter()
        .filter_map(|consumer| Some((consumer, consumer.statistics.as_ref()?)))
        .flat_map(|(consumer, its)| its.held.iter().map(move |held| (held, consumer)))
        .collect();
    held.sort_by_key(|(held, consumer)| (held.buffer, consumer.slot));
    let mut lines = vec![Line::Heading(match held.is_empty() {
        true => "nobody holds a frame".to_owned(),
        false => "frames held".to_owned(),
    })];
    lines.extend(held.into_iter().map(|(held, consumer)| {
        Line::Text(format!(
            "buffer {:>2}  frame {}  {} (pid {}) for {}",
            held.buffer,
            held.frame,
            consumer.label,
            consumer.pid,
            duration(held.held_ns)
        ))
    }));
    lines
}

pub(super) fn consumer(consumer: &Consumer) -> Vec<Line> {
    let mut lines = vec![Line::Heading(format!(
        "consumer {} (pid {}, user {}), depth {}, {}",
        consumer.label, consumer.pid, consumer.uid, consumer.depth, consumer.policy
    ))];
    let Some(its) = &consumer.statistics else {
        lines.push(Line::Text("it says nothing of itself".to_owned()));
        return lines;
    };
    if its.blocks_producer {
        lines.push(Line::Alarm("the producer waits for it".to_owned()));
    }
    lines.push(Line::Text(format!(
        "{} frames received, {} skipped, {} queued, {} held",
        its.frames_received,
        its.frames_skipped,
        its.frames_queued,
        its.held.len()
    )));
    lines.push(Line::Text(latency(&its.latency)));
    lines.push(Line::Text(format!(
        "waited {} times for a frame, {} in all",
        its.receive_waits,
        duration(its.receive_waited_ns)
    )));
    for held in &its.held {
        let text = format!(
            "holds frame {} in buffer {} for {}",
            held.frame,
            held.buffer,
            duration(held.held_ns)
        );
        lines.push(Line::Text(text));
    }
    lines
}

fn latency(latency: &Latency) -> String {
    match (latency.p50_ns, latency.p99_ns, latency.p99_9_ns) {
        (Some(p50), Some(p99), Some(p999)) => format!(
            "latency of {} frames: p50 {}, p99 {}, p99.9 {}",
            latency.frames,
            duration(p50),
            duration(p99),
            duration(p999)
        ),
        _ => "no frame was received".to_owned(),
    }
}
