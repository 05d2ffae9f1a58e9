//! What users complain about: reference section 3, one test for each complaint.

mod beyond;
mod layouts;
mod memory;

use crate::support::*;
use wharf_core::constraints::{Bytes, ImageConstraints, Names, Record, key};
use wharf_core::layout::Fourcc;
use wharf_core::negotiation::{ParticipantId, Plan};

fn names(names: &[&str]) -> Names {
    names.iter().copied().collect()
}

fn picture(width: u32, height: u32) -> ImageConstraints {
    linear(Fourcc::NV12).image(room(&[(width, height)]))
}

fn aligned(bytes: u64) -> Record {
    Record::new().with(key::STRIDE_ALIGN, Bytes(bytes))
}

fn strides(plan: &Plan) -> Vec<u64> {
    let image = plan.image.as_ref().unwrap();
    image.planes.iter().map(|plane| plane.stride_bytes).collect()
}

fn first_heap(plan: &Plan) -> &str {
    &plan.memories[0].heaps[0]
}

fn way(plan: &Plan, id: u64) -> &str {
    let chosen = plan
        .choices
        .iter()
        .find(|choice| choice.participant == ParticipantId(id));
    &chosen.unwrap().alternative
}
