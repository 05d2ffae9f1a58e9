//! Random uses of two reservations against the model, compared after every step.

use std::sync::Arc;

use proptest::prelude::*;
use wharf_core::{
    AddFenceError, Errno, Fence, FenceArray, FenceContext, Fences, Reservation, ReservationGuard,
    ReserveError, UniqueFence, Usage, Wait,
};

use crate::model::{Entries, Model, ModelFence};

/// Numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
enum Step {
    Create {
        context: usize,
        seqno: u64,
    },
    Signal {
        owner: usize,
    },
    Lock {
        at: usize,
    },
    Unlock {
        at: usize,
    },
    Reserve {
        at: usize,
        count: usize,
    },
    Add {
        at: usize,
        fence: usize,
        usage: Usage,
    },
    Replace {
        at: usize,
        context: usize,
        fence: usize,
        usage: Usage,
    },
    Copy {
        to: usize,
        from: usize,
    },
    BeginReading {
        at: usize,
        usage: Usage,
    },
    Read {
        reader: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..2_usize;
    let any = || 0..64_usize;
    let usage = || prop::sample::select(&Usage::ALL[..]);
    prop_oneof![
        5 => (0..3_usize, 0..6_u64).prop_map(|(context, seqno)| Step::Create { context, seqno }),
        4 => any().prop_map(|owner| Step::Signal { owner }),
        4 => at().prop_map(|at| Step::Lock { at }),
        1 => at().prop_map(|at| Step::Unlock { at }),
        5 => (at(), 0..4_usize).prop_map(|(at, count)| Step::Reserve { at, count }),
        10 => (at(), any(), usage()).prop_map(|(at, fence, usage)| Step::Add { at, fence, usage }),
        2 => (at(), 0..3_usize, any(), usage())
            .prop_map(|(at, context, fence, usage)| Step::Replace { at, context, fence, usage }),
        1 => (at(), at()).prop_map(|(to, from)| Step::Copy { to, from }),
        3 => (at(), usage()).prop_map(|(at, usage)| Step::BeginReading { at, usage }),
        4 => any().prop_map(|reader| Step::Read { reader }),
    ]
}

/// A reader on its way, and what it has still to come to.
struct Reader {
    fences: Fences,
    rest: Entries,
}

struct World<'r> {
    model: Model,
    contexts: [FenceContext; 3],
    owners: Vec<(usize, UniqueFence)>,
    fences: Vec<Fence>,
    reservations: &'r [Arc<Reservation>; 2],
    guards: [Option<ReservationGuard<'r>>; 2],
    readers: Vec<Reader>,
}

impl<'r> World<'r> {
    fn new(reservations: &'r [Arc<Reservation>; 2]) -> Self {
        Self {
            model: Model::default(),
            contexts: [(); 3].map(|()| FenceContext::new("test", "model")),
            owners: Vec::new(),
            fences: Vec::new(),
            reservations,
            guards: [None, None],
            readers: Vec::new(),
        }
    }

    fn pick(&self, number: usize) -> Option<usize> {
        number.checked_rem(self.fences.len())
    }

    /// Takes one step; `None` if there is nothing to take it with.
    fn take(&mut self, step: &Step) -> Option<()> {
        match *step {
            Step::Create { context, seqno } => self.create(context, seqno),
            Step::Signal { owner } => {
                let index = owner.checked_rem(self.owners.len())?;
                let (number, owner) = self.owners.swap_remove(index);
                owner.signal();
                self.model.fences[number].signaled = true;
            }
            Step::Lock { at } => self.lock(at),
            Step::Unlock { at } => {
                drop(self.guards[at].take()?);
                self.model.unlock(at);
            }
            Step::Reserve { at, count } => {
                let done = self.guards[at].as_ref()?.reserve_fences(count);
                let expected = self
                    .model
                    .reserve(at, count)
                    .then_some(())
                    .ok_or(ReserveError::Nothing);
                assert_eq!(done, expected);
            }
            Step::Add { at, fence, usage } => self.add(at, self.pick(fence)?, usage)?,
            Step::Replace {
                at,
                context,
                fence,
                usage,
            } => {
                let (number, id) = (self.pick(fence)?, self.contexts[context].id());
                self.guards[at]
                    .as_ref()?
                    .replace_fences(id, &self.fences[number], usage)
                    .unwrap();
                self.model.replace(at, context, number, usage);
            }
            Step::Copy { to, from } => {
                self.guards[to]
                    .as_ref()?
                    .copy_fences_from(&self.reservations[from])
                    .unwrap();
                self.model.copy(to, from);
            }
            Step::BeginReading { at, usage } => self.readers.push(Reader {
                fences: self.reservations[at].fences(usage),
                rest: self.model.pending(at, usage),
            }),
            Step::Read { reader } => self.read(reader)?,
        }
        Some(())
    }

