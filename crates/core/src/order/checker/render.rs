//! Reports for people.

use std::fmt::Write;

use super::graph::Edge;
use super::{HeldLock, Wanted};
use crate::order::LockClass;
use crate::order::class::Kind;

const DOCUMENTED: &str = "documented order: user mappings -> acquire context -> ww-mutexes -> waiting for a fence; \
                          none of these inside a signaling section";

/// `wanted` contradicts `held`, because of the edges that lead from `wanted` to it.
pub(super) fn inversion(all: &[HeldLock], held: HeldLock, wanted: Wanted, back: &[Edge]) -> String {
    let mut text = beginning(all, held, wanted);
    line(&mut text, "but the order the other way round is known:");
    for edge in back {
        let known = match edge.seen {
            Some(seen) => format!(
                "{} (held since {}) -> {} (taken at {})",
                edge.from, seen.held_at, edge.to, seen.taken_at
            ),
            None => format!("{} -> {} (documented)", edge.from, edge.to),
        };
        line(&mut text, &format!("    {known}"));
    }
    line(
        &mut text,
        "threads that do one and the other wait for each other for ever",
    );
    line(&mut text, DOCUMENTED);
    line(
        &mut text,
        &format!("what to do: {}", advice_on_inversion(held.class, wanted.class)),
    );
    text
}

fn advice_on_inversion(held: &LockClass, wanted: &LockClass) -> String {
    match (held.kind, wanted.kind) {
        (Kind::Signaling, _) => {
            format!(
                "take {wanted} before the signaling section begins, or leave it to a thread that signals nothing"
            )
        }
        (_, Kind::Signaling) => {
            format!("give {held} back before waiting for the fence, or do not take it in signaling sections")
        }
        _ => format!("take {wanted} before {held}, or give {held} back first"),
    }
}

/// `wanted` is of the same class as `held`.
pub(super) fn same_class(all: &[HeldLock], held: HeldLock, wanted: Wanted) -> String {
    let mut text = beginning(all, held, wanted);
    let (why, advice) = match wanted.class.kind {
        Kind::WwMutex => (
            "several mutexes of a ww-class are held together in one acquire context only; \
             without it nobody backs off from a deadlock",
            "lock all of them with lock_in and the same context, or try_lock the later ones",
        ),
        Kind::AcquireContext => (
            "one context of a class is open at a time; two cannot back off for each other",
            "lock everything in one context, or end the first before the second begins",
        ),
        Kind::Signaling => (
            "the fence waited for may be the one this section has to signal",
            "wait before the section begins, or in a thread that signals nothing",
        ),
        Kind::Lock | Kind::UserMappings => (
            "two locks of one class are taken in no certain order by different threads",
            "hold one at a time, or give them classes of their own",
        ),
    };
    line(&mut text, why);
    line(&mut text, &format!("what to do: {advice}"));
    text
}

/// A context of `class` ended with `held` locks.
pub(super) fn forgotten(class: &LockClass, held: usize) -> String {
    format!(
        "lock order: an {class} ends while {held} of its mutexes are locked\n\
         their guards were forgotten, and nobody can unlock them any more\n\
         what to do: drop guards; do not mem::forget them"
    )
}

fn beginning(all: &[HeldLock], held: HeldLock, wanted: Wanted) -> String {
    let action = match wanted.class.kind {
        Kind::Signaling => "wait for a fence".to_owned(),
        Kind::AcquireContext => format!("open an {}", wanted.class),
        _ => format!("take {}", wanted.class),
    };
    let mut text = format!(
        "lock order: about to {action} at {}, while holding {}\n",
        wanted.at, held.class
    );
    line(&mut text, "this thread holds, oldest first:");
    for lock in all {
        line(&mut text, &format!("    {} since {}", lock.class, lock.at));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}
