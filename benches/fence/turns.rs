//! Taking turns, and what comes of it.

use std::time::{Duration, Instant};

/// How long one case runs before the next has its turn.
const TURN: Duration = Duration::from_millis(60);

/// Operations, and the time they took.
pub(crate) struct Measured {
    pub(crate) operations: usize,
    pub(crate) time: Duration,
}

impl Measured {
    /// Measures a body that does `operations` of them.
    pub(crate) fn of(operations: usize, body: impl FnOnce()) -> Self {
        let start = Instant::now();
        body();
        Self {
            operations,
            time: start.elapsed(),
        }
    }
}

pub(crate) struct Case {
    name: String,
    body: Box<dyn FnMut() -> Measured>,
    /// Nanoseconds an operation, one value per repetition.
    figures: Vec<f64>,
}

impl Case {
    pub(crate) fn new(name: String, body: Box<dyn FnMut() -> Measured>) -> Self {
        Self {
            name,
            body,
            figures: Vec::new(),
        }
    }

    fn take_turn(&mut self) {
        (self.body)();
        let end = Instant::now() + TURN;
        let (mut operations, mut time) = (0, Duration::ZERO);
        while operations == 0 || Instant::now() < end {
            let measured = (self.body)();
            operations += measured.operations;
            time += measured.time;
        }
        self.figures.push(time.as_secs_f64() * 1e9 / operations as f64);
    }
}

/// Cases that are compared with the first of them.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// What the first case is called in the heading.
    pub(crate) peer: &'static str,
    pub(crate) cases: Vec<Case>,
}

impl Table {
    pub(crate) fn run(mut self, repetitions: usize) {
        for _ in 0..repetitions {
            self.cases.iter_mut().for_each(Case::take_turn);
        }
        println!("| {} | ns | / {} |\n|---|---|---|", self.title, self.peer);
        for case in &self.cases {
            let ratios: Vec<f64> = case
                .figures
                .iter()
                .zip(&self.cases[0].figures)
                .map(|(ours, first)| ours / first)
                .collect();
            println!(
                "| {} | {:.1} | {:.2} |",
                case.name,
                median(&case.figures),
                median(&ratios)
            );
        }
        println!();
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
