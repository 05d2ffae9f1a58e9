//! What it takes to say who is to blame: the report on sets of which two or three participants cannot have what they need together,
//! in microseconds and in merges. Merges are of the search, of the blame, of what would help and of what was removed.
//!
//! The reference counts 15.7 tests for a core of two among 64 participants, and 21.5 for one of three. All cases take turns within
//! each repetition; the table gives medians over the repetitions. Run with `cargo bench -p wharf-benches --bench blame`.

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use wharf_core::constraints::Constraints;
use wharf_core::dma::DmaLimits;
use wharf_core::negotiation::{
    Function, Guarantees, HeapOffer, Participant, ParticipantId, Policy, Problem, ReportKind, solve,
};

/// How long one case is measured in one repetition, at least.
const TURN: Duration = Duration::from_millis(20);
const GIB: u64 = 1 << 30;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A set that has no plan.
struct Case {
    participants: Vec<Participant>,
    core: usize,
    times: Vec<f64>,
}

fn main() -> Outcome<()> {
    let repetitions = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(9);
    let mut cases = Vec::new();
    for core in [2, 3] {
        for count in [2_usize, 4, 8, 16, 32, 64, 128] {
            if count >= core {
                cases.push(Case::new(count, core)?);
            }
        }
    }
    for _ in 0..repetitions {
        for case in &mut cases {
            let time = case.microseconds();
            case.times.push(time);
        }
    }
    println!(
        "{repetitions} repetitions of {TURN:?}\n\n| participants | to blame | µs | merges |\n|---|---|---|---|"
    );
    for case in &mut cases {
        case.times.sort_by(f64::total_cmp);
        let (merges, found) = case.report()?;
        assert_eq!(found, case.core);
        let median = case.times[case.times.len() / 2];
        println!(
            "| {} | {found} | {median:.1} | {merges} |",
            case.participants.len()
        );
    }
    Ok(())
}

impl Case {
    /// Participants that reach everything, but for a few of which any could be served without one of the others.
    fn new(count: usize, core: usize) -> Outcome<Self> {
        let everything = || vec![0..=8 * GIB - 1];
        let mut windows: Vec<Vec<RangeInclusive<u64>>> = (0..count).map(|_| everything()).collect();
        let gibibyte = |number: u64| number * GIB..=(number + 1) * GIB - 1;
        for number in 0..core {
            let place = number * (count - 1) / (core - 1);
            windows[place] = (0..core as u64)
                .filter(|other| *other != number as u64)
                .map(|other| gibibyte(2 * other))
                .collect();
        }
        let participants = (1..).zip(windows).map(|(id, windows)| -> Outcome<Participant> {
            let dma = DmaLimits::builder().windows(windows).build()?;
            let constraints = Constraints::builder().dma(dma).build()?;
            let function = Function::new("use", constraints);
            Ok(Participant::new(ParticipantId(id), &format!("participant {id}")).function(function))
        });
        Ok(Self {
            participants: participants.collect::<Outcome<_>>()?,
            core,
            times: Vec::new(),
        })
    }

    fn report(&self) -> Outcome<(u64, usize)> {
        let heaps = (0_u64..8).map(|number| HeapOffer {
            name: format!("heap {number}").into(),
            guarantees: Guarantees {
                windows: Some([number * GIB..=(number + 1) * GIB - 1].into_iter().collect()),
                ..Guarantees::default()
            },
            cost: 0,
            capacity_bytes: None,
        });
        let outcome = solve(&Problem {
            participants: &self.participants,
            heaps: &heaps.collect::<Vec<_>>(),
            policy: &Policy::default(),
        });
        let Err(report) = outcome else {
            return Err("there is a plan".into());
        };
        match &report.kind {
            ReportKind::Conflict { conflicts, .. } => Ok((report.merges, conflicts[0].members.len())),
            _ => Err(report.summary().into()),
        }
    }

    fn microseconds(&self) -> f64 {
        let (start, mut rounds) = (Instant::now(), 0_u32);
        while rounds == 0 || start.elapsed() < TURN {
            let _ = black_box(self.report());
            rounds += 1;
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
    }
}
