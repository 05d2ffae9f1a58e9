//! Random uses of one buffer by static, dynamic and revocable importers, against a model, compared after every step. Exporters of every kind,
//! both policies, everything dropped in any order, with the reservation held or not. Contract: A5, A6, L2 to L6.
#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

#[path = "model_attachment/exporter.rs"]
mod exporter;
#[path = "model_attachment/model.rs"]
mod model;
#[path = "model_attachment/world.rs"]
mod world;

use proptest::prelude::*;
use wharf_core::{AccessMode, Contract, DataDirection, MismatchPolicy, Reservation};

use exporter::Kind;
use world::{Step, World};

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..64_usize;
    let contract = prop::sample::select(&[Contract::Static, Contract::Dynamic, Contract::Revocable][..]);
    let access = prop::sample::select(&[AccessMode::ReadWrite, AccessMode::ReadOnly][..]);
    let directions = &[
        DataDirection::Bidirectional,
        DataDirection::ToDevice,
        DataDirection::FromDevice,
    ][..];
    prop_oneof![
        6 => (contract, access).prop_map(|(contract, access)| Step::Attach { contract, access }),
        8 => (any(), prop::sample::select(directions)).prop_map(|(of, direction)| Step::Map { of, direction }),
        4 => any().prop_map(|mapping| Step::Unmap { mapping }),
        4 => any().prop_map(|mapping| Step::DropMapping { mapping }),
        3 => any().prop_map(|of| Step::Pin { of }),
        2 => any().prop_map(|pin| Step::Unpin { pin }),
        2 => any().prop_map(|pin| Step::DropPin { pin }),
        2 => any().prop_map(|of| Step::Detach { of }),
        2 => any().prop_map(|of| Step::DropAttachment { of }),
        5 => Just(Step::Lock),
        5 => Just(Step::Unlock),
        5 => Just(Step::Move),
        1 => Just(Step::Revoke),
        1 => Just(Step::DropBuffer),
    ]
}

proptest! {
    #[test]
    fn buffers_do_what_the_model_does(
        kind in prop::sample::select(&[Kind::Static, Kind::Caching, Kind::Dynamic, Kind::Dynamic][..]),
        policy in prop::sample::select(&[MismatchPolicy::MapAtAttach, MismatchPolicy::PinOnMap][..]),
        steps in prop::collection::vec(step(), 0..100),
    ) {
        let reservation = Reservation::new();
        let mut world = World::new(kind, policy, &reservation);
        for step in steps {
            world.take(step);
            world.compare();
        }
        world.end();
    }
}
