//! What all runs measured.

use crate::run::Ended;
use crate::statistics::{Figures, median};
use std::collections::BTreeMap;

/// A line of a table, by the table's id and its own label.
pub(crate) type Line = (&'static str, String);

/// The runs of one line, repetition by repetition.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) measured: BTreeMap<usize, Figures>,
    pub(crate) disturbed: usize,
    pub(crate) hung: usize,
    pub(crate) failures: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Results {
    lines: BTreeMap<Line, Runs>,
}

impl Results {
    pub(crate) fn note(&mut self, line: Line, repetition: usize, ended: Ended) {
        let runs = self.lines.entry(line).or_default();
        match ended {
            Ended::Measured(figures, disturbed) => {
                runs.measured.insert(repetition, figures);
                runs.disturbed += usize::from(disturbed);
            }
            Ended::Hung => runs.hung += 1,
            Ended::Failed(why) => runs.failures.push(why),
        }
    }

    pub(crate) fn runs(&self, table: &'static str, label: &str) -> Option<&Runs> {
        self.lines.get(&(table, label.to_owned()))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Line, &Runs)> {
        self.lines.iter()
    }
}

impl Runs {
    /// A figure of each repetition that has it.
    pub(crate) fn values(&self, figure: &str) -> Vec<f64> {
        let value = |figures: &Figures| figures.get(figure).copied();
        self.measured.values().filter_map(value).collect()
    }

    pub(crate) fn median(&self, figure: &str) -> f64 {
        median(&self.values(figure))
    }

    /// This figure divided by one of another line, within the repetitions that have both.
    pub(crate) fn ratios(&self, figure: &str, other: &Self, others_figure: &str) -> Vec<f64> {
        let ratio = |(repetition, figures): (&usize, &Figures)| {
            let theirs = other.measured.get(repetition)?.get(others_figure)?;
            Some(figures.get(figure)? / theirs)
        };
        self.measured.iter().filter_map(ratio).collect()
    }
}
