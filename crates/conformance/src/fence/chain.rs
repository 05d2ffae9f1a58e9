//! Chains: points of a timeline made of other fences. Mirrors drivers/dma-buf/st-dma-fence-chain.c (v7.1).

use std::sync::{Mutex, PoisonError};
use std::thread;

use wharf_core::Errno;

use super::{ChainSut, FenceSut};
use crate::PATIENCE;

/// Length of the short chains.
const SHORT: usize = 64;
/// Length of the long chains.
const LONG: usize = 4096;

/// Fences, and a chain in which link `i` has fence `i`.
struct Chains<S: FenceSut> {
    owners: Vec<Option<S::Owner>>,
    fences: Vec<S::Fence>,
    chains: Vec<S::Fence>,
}

impl<S: ChainSut> Chains<S> {
    fn new(sut: &S, len: usize, seqno: impl Fn(u64) -> u64) -> Self {
        let mut made = Self {
            owners: Vec::new(),
            fences: Vec::new(),
            chains: Vec::new(),
        };
        for (number, _) in (0..).zip(0..len) {
            let owner = sut.lone();
            let fence = sut.fence(&owner);
            let link = sut.chain(made.chains.last(), &fence, seqno(number));
            made.owners.push(Some(owner));
            made.fences.push(fence);
            made.chains.push(link);
        }
        made
    }

    fn tail(&self) -> &S::Fence {
        &self.chains[self.chains.len() - 1]
    }

    fn signal(&mut self, sut: &S, index: usize) {
        if let Some(owner) = self.owners[index].take() {
            sut.signal(owner, None);
        }
    }
}

/// Points 1, 2, 3, …
fn dense(number: u64) -> u64 {
    number + 1
}

/// Points 2, 4, 6, …
fn sparse(number: u64) -> u64 {
    2 * number + 2
}

/// A link can be made, signaled and dropped. Mirrors `sanitycheck`.
pub fn sanitycheck<S: ChainSut>(sut: &S) {
    let owner = sut.lone();
    let link = sut.chain(None, &sut.fence(&owner), 1);
    assert_eq!(sut.seqno(&link), 1);
    sut.signal(owner, None);
    drop(link);
}

/// Each point is found, from the head and from itself; a later one is not. Mirrors `find_seqno`.
pub fn find_seqno<S: ChainSut>(sut: &S) {
    let made = Chains::new(sut, SHORT, dense);
    let tail = made.tail();
    assert_eq!(sut.find_seqno(tail, 0), Ok(Some(tail.clone())), "point 0");
    let mut before = tail;
    for (seqno, link) in (1..).zip(&made.chains) {
        assert_eq!(
            sut.find_seqno(tail, seqno).as_ref(),
            Ok(&Some(link.clone())),
            "point {seqno}"
        );
        assert_eq!(
            sut.find_seqno(link, seqno).as_ref(),
            Ok(&Some(link.clone())),
            "itself, {seqno}"
        );
        assert_eq!(
            sut.find_seqno(link, seqno + 1),
            Err(Errno::EINVAL),
            "beyond {seqno}"
        );
        // Point 0 is always the link itself.
        let expected = if seqno == 1 { link } else { before };
        assert_eq!(
            sut.find_seqno(link, seqno - 1).as_ref(),
            Ok(&Some(expected.clone())),
            "before {seqno}"
        );
        before = link;
    }
    assert_eq!(
        sut.find_seqno(&made.fences[0], 1),
        Err(Errno::EINVAL),
        "not a chain"
    );
}

/// A point that is signaled is itself found, or nothing is left of it. Mirrors `find_signaled`.
pub fn find_signaled<S: ChainSut>(sut: &S) {
    let mut made = Chains::new(sut, 2, dense);
    made.signal(sut, 0);
    match sut.find_seqno(made.tail(), 1) {
        Ok(None) => {}
        Ok(Some(found)) => {
            assert_eq!(found, made.chains[0]);
            assert!(sut.find_seqno(&found, 1).is_ok(), "does not find itself");
        }
        Err(errno) => panic!("completed point 1 is not found: {errno}"),
    }
}

/// A signaled point whose predecessor is not signaled is reached only with that. Mirrors `find_out_of_order`.
pub fn find_out_of_order<S: ChainSut>(sut: &S) {
    let mut made = Chains::new(sut, 3, dense);
    made.signal(sut, 1);
    assert_eq!(sut.find_seqno(made.tail(), 2), Ok(Some(made.chains[0].clone())));
}

