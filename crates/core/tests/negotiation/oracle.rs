//! The solver against trying out everything, over small domains.
//!
//! The oracle shares nothing with the solver: it goes through all subsets of optional participants, all alternatives, all formats, all strides
//! and rows up to a bound and all heaps, asks each participant of its own small world whether that suits it, and keeps the best.

use proptest::prelude::*;
use wharf_core::PAGE_BYTES;
use wharf_core::constraints::{Buffers, Bytes, ConstraintsBuilder, Record, Rows, StrideRule, key};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Function, Guarantees, HeapOffer, Participant, ParticipantId, Plan, Policy, Presence, Problem, Report,
    ReportKind, solve,
};

use crate::support::*;

const WIDTH: u64 = 100;
const HEIGHT: u64 = 50;
const FORMATS: [(Fourcc, Modifier); 3] = [
    (Fourcc::R8, Modifier::LINEAR),
    (Fourcc::R8, TILED),
    (Fourcc::XRGB8888, Modifier::LINEAR),
];
const SAMPLE_BYTES: [u64; 3] = [1, 1, 4];

/// One way to work, in the oracle's words.
#[derive(Debug, Clone)]
struct Way {
    cost: u32,
    formats: Vec<usize>,
    stride_align: u64,
    max_stride: Option<u64>,
    exact: Option<u64>,
    rows_align: u64,
    camping: u64,
    max_buffers: Option<u64>,
    min_chunk: Option<u64>,
    locked: bool,
}

#[derive(Debug, Clone)]
struct Party {
    id: u64,
    priority: Option<u32>,
    functions: Vec<Vec<Way>>,
}

#[derive(Debug, Clone)]
struct Heap {
    name: &'static str,
    cost: u32,
    chunk: u64,
    locked: bool,
    max_size: u64,
    capacity: Option<u64>,
}

/// How good an outcome is; less is better.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    dropped: Vec<bool>,
    cost: u64,
    scarcity: (bool, u32),
    total: u64,
    ways: Vec<usize>,
    formats: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    format: usize,
    stride: u64,
    rows: u64,
    count: u64,
    heap: &'static str,
}

fn way() -> impl Strategy<Value = Way> {
    let formats = prop_oneof![
        Just(vec![0, 1, 2]),
        Just(vec![0]),
        Just(vec![1, 0]),
        Just(vec![2, 0]),
        Just(vec![2, 1]),
    ];
    let layout = (
        prop::sample::select(vec![1_u64, 1, 16, 48, 64]),
        prop::option::weighted(0.3, prop::sample::select(vec![100_u64, 128, 192, 448])),
        prop::option::weighted(0.2, prop::sample::select(vec![32_u64, 64, 128])),
        prop::sample::select(vec![1_u64, 1, 8, 12]),
    );
    let rest = (
        0_u64..3,
        prop::option::weighted(0.2, 2_u64..6),
        prop::option::weighted(0.3, prop::sample::select(vec![4096_u64, 8192])),
        prop::bool::weighted(0.2),
        0_u32..3,
    );
    (formats, layout, rest).prop_map(
        |(
            formats,
            (stride_align, max_stride, exact, rows_align),
            (camping, max_buffers, min_chunk, locked, cost),
        )| Way {
            cost,
            formats,
            stride_align,
            max_stride,
            exact,
            rows_align,
            camping,
            max_buffers,
            min_chunk,
            locked,
        },
    )
}

fn parties() -> impl Strategy<Value = Vec<Party>> {
    let function = prop::collection::vec(way(), 1..=3);
    let party = (
        prop::option::weighted(0.3, 0_u32..2),
        prop::collection::vec(function, 1..=2),
    );
    prop::collection::vec(party, 1..=3).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(index, (priority, functions))| Party {
                id: index as u64 + 1,
                priority,
                functions,
            })
            .collect()
    })
}

