//! Reports of random sets, with alternatives and optional participants, from outside: they do not depend on order, they come back
//! from JSON, and they keep what their types promise.

use proptest::prelude::*;
use wharf_core::constraints::{Buffers, Bytes, Constraints, ImageConstraints, Names, Record, Size, key};
use wharf_core::dma::DmaLimits;
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Function, Guarantees, HeapOffer, LimitOrigin, Participant, ParticipantId, Plan, Policy, Presence,
    Problem, Report, ReportKind, solve,
};

use crate::support::TILED;

/// What one alternative needs.
#[derive(Debug, Clone)]
struct Way {
    cost: u32,
    gib: Option<u64>,
    scheme: Option<bool>,
    camping: u64,
    formats: Vec<Modifier>,
    max_stride: Option<u64>,
    heaps: Option<&'static str>,
}

impl Way {
    fn constraints(&self) -> Constraints {
        let mut dma = DmaLimits::builder();
        if let Some(gib) = self.gib {
            dma = dma.windows([gib << 30..=((gib + 1) << 30) - 1]);
        }
        let mut builder = Constraints::builder()
            .dma(dma.build().expect("a gibibyte is something"))
            .with(key::CAMPING, Buffers(self.camping));
        if let Some(secure) = self.scheme {
            let scheme = if secure { "secure" } else { "none" };
            builder = builder.with(key::PROTECTION, scheme.into());
        }
        if let Some(heap) = self.heaps {
            builder = builder.with(key::HEAPS, [heap].into_iter().collect::<Names>());
        }
        for modifier in &self.formats {
            let sizes = [Size {
                width: 320,
                height: 200,
            }];
            let plane = match self.max_stride {
                Some(most) => Record::new().with(key::MAX_STRIDE, Bytes(most)),
                None => Record::new().with(key::STRIDE_ALIGN, Bytes(64)),
            };
            let image = ImageConstraints::new(Fourcc::NV12, *modifier)
                .image(Record::new().with(key::REQUIRED_SIZES, sizes.into_iter().collect()))
                .every_plane(plane);
            builder = builder.image(image);
        }
        builder.build().expect("it makes sense")
    }
}

fn way() -> impl Strategy<Value = Way> {
    (
        0_u32..3,
        prop::option::of(0_u64..3),
        prop::option::weighted(0.2, any::<bool>()),
        prop_oneof![4 => 0_u64..4, 1 => 30_u64..60],
        prop::sample::subsequence(vec![Modifier::LINEAR, TILED], 1..3),
        prop::option::weighted(0.2, 320_u64..400),
        prop::option::weighted(0.2, prop_oneof![Just("low"), Just("system")]),
    )
        .prop_map(|(cost, gib, scheme, camping, formats, max_stride, heaps)| Way {
            cost,
            gib,
            scheme,
            camping,
            formats,
            max_stride,
            heaps,
        })
}

fn set() -> impl Strategy<Value = Vec<Participant>> {
    let one = (
        prop::collection::vec(way(), 1..4),
        prop::option::weighted(0.3, 0_u32..3),
    );
    prop::collection::vec(one, 1..6).prop_map(|all| {
        let numbered = (1..).zip(all);
        numbered
            .map(|(id, (ways, optional))| {
                let mut function = Function::new("use", ways[0].constraints());
                for (number, way) in ways.iter().enumerate().skip(1) {
                    function = function.or(&format!("way{number}"), way.cost, way.constraints());
                }
                let participant = Participant::new(ParticipantId(id), &format!("p{id}")).function(function);
                match optional {
                    Some(priority) => participant.presence(Presence::Optional { priority }),
                    None => participant,
                }
            })
            .collect()
    })
}

fn heaps() -> Vec<HeapOffer> {
    let offer = |name: &str, cost, guarantees| HeapOffer {
        name: name.into(),
        guarantees,
        cost,
        capacity_bytes: None,
    };
    let low = Guarantees {
        windows: Some([0..=0x3fff_ffff].into_iter().collect()),
        ..Guarantees::default()
    };
    vec![offer("system", 0, Guarantees::default()), offer("low", 3, low)]
}

fn outcome(participants: &[Participant], heaps: &[HeapOffer]) -> Result<Plan, Box<Report>> {
    solve(&Problem {
        participants,
        heaps,
        policy: &Policy::default(),
    })
}

fn check(report: &Report) {
    if let ReportKind::Conflict { conflicts, total } = &report.kind {
        assert!(conflicts.len() <= 8 && conflicts.len() <= *total, "{report}");
        for (number, conflict) in conflicts.iter().enumerate() {
            assert!(conflict.minimal && !conflict.members.is_empty(), "{report}");
            assert_eq!(conflict.unit, conflict.path.field.unit());
            assert_eq!(conflict.kind, conflict.path.field.merge_kind());
            let system = conflict
                .members
                .iter()
                .any(|member| member.who.participant.is_none());
            assert_eq!(system, conflict.origin == LimitOrigin::System, "{report}");
            assert!(!conflicts[..number].contains(conflict), "{report}");
        }
    }
    assert!(report.relaxations.len() <= 5, "{report}");
    let limit = Policy::default().max_merges;
    assert!(report.merges <= 2 * limit, "{} merges", report.merges);
    assert_eq!(report.summary().lines().count(), 1);
}

proptest! {
    #[test]
    fn reports_and_plans_do_not_depend_on_order_and_survive_json(set in set(), seed in any::<u64>()) {
        let mut others = set.clone();
        others.sort_by_key(|participant| participant.id.0.wrapping_mul(seed | 1).rotate_left(13));
        let (heaps, mut turned) = (heaps(), heaps());
        turned.reverse();
        let one = outcome(&set, &heaps);
        prop_assert_eq!(&one, &outcome(&others, &turned));
        match one {
            Ok(plan) => {
                let json = serde_json::to_string(&plan).expect("plans serialise");
                prop_assert_eq!(serde_json::from_str::<Plan>(&json).expect("as written"), plan);
            }
            Err(report) => {
                check(&report);
                let json = serde_json::to_string(&report).expect("reports serialise");
                prop_assert_eq!(serde_json::from_str::<Report>(&json).expect("as written"), *report);
            }
        }
    }
}

/// Merges are counted, so that this is no matter of time.
#[test]
fn merges_grow_with_the_logarithm_of_the_number_of_participants() {
    let window = |id: u64, gib: u64| {
        let way = Way {
            cost: 0,
            gib: Some(gib),
            scheme: None,
            camping: 0,
            formats: vec![Modifier::LINEAR],
            max_stride: None,
            heaps: None,
        };
        Participant::new(ParticipantId(id), &format!("p{id}"))
            .function(Function::new("use", way.constraints()))
    };
    let merges = |count: u64| {
        let participants: Vec<Participant> = (1..=count)
            .map(|id| window(id, u64::from(id == count / 2)))
            .collect();
        let report = outcome(&participants, &heaps()).expect_err("two gibibytes have nothing in common");
        check(&report);
        report.merges
    };
    let (few, many) = (merges(8), merges(128));
    // Sixteen times as many participants are four more halvings, on each of the few paths that are searched.
    assert!(many <= few + 4 * 16, "{few} merges for 8, {many} for 128");
}