    fn create(&mut self, context: usize, seqno: u64) {
        let owner = self.contexts[context].fence(seqno);
        self.fences.push(owner.fence());
        self.owners.push((self.fences.len() - 1, owner));
        let signaled = false;
        self.model.fences.push(ModelFence {
            context,
            seqno,
            signaled,
        });
    }

    fn lock(&mut self, at: usize) {
        let locked = self.reservations[at].try_lock();
        assert_eq!(locked.is_some(), self.guards[at].is_none());
        if let Some(guard) = locked {
            self.guards[at] = Some(guard);
            self.model.lock(at);
        }
    }

    fn add(&mut self, at: usize, number: usize, usage: Usage) -> Option<()> {
        let fence = &self.fences[number];
        let added = self.guards[at].as_ref()?.add_fence(fence, usage);
        let context = fence.context();
        match self.model.add(at, number, usage) {
            true => assert_eq!(added, Ok(())),
            false => assert_eq!(added, Err(AddFenceError::NoSlot { context, usage })),
        }
        Some(())
    }

    /// Takes one step of a reader: it passes over what was signaled meanwhile, and comes to what was there when it began.
    fn read(&mut self, reader: usize) -> Option<()> {
        let index = reader.checked_rem(self.readers.len())?;
        let next = self.readers[index].fences.next().map(|seen| self.number(&seen));
        let rest = &mut self.readers[index].rest;
        rest.retain(|(number, _)| !self.model.fences[*number].signaled);
        match next {
            Some(seen) => {
                let place = rest.iter().position(|expected| *expected == seen);
                // It was there when the reader began, and did not come before.
                rest.remove(place.unwrap());
            }
            None => {
                assert!(rest.is_empty(), "the reader did not come to {rest:?}");
                self.readers.swap_remove(index);
            }
        }
        Some(())
    }

    /// The model's name for a fence.
    fn number(&self, (fence, usage): &(Fence, Usage)) -> (usize, Usage) {
        (
            self.fences.iter().position(|known| known == fence).unwrap(),
            *usage,
        )
    }

    fn numbers(&self, fences: impl Iterator<Item = (Fence, Usage)>) -> Entries {
        let mut numbers: Entries = fences.map(|seen| self.number(&seen)).collect();
        numbers.sort_unstable();
        numbers
    }

    fn compare(&self) {
        for (at, reservation) in self.reservations.iter().enumerate() {
            assert_eq!(
                reservation.is_locked(),
                self.model.reservations[at].slots.is_some()
            );
            for usage in Usage::ALL {
                let pending = self.model.pending(at, usage);
                assert_eq!(
                    self.numbers(reservation.fences(usage)),
                    pending,
                    "{usage:?} of {at}"
                );
                assert_eq!(reservation.is_signaled(usage), pending.is_empty());
                let waited = reservation
                    .wait(usage, &Wait::not())
                    .map_err(|error| error.errno());
                assert_eq!(
                    waited,
                    if pending.is_empty() {
                        Ok(())
                    } else {
                        Err(Errno::ETIMEDOUT)
                    }
                );
                self.compare_singleton(reservation, usage, &pending);
                // With the lock, signaled fences may still be there, or not.
                if let Some(guard) = &self.guards[at] {
                    let unsignaled = guard.fences(usage).filter(|(fence, _)| !fence.is_signaled());
                    assert_eq!(self.numbers(unsignaled), pending);
                }
            }
        }
    }

    fn compare_singleton(&self, reservation: &Reservation, usage: Usage, pending: &[(usize, Usage)]) {
        let singleton = reservation.singleton(usage);
        match pending {
            [] => assert_eq!(singleton, None),
            [(only, _)] => assert_eq!(singleton.as_ref(), Some(&self.fences[*only])),
            many => {
                let array = FenceArray::from_fence(&singleton.unwrap()).unwrap();
                let mut members: Vec<usize> = array
                    .fences()
                    .iter()
                    .map(|fence| self.number(&(fence.clone(), usage)).0)
                    .collect();
                members.sort_unstable();
                assert!(members.iter().eq(many.iter().map(|(number, _)| number)));
            }
        }
    }
}

proptest! {
    #[test]
    fn reservations_do_what_the_model_does(steps in prop::collection::vec(step(), 0..120)) {
        let reservations = [Reservation::new(), Reservation::new()];
        let mut world = World::new(&reservations);
        for step in &steps {
            world.take(step);
            world.compare();
        }
    }
}