fn heaps() -> impl Strategy<Value = Vec<Heap>> {
    let heap = (
        0_u32..3,
        prop::sample::select(vec![4096_u64, 8192]),
        any::<bool>(),
        prop::sample::select(vec![8192_u64, 16384, u64::MAX]),
        prop::option::weighted(0.3, prop::sample::select(vec![16384_u64, 65536])),
    );
    prop::collection::vec(heap, 1..=3).prop_map(|all| {
        let named = all.into_iter().zip(["a", "b", "c"]);
        named
            .map(|((cost, chunk, locked, max_size, capacity), name)| Heap {
                name,
                cost,
                chunk,
                locked,
                max_size,
                capacity,
            })
            .collect()
    })
}

impl Way {
    fn declared(&self) -> ConstraintsBuilder {
        let mut plane = Record::new().with(key::STRIDE_ALIGN, Bytes(self.stride_align));
        if let Some(most) = self.max_stride {
            plane = plane.with(key::MAX_STRIDE, Bytes(most));
        }
        if let Some(align) = self.exact {
            plane = plane.with(key::STRIDE_RULES, rules(&[StrideRule::RoundUp(align)]));
        }
        let image = Record::new().with(key::ROWS_ALIGN, Rows(self.rows_align));
        let mut all = plain().with(key::CAMPING, Buffers(self.camping));
        for &format in &self.formats {
            let (fourcc, modifier) = FORMATS[format];
            let one = wharf_core::constraints::ImageConstraints::new(fourcc, modifier);
            all = all.image(one.image(image.clone()).every_plane(plane.clone()));
        }
        if let Some(most) = self.max_buffers {
            all = all.with(key::MAX_BUFFERS, Buffers(most));
        }
        if let Some(chunk) = self.min_chunk {
            all = all.with(key::MIN_CHUNK, Bytes(chunk));
        }
        if self.locked {
            all = all.with(key::LOCKED, ());
        }
        all
    }

    /// Whether it makes sense by itself: whoever declares nonsense is not asked here.
    fn is_possible(&self) -> bool {
        self.declared().build().is_ok()
    }

    fn takes_stride(&self, row: u64, stride: u64) -> bool {
        let exact = |align: u64| row.div_ceil(align) * align == stride;
        stride.is_multiple_of(self.stride_align)
            && self.max_stride.is_none_or(|most| stride <= most)
            && self.exact.is_none_or(exact)
    }

    fn takes(&self, format: usize, count: u64, heap: &Heap) -> bool {
        self.formats.contains(&format)
            && self.max_buffers.is_none_or(|most| count <= most)
            && self.min_chunk.is_none_or(|chunk| heap.chunk >= chunk)
            && (!self.locked || heap.locked)
    }
}

fn problem(parties: &[Party], heaps: &[Heap]) -> (Vec<Participant>, Vec<HeapOffer>) {
    let participants = parties.iter().map(|party| {
        let mut all = Participant::new(ParticipantId(party.id), &format!("party {}", party.id));
        if let Some(priority) = party.priority {
            all = all.presence(Presence::Optional { priority });
        }
        for (number, ways) in party.functions.iter().enumerate() {
            let mut function = Function {
                name: format!("function {number}").into(),
                alternatives: Vec::new(),
            };
            for (index, way) in ways.iter().enumerate() {
                let constraints = way.declared().build().unwrap();
                function = function.or(&index.to_string(), way.cost, constraints);
            }
            all = all.function(function);
        }
        all
    });
    let offers = heaps.iter().map(|one| HeapOffer {
        cost: one.cost,
        capacity_bytes: one.capacity,
        ..heap(
            one.name,
            Guarantees {
                chunk_bytes: one.chunk,
                locked: one.locked,
                max_size_bytes: one.max_size,
                ..Guarantees::default()
            },
        )
    });
    // Somebody says how large the picture is, and takes any of the formats.
    let mut size = plain();
    for (fourcc, modifier) in FORMATS {
        let image = wharf_core::constraints::ImageConstraints::new(fourcc, modifier);
        size = size.image(image.image(room(&[(WIDTH as u32, HEIGHT as u32)])));
    }
    let participants = participants.chain([who(100, "size", size)]);
    (participants.collect(), offers.collect())
}

