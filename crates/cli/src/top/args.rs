//! What can be said about `wharf top` on the command line.

use std::time::Duration;

use clap::ColorChoice;

use super::tabs::Tab;
use crate::args::SocketArg;

/// The shortest and the longest interval, in seconds.
const INTERVALS_S: std::ops::RangeInclusive<f64> = 0.05..=3600.0;

#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArg,
    /// Seconds between two looks
    #[arg(long, short = 'i', value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: Duration,
    /// What to show; without it, everything is printed and the streams come first on the screen
    #[arg(long, value_enum)]
    pub(crate) tab: Option<Tab>,
    /// Sort by this column, as its heading says: largest numbers and first words first
    #[arg(long, value_name = "COLUMN")]
    pub(crate) sort: Option<String>,
    /// Sort the other way round
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Show only rows with this text in them
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Print what happens in one interval as tables, and end. So it does where stdout is no terminal
    #[arg(long, conflicts_with_all = ["batch", "json"])]
    pub(crate) once: bool,
    /// Print tables for so many intervals, and end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "json")]
    pub(crate) batch: Option<u64>,
    /// Print what happens in one interval as JSON, and end. Every field is in docs/state.md
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto, value_enum)]
    pub(crate) color: ColorChoice,
}

impl TopArgs {
    /// How many intervals to print; none to take the screen.
    pub(super) fn batches(&self, is_terminal: bool) -> Option<u64> {
        let once = self.once || !is_terminal;
        self.batch.or(once.then_some(1))
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if !INTERVALS_S.contains(&seconds) {
        let (shortest, longest) = INTERVALS_S.into_inner();
        return Err(format!("it is not between {shortest} and {longest} seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_numbers_of_seconds_within_reason() {
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for text in ["", "a", "0", "-1", "1e9", "inf", "nan"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
