//! Putting fences together and taking them apart. Mirrors drivers/dma-buf/st-dma-fence-unwrap.c (v7.1).

use super::{FenceSut, UnwrapSut};

/// Two fences of two contexts, the first of the earlier context.
struct Two<S: FenceSut> {
    _owners: [S::Owner; 2],
    f1: S::Fence,
    f2: S::Fence,
}

impl<S: FenceSut> Two<S> {
    fn new(sut: &S) -> Self {
        let owners = [sut.lone(), sut.lone()];
        let [f1, f2] = [&owners[0], &owners[1]].map(|owner| sut.fence(owner));
        Self {
            _owners: owners,
            f1,
            f2,
        }
    }

    fn both(&self) -> [S::Fence; 2] {
        [self.f1.clone(), self.f2.clone()]
    }
}

/// Asserts that `fence` consists of `expected`, each once, in any order.
fn assert_consists<S: UnwrapSut>(sut: &S, fence: &S::Fence, expected: &[S::Fence]) {
    let seen = sut.unwrap(fence);
    for fence in expected {
        assert_eq!(
            seen.iter().filter(|seen| *seen == fence).count(),
            1,
            "{fence:?} in {seen:?}"
        );
    }
    assert_eq!(seen.len(), expected.len(), "unexpected fences in {seen:?}");
}

/// Containers can be made and dropped while their fences are unsignaled. Mirrors `sanitycheck`.
pub fn sanitycheck<S: UnwrapSut>(sut: &S) {
    let owner = sut.lone();
    let array = sut.array(&[sut.fence(&owner)]);
    let chain = sut.chain(None, &array, 1);
    drop(chain);
}

/// An array consists of its members. Mirrors `unwrap_array`.
pub fn unwrap_array<S: UnwrapSut>(sut: &S) {
    let two = Two::new(sut);
    assert_consists(sut, &sut.array(&two.both()), &two.both());
}

/// A chain consists of its links, though it begins with a fence that is no link. Mirrors `unwrap_chain`.
pub fn unwrap_chain<S: UnwrapSut>(sut: &S) {
    let two = Two::new(sut);
    assert_consists(sut, &sut.chain(Some(&two.f1), &two.f2, 1), &two.both());
}

/// A chain of an array consists of the array's members. Mirrors `unwrap_chain_array`.
pub fn unwrap_chain_array<S: UnwrapSut>(sut: &S) {
    let two = Two::new(sut);
    let array = sut.array(&two.both());
    assert_consists(sut, &sut.chain(None, &array, 1), &two.both());
}

/// Two fences merged consist of both. Mirrors `unwrap_merge`.
pub fn unwrap_merge<S: UnwrapSut>(sut: &S) {
    let two = Two::new(sut);
    assert_consists(sut, &sut.merge(&two.both()), &two.both());
}

/// A fence merged with itself is there once. Mirrors `unwrap_merge_duplicate`.
pub fn unwrap_merge_duplicate<S: UnwrapSut>(sut: &S) {
    let owner = sut.lone();
    let fence = sut.fence(&owner);
    let merged = sut.merge(&[fence.clone(), fence.clone()]);
    assert_consists(sut, &merged, &[fence]);
}

/// The later fence of a context is kept, and contexts are in order. Mirrors `unwrap_merge_seqno`.
pub fn unwrap_merge_seqno<S: UnwrapSut>(sut: &S) {
    let contexts = [sut.context(), sut.context()];
    let owners = [(1, 1), (1, 2), (0, 1)].map(|(context, seqno)| sut.create(&contexts[context], seqno));
    let [f1, f2, f3] = [0, 1, 2].map(|index: usize| sut.fence(&owners[index]));
    let merged = sut.merge(&[f1, f2.clone(), f3.clone()]);
    assert_eq!(sut.unwrap(&merged), [f3, f2]);
}

/// An array and a chain of the same fences in opposite orders merge into each once, in order. Mirrors `unwrap_merge_order`.
pub fn unwrap_merge_order<S: UnwrapSut>(sut: &S) {
    let two = Two::new(sut);
    let array = sut.array(&two.both());
    let first = sut.chain(None, &two.f1, 1);
    let chain = sut.chain(Some(&first), &two.f2, 1);
    assert_eq!(sut.unwrap(&sut.merge(&[array, chain])), two.both());
}

/// Arrays of the same fences merge into one, and signaled fences vanish. Mirrors `unwrap_merge_complex`.
pub fn unwrap_merge_complex<S: UnwrapSut>(sut: &S) {
    let two = Two::new(sut);
    let merged = sut.merge(&two.both());
    let reversed = sut.array(&[two.f2.clone(), two.f1.clone()]);
    let all = sut.merge(&[merged, reversed, sut.stub()]);
    assert_consists(sut, &all, &two.both());
}

/// Of two arrays, the later fence of each context is kept, wherever it comes from. Mirrors `unwrap_merge_complex_seqno`.
pub fn unwrap_merge_complex_seqno<S: UnwrapSut>(sut: &S) {
    let contexts = [sut.context(), sut.context()];
    let owners =
        [(0, 2), (1, 1), (0, 1), (1, 2)].map(|(context, seqno)| sut.create(&contexts[context], seqno));
    let [f1, f2, f3, f4] = [0, 1, 2, 3].map(|index: usize| sut.fence(&owners[index]));
    let arrays = [sut.array(&[f1.clone(), f2]), sut.array(&[f3, f4.clone()])];
    assert_eq!(sut.unwrap(&sut.merge(&arrays)), [f1, f4]);
}

/// No fences stay no fences. Mirrors `test_dedup_empty` (pending).
pub fn dedup_empty<S: UnwrapSut>(sut: &S) {
    assert_eq!(sut.dedup(&[]), []);
}
