//! Short words for participants and heaps.

use wharf_core::AccessMode;
use wharf_core::constraints::{
    Constraints, ConstraintsBuilder, FormatKey, ImageConstraints, Record, Rules, Size, Sizes, StrideRule,
    Tiling, key,
};
use wharf_core::dma::{DmaLimits, Translation, Window};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Function, Guarantees, HeapOffer, Participant, ParticipantId, Plan, Policy, Problem, Report, ReportKind,
    solve,
};

pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const TILED: Modifier = Modifier::from_raw(0x0100_0000_0000_0001);

pub(crate) fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

pub(crate) fn room(sizes: &[(u32, u32)]) -> Record {
    let sizes: Sizes = sizes.iter().map(|&(width, height)| size(width, height)).collect();
    Record::new().with(key::REQUIRED_SIZES, sizes)
}

pub(crate) fn linear(fourcc: Fourcc) -> ImageConstraints {
    ImageConstraints::new(fourcc, Modifier::LINEAR)
}

pub(crate) fn any_tiling(fourcc: Fourcc) -> ImageConstraints {
    ImageConstraints::of(FormatKey {
        fourcc: Some(fourcc),
        tiling: None,
    })
}

pub(crate) fn any_format(modifier: Modifier) -> ImageConstraints {
    ImageConstraints::of(FormatKey {
        fourcc: None,
        tiling: Some(Tiling::Explicit(modifier)),
    })
}

pub(crate) fn rules(rules: &[StrideRule]) -> Rules {
    rules.iter().copied().collect()
}

pub(crate) fn one_segment(window_end: u64) -> DmaLimits {
    DmaLimits::builder()
        .windows([0..=window_end - 1])
        .max_segments(1)
        .build()
        .unwrap()
}

pub(crate) fn iommu() -> DmaLimits {
    DmaLimits::builder()
        .translation(Translation::Iommu {
            aperture: Window {
                first: 0,
                last: (1 << 40) - 1,
            },
            page_bytes: 4096,
            coalesce: true,
        })
        .build()
        .unwrap()
}

/// A participant that does one thing in one way.
pub(crate) fn who(id: u64, label: &str, constraints: ConstraintsBuilder) -> Participant {
    Participant::new(ParticipantId(id), label).function(Function::new("use", constraints.build().unwrap()))
}

pub(crate) fn reading(participant: Participant) -> Participant {
    participant.access(AccessMode::ReadOnly)
}

pub(crate) fn plain() -> ConstraintsBuilder {
    Constraints::builder()
}

pub(crate) fn heap(name: &str, guarantees: Guarantees) -> HeapOffer {
    HeapOffer {
        name: name.into(),
        guarantees,
        cost: 0,
        capacity_bytes: None,
    }
}

/// Scattered pages anywhere.
pub(crate) fn system() -> HeapOffer {
    heap("system", Guarantees::default())
}

/// One run per buffer, somewhere in a window.
pub(crate) fn cma(name: &str, first: u64, last: u64) -> HeapOffer {
    HeapOffer {
        cost: 10,
        ..heap(
            name,
            Guarantees {
                windows: Some([first..=last].into_iter().collect()),
                contiguous: true,
                ..Guarantees::default()
            },
        )
    }
}

pub(crate) fn solved(participants: &[Participant], heaps: &[HeapOffer]) -> Result<Plan, Box<Report>> {
    let policy = Policy::default();
    solve(&Problem {
        participants,
        heaps,
        policy: &policy,
    })
}

pub(crate) fn planned(participants: &[Participant], heaps: &[HeapOffer]) -> Plan {
    match solved(participants, heaps) {
        Ok(plan) => plan,
        Err(report) => panic!("no plan:\n{report}"),
    }
}

pub(crate) fn refused(participants: &[Participant], heaps: &[HeapOffer]) -> ReportKind {
    match solved(participants, heaps) {
        Ok(plan) => panic!("a plan:\n{plan:#?}"),
        Err(report) => report.kind,
    }
}
