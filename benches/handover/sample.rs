//! Figures of several repetitions.

/// Per repetition: median and 99th percentile, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    p50s: Vec<f64>,
    p99s: Vec<f64>,
}

impl Samples {
    pub(crate) fn push(&mut self, mut times: Vec<f64>) {
        times.sort_unstable_by(f64::total_cmp);
        self.p50s.push(percentile(&times, 50));
        self.p99s.push(percentile(&times, 99));
    }

    /// Median over the repetitions of their medians.
    pub(crate) fn p50(&self) -> f64 {
        median(&self.p50s)
    }

    /// Median over the repetitions of their 99th percentiles.
    pub(crate) fn p99(&self) -> f64 {
        median(&self.p99s)
    }

    /// Repetition by repetition, this median divided by the other's.
    pub(crate) fn ratios_to(&self, other: &Self) -> Vec<f64> {
        self.p50s
            .iter()
            .zip(&other.p50s)
            .map(|(ours, theirs)| ours / theirs)
            .collect()
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    percentile(&sorted, 50)
}

/// NaN of nothing.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = sorted.len() * percent / 100;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
