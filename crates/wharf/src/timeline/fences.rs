//! Points as fences of the framework.

use std::collections::BTreeMap;
use std::sync::Arc;
use wharf_core::{Errno, Fence, FenceContext, FenceOps, FenceStatus, Signaling, WeakFence};

/// What fences of points ask: a timeline, or the points of a stream's page.
pub(crate) trait Source: Send + Sync + 'static {
    /// Names a point.
    type Point: Copy + Send + Sync + 'static;

    /// How far a point is.
    fn status(&self, point: Self::Point) -> FenceStatus;

    /// Sees to it that somebody looks at `fence` when `point` is settled; `false` if it is already.
    fn enlist(self: &Arc<Self>, point: Self::Point, fence: &WeakFence) -> bool;
}

/// Makes the fence `seqno` of `context` of a point. It has no owner: who looks finds out.
pub(crate) fn fence<S: Source>(
    source: &Arc<S>,
    (context, seqno): (&FenceContext, u64),
    point: S::Point,
) -> Fence {
    context.fence_by(seqno, |fence| {
        Box::new(PointOps {
            source: Arc::clone(source),
            point,
            fence: fence.clone(),
        })
    })
}

struct PointOps<S: Source> {
    source: Arc<S>,
    point: S::Point,
    /// The fence these are the ops of.
    fence: WeakFence,
}

impl<S: Source> FenceOps for PointOps<S> {
    fn enable_signaling(&self) -> Signaling {
        match self.source.enlist(self.point, &self.fence) {
            true => Signaling::Enabled,
            false => Signaling::AlreadySignaled,
        }
    }

    fn is_signaled(&self) -> bool {
        self.source.status(self.point).is_signaled()
    }

    fn error(&self) -> Option<Errno> {
        self.source.status(self.point).error()
    }
}

/// The fences of a timeline that somebody wants to be told of.
#[derive(Debug, Default)]
pub(super) struct Pending {
    points: BTreeMap<u64, Vec<WeakFence>>,
}

impl Pending {
    /// Adds a fence; says whether it is the first of its point.
    pub(super) fn add(&mut self, point: u64, fence: &WeakFence) -> bool {
        let fences = self.points.entry(point).or_default();
        let is_first = fences.is_empty();
        if fences.len() == fences.capacity() {
            fences.retain(|fence| !fence.is_gone());
        }
        fences.push(fence.clone());
        is_first
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Takes the fences of all points up to `point`.
    pub(super) fn take_up_to(&mut self, point: u64) -> Due {
        if self
            .points
            .first_key_value()
            .is_none_or(|(first, _)| *first > point)
        {
            return Due::default();
        }
        let later = match point.checked_add(1) {
            Some(next) => self.points.split_off(&next),
            None => BTreeMap::new(),
        };
        Due(std::mem::replace(&mut self.points, later))
    }

    /// Forgets fences that nobody has any more; returns the points of which there are none then.
    pub(super) fn prune(&mut self) -> Vec<u64> {
        let mut gone = Vec::new();
        self.points.retain(|point, fences| {
            fences.retain(|fence| !fence.is_gone());
            if fences.is_empty() {
                gone.push(*point);
            }
            !fences.is_empty()
        });
        gone
    }
}

/// Fences whose points are settled.
#[derive(Debug, Default)]
pub(super) struct Due(BTreeMap<u64, Vec<WeakFence>>);

impl Due {
    pub(super) fn points(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    /// Has each of them look, which runs its callbacks. To be called with no lock held.
    pub(super) fn settle(self) {
        for fence in self.0.into_values().flatten() {
            if let Some(fence) = fence.upgrade() {
                fence.is_signaled();
            }
        }
    }
}
