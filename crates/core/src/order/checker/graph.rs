//! Which class was ever taken while which other was held.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::Location;

use crate::order::LockClass;

/// What tells a class from others: the address of its static.
pub(super) type ClassKey = usize;

pub(super) fn key(class: &'static LockClass) -> ClassKey {
    std::ptr::from_ref(class).addr()
}

/// `to` was taken while `from` was held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) from: &'static LockClass,
    pub(super) to: &'static LockClass,
    /// Where each was first taken so; `None` for documented order.
    pub(super) seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) held_at: &'static Location<'static>,
    pub(super) taken_at: &'static Location<'static>,
}

/// # Invariants
/// No edges form a circle.
pub(super) struct Graph(BTreeMap<(ClassKey, ClassKey), Edge>);

impl Graph {
    pub(super) const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds an edge, unless there is a way back: then that is returned, from `edge.to` to `edge.from`.
    pub(super) fn add(&mut self, edge: Edge) -> Result<(), Vec<Edge>> {
        let ends = (key(edge.from), key(edge.to));
        if self.0.contains_key(&ends) {
            return Ok(());
        }
        match self.shortest_path(ends.1, ends.0) {
            Some(back) => Err(back),
            None => {
                self.0.insert(ends, edge);
                Ok(())
            }
        }
    }

    fn shortest_path(&self, from: ClassKey, to: ClassKey) -> Option<Vec<Edge>> {
        let mut reached = BTreeSet::from([from]);
        let mut paths = VecDeque::from([(from, Vec::new())]);
        while let Some((last, path)) = paths.pop_front() {
            if last == to {
                return Some(path);
            }
            for (&(_, next), &edge) in self.0.range((last, ClassKey::MIN)..=(last, ClassKey::MAX)) {
                if reached.insert(next) {
                    let longer = path.iter().copied().chain([edge]).collect();
                    paths.push_back((next, longer));
                }
            }
        }
        None
    }
}
