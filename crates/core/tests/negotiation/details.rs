//! Single decisions of the solver.

use wharf_core::constraints::{Buffers, Bytes, CpuUse, Names, Record, key};
use wharf_core::dma::{Coherency, DmaLimits};
use wharf_core::layout::Fourcc;
use wharf_core::negotiation::{Function, HeapOffer, Participant, ParticipantId, SyncStep};

use crate::support::*;

fn buffer() -> wharf_core::constraints::ConstraintsBuilder {
    plain().with(key::MIN_SIZE, Bytes(4096))
}

fn blind() -> wharf_core::constraints::ConstraintsBuilder {
    let limits = DmaLimits::builder().coherency(Coherency::NeedsSync);
    plain().dma(limits.build().unwrap())
}

#[test]
fn caches_are_cleaned_for_who_reads_and_invalidated_for_what_was_written() {
    let cpu = buffer().with(key::CPU_ACCESS, CpuUse::Often);
    let parties = [
        who(1, "cpu", cpu),
        who(2, "writer", blind()),
        reading(who(3, "reader", blind())),
    ];
    let step = |from, to, clean, invalidate| SyncStep {
        from: ParticipantId(from),
        to: ParticipantId(to),
        clean,
        invalidate,
    };
    let steps = [
        step(1, 2, true, false),
        step(1, 3, true, false),
        step(2, 1, false, true),
    ];
    assert_eq!(planned(&parties, &[system()]).sync, steps);
    let looking = reading(parties[0].clone());
    let plan = planned(&[looking, parties[1].clone(), parties[2].clone()], &[system()]);
    assert_eq!(plan.sync, [step(2, 1, false, true)]);
}

#[test]
fn who_rarely_looks_gets_a_mapping_that_needs_no_maintenance() {
    let both: Names = ["cached", "write_combined"].into_iter().collect();
    let mut offer = system();
    offer.guarantees.cache_modes = both;
    let mode = |cpu_use| {
        let cpu = who(1, "cpu", buffer().with(key::CPU_ACCESS, cpu_use));
        let plan = planned(&[cpu, who(2, "device", blind())], std::slice::from_ref(&offer));
        (
            plan.memories[0].cache_mode.as_deref().unwrap().to_owned(),
            plan.sync.len(),
        )
    };
    assert_eq!(mode(CpuUse::Often), ("cached".into(), 2));
    assert_eq!(mode(CpuUse::Rarely), ("write_combined".into(), 0));
}

#[test]
fn there_are_as_many_buffers_as_somebody_needs_at_least() {
    let counted = |least| {
        let parties = [
            who(1, "one", buffer().with(key::CAMPING, Buffers(2))),
            who(2, "other", plain().with(key::MIN_BUFFERS, Buffers(least))),
        ];
        planned(&parties, &[system()]).count()
    };
    assert_eq!((counted(1), counted(5)), (2, 5));
}

#[test]
fn sizes_are_multiples_of_what_anybody_needs() {
    let granule = DmaLimits::builder()
        .length_granule_bytes(1 << 14)
        .build()
        .unwrap();
    let parties = [
        who(1, "one", buffer()),
        who(2, "other", plain().dma(granule)),
        who(3, "third", plain().with(key::SIZE_ALIGN, Bytes(3 << 12))),
    ];
    let mut chunks = system();
    chunks.guarantees.chunk_bytes = 1 << 16;
    let sizes = [1, 2, 3].map(|count| planned(&parties[..count], std::slice::from_ref(&chunks)).size_bytes());
    assert_eq!(sizes, [4096, 1 << 14, 3 << 14]);
}

#[test]
fn memory_that_is_not_scarce_comes_before_a_small_buffer() {
    let small = linear(Fourcc::R8)
        .image(room(&[(64, 64)]).with(key::PLANE_MEMORY, "separate".into()))
        .planes(vec![
            Record::new().with(key::HEAPS, ["scarce"].into_iter().collect()),
        ]);
    let large = linear(Fourcc::XRGB8888).image(room(&[(64, 64)]));
    let parties = [who(1, "camera", plain().image(small).image(large))];
    let offer = |name: &str, cost| HeapOffer {
        name: name.into(),
        cost,
        ..system()
    };
    let chosen = |cost| {
        let plan = planned(&parties, &[offer("plain", 5), offer("scarce", cost)]);
        plan.image.unwrap().format.fourcc.unwrap()
    };
    assert_eq!((chosen(9), chosen(1)), (Fourcc::XRGB8888, Fourcc::R8));
}

#[test]
fn of_equal_costs_the_first_participant_has_its_way() {
    let only = |names: &[&str]| {
        buffer()
            .with(key::HEAPS, names.iter().copied().collect())
            .build()
            .unwrap()
    };
    // Each has a dear way that is declared first. Both cheap ways together do not go.
    let function = |dear, cheap| Function::new("use", only(&[dear])).or("cheap", 0, only(&[cheap]));
    let dear = |mut function: Function| {
        function.alternatives[0].cost = 1;
        function
    };
    let parties = [
        Participant::new(ParticipantId(1), "one").function(dear(function("a", "b"))),
        Participant::new(ParticipantId(2), "other").function(dear(function("b", "a"))),
    ];
    let heaps = ["a", "b"].map(|name| HeapOffer {
        name: name.into(),
        ..system()
    });
    let plan = planned(&parties, &heaps);
    let ways: Vec<&str> = plan.choices.iter().map(|choice| &*choice.alternative).collect();
    assert_eq!(ways, ["only", "cheap"]);
}
