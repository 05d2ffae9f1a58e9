//! Random uses of fences against the model, compared after every step.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use wharf_core::{
    CallbackHandle, CallbackOutcome, Errno, Fence, FenceArray, FenceChain, FenceContext, FenceStatus,
    UniqueFence, fence,
};

use crate::model::{Kind, Model, Node};

/// Numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
enum Step {
    Create {
        context: usize,
    },
    Signal {
        owner: usize,
    },
    Fail {
        owner: usize,
        errno: i32,
    },
    DropOwner {
        owner: usize,
    },
    AddCallback {
        fence: usize,
    },
    RemoveCallback {
        callback: usize,
    },
    Array {
        fences: Vec<usize>,
    },
    Link {
        prev: Option<usize>,
        fence: usize,
        seqno: u64,
    },
    Merge {
        fences: Vec<usize>,
    },
    FindSeqno {
        fence: usize,
        seqno: u64,
    },
    Forget {
        fence: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..64_usize;
    let some = || prop::collection::vec(0..64_usize, 0..4);
    prop_oneof![
        6 => (0..3_usize).prop_map(|context| Step::Create { context }),
        4 => any().prop_map(|owner| Step::Signal { owner }),
        2 => (any(), 1..=4095_i32).prop_map(|(owner, errno)| Step::Fail { owner, errno }),
        1 => any().prop_map(|owner| Step::DropOwner { owner }),
        4 => any().prop_map(|fence| Step::AddCallback { fence }),
        2 => any().prop_map(|callback| Step::RemoveCallback { callback }),
        3 => some().prop_map(|fences| Step::Array { fences }),
        5 => (prop::option::weighted(0.8, any()), any(), 0..12_u64)
            .prop_map(|(prev, fence, seqno)| Step::Link { prev, fence, seqno }),
        3 => some().prop_map(|fences| Step::Merge { fences }),
        3 => (any(), 0..14_u64).prop_map(|(fence, seqno)| Step::FindSeqno { fence, seqno }),
        3 => any().prop_map(|fence| Step::Forget { fence }),
    ]
}

struct Queued {
    node: Node,
    handle: Option<CallbackHandle>,
    removed: bool,
    run: Arc<AtomicUsize>,
}

struct World {
    model: Model,
    contexts: [FenceContext; 3],
    seqnos: [u64; 3],
    owners: Vec<(Node, UniqueFence)>,
    /// Our handle of each node of the model, until it is forgotten.
    fences: Vec<Option<Fence>>,
    callbacks: Vec<Queued>,
}

impl World {
    fn new() -> Self {
        Self {
            model: Model::default(),
            contexts: [(); 3].map(|()| FenceContext::new("test", "model")),
            seqnos: [0; 3],
            owners: Vec::new(),
            fences: Vec::new(),
            callbacks: Vec::new(),
        }
    }

    /// The fence that a number means, if there is one.
    fn pick(&self, number: usize) -> Option<(Node, Fence)> {
        let known: Vec<Node> = (0..self.fences.len())
            .filter(|node| self.fences[*node].is_some())
            .collect();
        let node = *known.get(number.checked_rem(known.len())?)?;
        Some((node, self.fences[node].clone()?))
    }

    fn take_owner(&mut self, number: usize) -> Option<(Node, UniqueFence)> {
        let index = number.checked_rem(self.owners.len())?;
        Some(self.owners.swap_remove(index))
    }

    fn keep(&mut self, node: Node, fence: impl Into<Fence>) {
        assert_eq!(self.fences.len(), node);
        self.fences.push(Some(fence.into()));
    }

    /// Takes one step; `None` if there is nothing to take it with.
    fn take(&mut self, step: Step) -> Option<()> {
        match step {
            Step::Create { context } => self.create(context),
            Step::Signal { owner } => {
                let (node, owner) = self.take_owner(owner)?;
                owner.signal();
                self.model.signal(node, None);
            }
            Step::Fail { owner, errno } => {
                let (node, owner) = self.take_owner(owner)?;
                owner.signal_error(Errno::new(errno)).unwrap();
                self.model.signal(node, Some(Errno::new(errno)));
            }
            Step::DropOwner { owner } => {
                let (node, owner) = self.take_owner(owner)?;
                drop(owner);
                self.model.signal(node, Some(Errno::EDEADLK));
            }
            Step::AddCallback { fence } => self.add_callback(fence)?,
            Step::RemoveCallback { callback } => self.remove_callback(callback)?,
            Step::Array { fences } => self.array(&fences),
            Step::Link { prev, fence, seqno } => self.link(prev, fence, seqno)?,
            Step::Merge { fences } => self.merge(&fences),
            Step::FindSeqno { fence, seqno } => self.find_seqno(fence, seqno)?,
            Step::Forget { fence } => {
                let (node, _) = self.pick(fence)?;
                self.fences[node] = None;
            }
        }
        Some(())
    }

    fn create(&mut self, context: usize) {
        self.seqnos[context] += 1;
        let seqno = self.seqnos[context];
        let owner = self.contexts[context].fence(seqno);
        let node = self.model.add(Kind::Plain { context, seqno });
        self.keep(node, owner.fence());
        self.owners.push((node, owner));
    }

