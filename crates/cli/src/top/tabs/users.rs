//! Users: what they have, and what they may have.

use super::super::table::{Cell, Column, Row, Subject, numbers};
use super::super::units::percent;
use super::{bytes, part};
use crate::document::{Document, User};

pub(super) const COLUMNS: &[Column] = &[
    numbers("USER"),
    numbers("MEMORY"),
    numbers("QUOTA"),
    numbers("USED"),
    numbers("BUFFERS"),
    numbers("SESSIONS"),
    numbers("STREAMS"),
    numbers("FDS"),
];

/// The share of its memory quota from which on a user is shown as something wrong.
const ALARMING_SHARE: f64 = 0.9;

pub(super) fn rows(document: &Document) -> Vec<Row> {
    document.users.iter().map(row).collect()
}

fn row(user: &User) -> Row {
    let (used, limit) = (&user.used, &user.limit);
    // CAST: shares are shown with two digits.
    let (used_bytes, limit_bytes) = (used.memory_bytes as f64, limit.memory_bytes as f64);
    let share = if limit_bytes > 0.0 {
        used_bytes / limit_bytes
    } else {
        0.0
    };
    let cells = vec![
        Cell::count(user.uid),
        bytes(used.memory_bytes),
        bytes(limit.memory_bytes),
        Cell::ranked(percent(share), share),
        part(used.buffers, limit.buffers),
        part(used.sessions, limit.sessions),
        part(used.streams, limit.streams),
        part(used.fds, limit.fds),
    ];
    Row {
        subject: Subject::User(user.uid),
        cells,
        is_alarming: share >= ALARMING_SHARE,
    }
}
