//! How the cost grows: 1, 100 and 10 000 callbacks, members and links.

use std::mem;
use std::sync::{Mutex, PoisonError};

use wharf_core::{Fence, FenceArray, FenceChain, FenceContext, UniqueFence};

use crate::turns::{Case, Measured};
use crate::{case, see};

const SIZES: [usize; 3] = [1, 100, 10_000];

type Closure = Box<dyn FnOnce() + Send>;

pub(crate) fn callbacks() -> Vec<Case> {
    let lists = SIZES.map(|size| case(format!("Mutex and list, {size}"), move || list(size)));
    let fences = SIZES.map(|size| {
        let context = FenceContext::new("bench", "callbacks");
        case(format!("fence, {size}"), move || callbacks_of(&context, size))
    });
    lists.into_iter().chain(fences).collect()
}

fn list(size: usize) -> Measured {
    let list: Mutex<Vec<Closure>> = Mutex::default();
    Measured::of(size, || {
        for number in 0..size {
            let closure: Closure = Box::new(move || see(number));
            list.lock().unwrap_or_else(PoisonError::into_inner).push(closure);
        }
        let taken = mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner));
        taken.into_iter().for_each(|closure| closure());
    })
}

fn callbacks_of(context: &FenceContext, size: usize) -> Measured {
    let owner = context.fence(1);
    let fence = owner.fence();
    Measured::of(size, || {
        for number in 0..size {
            see(fence.add_callback(move |_| see(number)));
        }
        owner.signal();
    })
}

pub(crate) fn arrays() -> Vec<Case> {
    SIZES
        .map(|size| {
            let context = FenceContext::new("bench", "members");
            case(format!("array of {size}"), move || array_of(&context, size))
        })
        .into()
}

fn array_of(context: &FenceContext, size: usize) -> Measured {
    let owners = row(context, size);
    Measured::of(size, || {
        if let Ok(array) = FenceArray::new(owners.iter().map(UniqueFence::fence)) {
            see(array.add_callback(|fence| see(fence.seqno())));
        }
        owners.into_iter().for_each(UniqueFence::signal);
    })
}

pub(crate) fn chains() -> Vec<Case> {
    SIZES
        .map(|size| {
            let context = FenceContext::new("bench", "links");
            case(format!("chain of {size}"), move || chain_of(&context, size))
        })
        .into()
}

fn chain_of(context: &FenceContext, size: usize) -> Measured {
    let owners = row(context, size);
    Measured::of(size, || {
        let mut head: Option<Fence> = None;
        for (seqno, owner) in (1..).zip(&owners) {
            head = FenceChain::link(head, owner.fence(), seqno).ok().map(Fence::from);
        }
        if let Some(head) = head {
            see(head.add_callback(|fence| see(fence.seqno())));
        }
        owners.into_iter().for_each(UniqueFence::signal);
    })
}

fn row(context: &FenceContext, size: usize) -> Vec<UniqueFence> {
    (1..).take(size).map(|seqno| context.fence(seqno)).collect()
}