/// All ways to choose one of each.
fn combinations(sizes: &[usize]) -> Vec<Vec<usize>> {
    sizes.iter().fold(vec![Vec::new()], |all, size| {
        let longer = |one: &Vec<usize>| -> Vec<Vec<usize>> {
            (0..*size)
                .map(|next| one.iter().copied().chain([next]).collect())
                .collect()
        };
        all.iter().flat_map(longer).collect()
    })
}

fn best(parties: &[Party], heaps: &[Heap]) -> Option<(Worth, Outcome)> {
    let mut optional: Vec<(u32, u64)> = parties
        .iter()
        .filter_map(|party| Some((party.priority?, party.id)))
        .collect();
    optional.sort_by_key(|(priority, id)| (std::cmp::Reverse(*priority), *id));
    let mut found: Vec<(Worth, Outcome)> = Vec::new();
    for dropped in combinations(&vec![2; optional.len()]) {
        let is_there = |party: &&Party| {
            let place = optional.iter().position(|(_, id)| *id == party.id);
            place.is_none_or(|place| dropped[place] == 0)
        };
        let functions: Vec<&Vec<Way>> = parties
            .iter()
            .filter(is_there)
            .flat_map(|party| &party.functions)
            .collect();
        let sizes: Vec<usize> = functions.iter().map(|ways| ways.len()).collect();
        for chosen in combinations(&sizes) {
            let ways: Vec<&Way> = functions
                .iter()
                .zip(&chosen)
                .map(|(ways, index)| &ways[*index])
                .collect();
            found.extend(fitting(&ways, heaps).map(|(scarcity, total, ranks, outcome)| {
                let worth = Worth {
                    dropped: dropped.iter().map(|one| *one == 1).collect(),
                    cost: ways.iter().map(|way| u64::from(way.cost)).sum(),
                    scarcity,
                    total,
                    ways: chosen.clone(),
                    formats: ranks,
                };
                (worth, outcome)
            }));
        }
    }
    found.into_iter().min_by(|one, other| one.0.cmp(&other.0))
}

/// How scarce the heap is, all bytes, the ranks of the format, and the outcome.
type Fitting = ((bool, u32), u64, Vec<usize>, Outcome);

/// The best layout and heap for some ways of working.
fn fitting(ways: &[&Way], heaps: &[Heap]) -> Option<Fitting> {
    let count = ways.iter().map(|way| way.camping).sum::<u64>().max(1);
    let mut found = Vec::new();
    for (format, sample) in SAMPLE_BYTES.iter().enumerate() {
        let row = WIDTH * sample;
        for heap in heaps {
            // The smallest that suits all is enough: nobody is better off with more. 576 and 72 are beyond all multiples.
            let stride =
                (row..=row + 576).find(|stride| ways.iter().all(|way| way.takes_stride(row, *stride)));
            let rows = (HEIGHT..=HEIGHT + 72)
                .find(|rows| ways.iter().all(|way| rows.is_multiple_of(way.rows_align)));
            let (Some(stride), Some(rows)) = (stride, rows) else {
                continue;
            };
            let size = (stride * rows).div_ceil(PAGE_BYTES) * PAGE_BYTES;
            if size > heap.max_size || !ways.iter().all(|way| way.takes(format, count, heap)) {
                continue;
            }
            let outcome = Outcome {
                format,
                stride,
                rows,
                count,
                heap: heap.name,
            };
            let too_little = heap.capacity.is_some_and(|bytes| bytes < size * count);
            let ranks = ways
                .iter()
                .map(|way| way.formats.iter().position(|one| *one == format).unwrap_or(9))
                .collect();
            found.push(((too_little, heap.cost), size * count, ranks, outcome));
        }
    }
    found.sort_by(|one, other| {
        (&one.0, one.1, &one.2, one.3.heap).cmp(&(&other.0, other.1, &other.2, other.3.heap))
    });
    found.into_iter().next()
}