    fn add_callback(&mut self, number: usize) -> Option<()> {
        let (node, fence) = self.pick(number)?;
        let run = Arc::new(AtomicUsize::new(0));
        let count = run.clone();
        let outcome = fence.add_callback(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        match outcome {
            CallbackOutcome::Added(handle) => {
                assert_eq!(self.model.status(node), FenceStatus::Unsignaled);
                self.model.watch(node);
                self.callbacks.push(Queued {
                    node,
                    handle: Some(handle),
                    removed: false,
                    run,
                });
            }
            CallbackOutcome::AlreadySignaled(_) => assert!(self.model.status(node).is_signaled()),
        }
        Some(())
    }

    fn remove_callback(&mut self, number: usize) -> Option<()> {
        let index = number.checked_rem(self.callbacks.len())?;
        let callback = &mut self.callbacks[index];
        let queued = !self.model.status(callback.node).is_signaled();
        assert_eq!(callback.handle.take()?.remove(), queued);
        callback.removed = queued;
        Some(())
    }

    fn array(&mut self, numbers: &[usize]) {
        let picked: Vec<(Node, Fence)> = numbers.iter().filter_map(|number| self.pick(*number)).collect();
        let nested = picked.iter().any(|(_, fence)| fence.is_container());
        let (members, fences): (Vec<Node>, Vec<Fence>) = picked.into_iter().unzip();
        match FenceArray::new(fences) {
            Ok(array) => {
                assert!(!nested);
                let node = self.model.add(Kind::Array {
                    members,
                    watched: false,
                    error: None,
                });
                self.keep(node, array);
            }
            Err(_) => assert!(nested),
        }
    }

    fn link(&mut self, prev: Option<usize>, number: usize, seqno: u64) -> Option<()> {
        let (contained, fence) = self.pick(number)?;
        let (prev, prev_fence) = prev.and_then(|number| self.pick(number)).unzip();
        let nested = matches!(self.model.nodes[contained], Kind::Link { .. });
        match FenceChain::link(prev_fence, fence, seqno) {
            Ok(link) => {
                assert!(!nested);
                let node = self.model.link(prev, contained, seqno);
                self.keep(node, link);
            }
            Err(_) => assert!(nested),
        }
        Some(())
    }

    fn merge(&mut self, numbers: &[usize]) {
        let (nodes, fences): (Vec<Node>, Vec<Fence>) =
            numbers.iter().filter_map(|number| self.pick(*number)).unzip();
        let merged = fence::merge(fences);
        let expected = self.model.merge(&nodes);
        match expected[..] {
            [] => assert!(merged.is_signaled() && !merged.is_container()),
            [only] => self.assert_is(&merged, only),
            _ => {
                let array = FenceArray::from_fence(&merged).unwrap();
                assert_eq!(array.fences().len(), expected.len());
                for (fence, node) in array.fences().iter().zip(&expected) {
                    self.assert_is(fence, *node);
                }
                let node = self.model.add(Kind::Array {
                    members: expected,
                    watched: false,
                    error: None,
                });
                self.keep(node, merged);
            }
        }
    }

    fn find_seqno(&mut self, number: usize, seqno: u64) -> Option<()> {
        let (node, fence) = self.pick(number)?;
        let found = match FenceChain::from_fence(&fence) {
            Some(chain) => chain.find_seqno(seqno).map_err(|error| error.errno()),
            None => Err(Errno::EINVAL),
        };
        match (found, self.model.find_seqno(node, seqno)) {
            (Ok(Some(found)), Ok(Some(node))) => self.assert_is(&found, node),
            (found, expected) => assert_eq!(
                found.map(|fence| fence.is_some()),
                expected.map(|node| node.is_some())
            ),
        }
        Some(())
    }

    /// Compares a fence with a node of which we may have no handle any more.
    fn assert_is(&self, fence: &Fence, node: Node) {
        match (&self.fences[node], &self.model.nodes[node]) {
            (Some(known), _) => assert_eq!(fence, known),
            (None, Kind::Plain { context, seqno }) => {
                assert_eq!(
                    (fence.context(), fence.seqno()),
                    (self.contexts[*context].id(), *seqno)
                );
            }
            (None, Kind::Link { seqno, .. }) => assert_eq!(fence.seqno(), *seqno),
            (None, Kind::Array { members, .. }) => {
                assert_eq!(
                    FenceArray::from_fence(fence).unwrap().fences().len(),
                    members.len()
                );
            }
        }
    }

    fn compare(&self) {
        // First, and so before the looks below signal what a callback should have been told of.
        for callback in &self.callbacks {
            let runs = !callback.removed && self.model.status(callback.node).is_signaled();
            assert_eq!(callback.run.load(Ordering::Relaxed), usize::from(runs));
        }
        for (node, fence) in self.fences.iter().enumerate() {
            let Some(fence) = fence else { continue };
            assert_eq!(fence.status(), self.model.status(node), "{fence:?}");
            let unwrapped: Vec<Fence> = fence::unwrap(fence).collect();
            let expected = self.model.unwrap(node);
            assert_eq!(unwrapped.len(), expected.len(), "{unwrapped:?}");
            for (fence, node) in unwrapped.iter().zip(expected) {
                self.assert_is(fence, node);
            }
        }
    }
}

proptest! {
    #[test]
    fn fences_do_what_the_model_does(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.compare();
        }
    }
}
