//! What fences do, said again as simply as possible: nothing is cached, counted or collected.

use std::collections::BTreeMap;

use wharf_core::{Errno, FenceStatus};

/// A fence of the model, by its place in [`Model::nodes`].
pub(crate) type Node = usize;

pub(crate) enum Kind {
    Plain {
        context: usize,
        seqno: u64,
    },
    Array {
        members: Vec<Node>,
        watched: bool,
        /// The first that happened while it was watched.
        error: Option<Errno>,
    },
    Link {
        contained: Node,
        prev: Option<Node>,
        /// Links of one timeline have one of these numbers.
        timeline: usize,
        seqno: u64,
        prev_seqno: u64,
        watched: bool,
    },
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) nodes: Vec<Kind>,
    /// The status of fences that are signaled.
    settled: BTreeMap<Node, FenceStatus>,
    timelines: usize,
}

impl Model {
    pub(crate) fn add(&mut self, kind: Kind) -> Node {
        self.nodes.push(kind);
        self.settle();
        self.nodes.len() - 1
    }

    pub(crate) fn link(&mut self, prev: Option<Node>, contained: Node, seqno: u64) -> Node {
        let before = match prev.map(|prev| &self.nodes[prev]) {
            Some(Kind::Link { timeline, seqno, .. }) => Some((*timeline, *seqno)),
            _ => None,
        };
        let (timeline, seqno, prev_seqno) = match before {
            Some((timeline, before)) if seqno > before => (timeline, seqno, before),
            Some((_, before)) => (self.new_timeline(), before, 0),
            None => (self.new_timeline(), seqno, 0),
        };
        self.add(Kind::Link {
            contained,
            prev,
            timeline,
            seqno,
            prev_seqno,
            watched: false,
        })
    }

    fn new_timeline(&mut self) -> usize {
        self.timelines += 1;
        self.timelines
    }

    pub(crate) fn status(&self, node: Node) -> FenceStatus {
        self.settled
            .get(&node)
            .copied()
            .unwrap_or(FenceStatus::Unsignaled)
    }

    fn is_signaled(&self, node: Node) -> bool {
        self.status(node).is_signaled()
    }

    pub(crate) fn signal(&mut self, plain: Node, error: Option<Errno>) {
        let status = error.map_or(FenceStatus::Signaled, FenceStatus::Failed);
        self.settled.insert(plain, status);
        for kind in &mut self.nodes {
            if let Kind::Array {
                members,
                watched: true,
                error: first,
            } = kind
                && members.contains(&plain)
            {
                *first = first.or(error);
            }
        }
        self.settle();
    }

    /// Somebody wants to be told of `node`.
    pub(crate) fn watch(&mut self, node: Node) {
        match &mut self.nodes[node] {
            Kind::Link { watched, .. } => *watched = true,
            Kind::Array { .. } => self.watch_array(node),
            Kind::Plain { .. } => {}
        }
        self.settle();
    }

    fn watch_array(&mut self, node: Node) {
        let before = self.first_error_of_members(node);
        if let Kind::Array { watched, error, .. } = &mut self.nodes[node]
            && !*watched
        {
            (*watched, *error) = (true, before);
        }
    }

    fn first_error_of_members(&self, node: Node) -> Option<Errno> {
        match &self.nodes[node] {
            Kind::Array { members, .. } => members.iter().find_map(|member| self.status(*member).error()),
            _ => None,
        }
    }

    /// Signals containers whose fences are signaled, and moves watches of chains on.
    fn settle(&mut self) {
        for node in 0..self.nodes.len() {
            let done = match &self.nodes[node] {
                Kind::Plain { .. } => false,
                Kind::Array { members, .. } => members.iter().all(|member| self.is_signaled(*member)),
                Kind::Link { .. } => self
                    .fences_of_chain(node)
                    .iter()
                    .all(|fence| self.is_signaled(*fence)),
            };
            if done && !self.is_signaled(node) {
                let status = match &self.nodes[node] {
                    Kind::Array { error, .. } => error.or_else(|| self.first_error_of_members(node)),
                    _ => None,
                };
                self.settled
                    .insert(node, status.map_or(FenceStatus::Signaled, FenceStatus::Failed));
            }
            if let Kind::Link { watched: true, .. } = self.nodes[node]
                && let Some(next) = self
                    .fences_of_chain(node)
                    .into_iter()
                    .find(|fence| !self.is_signaled(*fence))
            {
                self.watch_array(next);
            }
        }
    }

    /// The fences in a link and in all before it.
    fn fences_of_chain(&self, node: Node) -> Vec<Node> {
        let mut fences = Vec::new();
        let mut next = Some(node);
        while let Some(node) = next {
            let (fence, before) = match self.nodes[node] {
                Kind::Link { contained, prev, .. } => (contained, prev),
                _ => (node, None),
            };
            fences.push(fence);
            next = before;
        }
        fences
    }

    /// What a walk from `node` shows: itself, and the links before it with an unsignaled fence.
    fn walk(&self, node: Node) -> Vec<Node> {
        let mut links = vec![node];
        let mut at = node;
        while let Kind::Link { prev: Some(prev), .. } = self.nodes[at] {
            let fence = self.contained(prev);
            if !self.is_signaled(fence) {
                links.push(prev);
            }
            at = prev;
        }
        links
    }

    fn contained(&self, node: Node) -> Node {
        match self.nodes[node] {
            Kind::Link { contained, .. } => contained,
            _ => node,
        }
    }

    pub(crate) fn unwrap(&self, node: Node) -> Vec<Node> {
        let of_one = |link| match &self.nodes[self.contained(link)] {
            Kind::Array { members, .. } => members.clone(),
            _ => vec![self.contained(link)],
        };
        self.walk(node).into_iter().flat_map(of_one).collect()
    }

    /// The fences that a merge keeps.
    pub(crate) fn merge(&self, nodes: &[Node]) -> Vec<Node> {
        let mut latest: BTreeMap<usize, (u64, Node)> = BTreeMap::new();
        for fence in nodes.iter().flat_map(|node| self.unwrap(*node)) {
            if let Kind::Plain { context, seqno } = self.nodes[fence]
                && !self.is_signaled(fence)
            {
                let kept = latest.entry(context).or_insert((seqno, fence));
                *kept = (*kept).max((seqno, fence));
            }
        }
        latest.into_values().map(|(_, fence)| fence).collect()
    }

    pub(crate) fn find_seqno(&self, head: Node, wanted: u64) -> Result<Option<Node>, Errno> {
        let Kind::Link {
            timeline: own,
            seqno: last,
            ..
        } = self.nodes[head]
        else {
            return Err(Errno::EINVAL);
        };
        if wanted > last {
            return Err(Errno::EINVAL);
        }
        let is_it = |node: &Node| match self.nodes[*node] {
            Kind::Link {
                timeline, prev_seqno, ..
            } => timeline != own || prev_seqno < wanted,
            _ => true,
        };
        Ok(if wanted == 0 {
            Some(head)
        } else {
            self.walk(head).into_iter().find(is_it)
        })
    }
}