fn outcome(plan: &Plan) -> (String, u64, u64, u32, String) {
    let image = plan.image.as_ref().unwrap();
    let plane = &image.planes[0];
    (
        image.format.to_string(),
        plane.stride_bytes,
        plane.rows,
        plan.count(),
        plan.memories[0].heaps[0].to_string(),
    )
}

fn ask(participants: &[Participant], heaps: &[HeapOffer]) -> Result<Plan, Box<Report>> {
    let policy = Policy::default();
    solve(&Problem {
        participants,
        heaps,
        policy: &policy,
    })
}

/// Reports depend on the order of nothing, either.
fn shuffled<T: Clone>(all: &[T], seed: usize) -> Vec<T> {
    let mut all = all.to_vec();
    for index in (1..all.len()).rev() {
        all.swap(index, (seed >> index) % (index + 1));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    // Reference 5 (e): the solver finds what trying out everything finds, and nothing where that finds nothing.
    #[test]
    fn the_solver_finds_what_trying_everything_finds(parties in parties(), heaps in heaps()) {
        let sensible = parties.iter().flat_map(|party| party.functions.iter().flatten()).all(Way::is_possible);
        prop_assume!(sensible);
        let (participants, offers) = problem(&parties, &heaps);
        match (ask(&participants, &offers), best(&parties, &heaps)) {
            (Ok(plan), Some((worth, expected))) => {
                let (fourcc, modifier) = FORMATS[expected.format];
                let key = wharf_core::constraints::ImageConstraints::new(fourcc, modifier).key;
                let expected = (key.to_string(), expected.stride, expected.rows, expected.count as u32, expected.heap.to_string());
                prop_assert_eq!(outcome(&plan), expected, "{:?}", worth);
                let ways: Vec<usize> = plan.choices.iter().filter(|one| one.participant.0 < 100).map(|one| one.alternative.parse().unwrap()).collect();
                prop_assert_eq!(ways, worth.ways);
                prop_assert_eq!(plan.dropped.len(), worth.dropped.iter().filter(|one| **one).count());
            }
            (Err(report), None) => {
                let failed = matches!(report.kind, ReportKind::Conflict { .. } | ReportKind::NoHeap { .. });
                prop_assert!(failed, "{}", report);
            }
            (Ok(plan), None) => prop_assert!(false, "nothing suits, but {:#?}", plan),
            (Err(report), Some(found)) => prop_assert!(false, "{:?} suits, but {}", found, report),
        }
    }

    // Reference 5 (b). Contract: N1.
    #[test]
    fn nothing_depends_on_the_order(parties in parties(), heaps in heaps(), seed in any::<usize>()) {
        let sensible = parties.iter().flat_map(|party| party.functions.iter().flatten()).all(Way::is_possible);
        prop_assume!(sensible);
        let (participants, offers) = problem(&parties, &heaps);
        let answer = ask(&participants, &offers);
        prop_assert_eq!(&answer, &ask(&participants, &offers));
        prop_assert_eq!(answer, ask(&shuffled(&participants, seed), &shuffled(&offers, seed)));
    }
}

#[test]
fn the_oracle_itself_can_say_no() {
    let way = Way {
        cost: 0,
        formats: vec![0],
        stride_align: 64,
        max_stride: Some(127),
        exact: None,
        rows_align: 1,
        camping: 1,
        max_buffers: None,
        min_chunk: None,
        locked: false,
    };
    let heap = Heap {
        name: "a",
        cost: 0,
        chunk: 4096,
        locked: false,
        max_size: u64::MAX,
        capacity: None,
    };
    assert!(fitting(&[&way], std::slice::from_ref(&heap)).is_none());
    let wider = Way {
        max_stride: Some(128),
        ..way
    };
    let (_, total, _, outcome) = fitting(&[&wider], &[heap]).unwrap();
    assert_eq!((outcome.stride, outcome.rows, total), (128, 50, 8192));
}