/// A point between two links is reached with the later of them. Mirrors `find_gap`.
pub fn find_gap<S: ChainSut>(sut: &S) {
    let made = Chains::new(sut, SHORT, sparse);
    for (number, link) in (0..).zip(&made.chains) {
        let (gap, own) = (2 * number + 1, 2 * number + 2);
        assert_eq!(
            sut.find_seqno(made.tail(), gap).as_ref(),
            Ok(&Some(link.clone())),
            "gap {gap}"
        );
        assert_eq!(
            sut.find_seqno(link, own).as_ref(),
            Ok(&Some(link.clone())),
            "itself, {own}"
        );
    }
}

/// Finds of each thread of [`find_race`].
const RACE_FINDS: u64 = 2_000;

/// Threads look for random points while they signal random fences: every look succeeds. Mirrors `find_race`.
pub fn find_race<S: ChainSut>(sut: &S) {
    let Chains { owners, chains, .. } = Chains::new(sut, LONG, dense);
    let owners: Vec<_> = owners.into_iter().map(Mutex::new).collect();
    let tail = &chains[LONG - 1];
    thread::scope(|scope| {
        for seed in 1..=4 {
            let owners = &owners;
            scope.spawn(move || {
                let mut random = Random(seed);
                for _ in 0..RACE_FINDS {
                    find_random(sut, tail, &mut random);
                    // The last one stays unsignaled, so that the head never goes.
                    let victim = random.below(LONG - 1);
                    let owner = owners[victim]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take();
                    owner.into_iter().for_each(|owner| sut.signal(owner, None));
                }
            });
        }
    });
}

fn find_random<S: ChainSut>(sut: &S, tail: &S::Fence, random: &mut Random) {
    let seqno = random.below(LONG) as u64 + 1;
    match sut.find_seqno(tail, seqno) {
        Ok(None) => {}
        Ok(Some(found)) if sut.seqno(&found) == seqno => {
            assert!(
                sut.find_seqno(&found, seqno).is_ok(),
                "{seqno} does not find itself"
            );
        }
        Ok(Some(found)) => assert!(
            sut.seqno(&found) < seqno || found == *tail,
            "{found:?} is later than the point asked for, {seqno}"
        ),
        Err(errno) => panic!("point {seqno} is not found: {errno}"),
    }
}

/// Signaled in order, each link is signaled with its fence and not before. Mirrors `signal_forward`.
pub fn signal_forward<S: ChainSut>(sut: &S) {
    let mut made = Chains::new(sut, SHORT, dense);
    for index in 0..SHORT {
        made.signal(sut, index);
        assert!(sut.is_signaled(&made.chains[index]), "link {index}");
        if let Some(next) = made.chains.get(index + 1) {
            assert!(!sut.is_signaled(next), "link {index} + 1 is early");
        }
    }
}

/// Signaled in reverse, no link is signaled before the first, and then all are. Mirrors `signal_backward`.
pub fn signal_backward<S: ChainSut>(sut: &S) {
    let mut made = Chains::new(sut, SHORT, dense);
    for index in (0..SHORT).rev() {
        made.signal(sut, index);
        assert_eq!(sut.is_signaled(&made.chains[index]), index == 0, "link {index}");
    }
    for (index, link) in made.chains.iter().enumerate() {
        assert!(sut.is_signaled(link), "link {index}");
    }
}

/// A wait for the head ends when all were signaled in order. Mirrors `wait_forward`.
pub fn wait_forward<S: ChainSut>(sut: &S) {
    wait_while_signaling(sut, (0..LONG).collect());
}

/// A wait for the head ends when all were signaled in reverse. Mirrors `wait_backward`.
pub fn wait_backward<S: ChainSut>(sut: &S) {
    wait_while_signaling(sut, (0..LONG).rev().collect());
}

/// A wait for the head ends when all were signaled in some order. Mirrors `wait_random`.
pub fn wait_random<S: ChainSut>(sut: &S) {
    let mut order: Vec<usize> = (0..LONG).collect();
    let mut random = Random(7);
    for last in (1..LONG).rev() {
        order.swap(last, random.below(last + 1));
    }
    wait_while_signaling(sut, order);
}

fn wait_while_signaling<S: ChainSut>(sut: &S, order: Vec<usize>) {
    let mut made = Chains::new(sut, order.len(), dense);
    let tail = made.tail().clone();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| sut.wait(&tail, PATIENCE));
        thread::yield_now();
        for index in order {
            assert!(!sut.is_signaled(&tail), "signaled before fence {index}");
            made.signal(sut, index);
        }
        assert_eq!(waiting.join().ok(), Some(Ok(())));
    });
}

/// Numbers that are random enough to mix things up, and the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's constants for 64 bits; the upper bits are the better ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // CAST: 31 bits fit everywhere.
        (self.0 >> 33) as usize % limit
    }
}
