//! What a test says, in TAP: a plan `1..N`, and for each case `ok N name` or `not ok N name`.

use std::collections::BTreeMap;

/// Exit code of a test in which something failed.
pub(crate) const FAILED: u32 = 1;

/// What was said.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    /// How many cases there are.
    pub(crate) planned: u32,
    cases: BTreeMap<u32, (bool, String)>,
}

impl Tap {
    /// Reads what a test printed; other lines do not matter.
    pub(crate) fn read(output: &str) -> Self {
        let mut tap = Self::default();
        for line in output.lines() {
            if let Some(count) = line.strip_prefix("1..") {
                tap.planned = count.trim().parse().unwrap_or(0);
            }
            let (failed, rest) = match line.strip_prefix("not ") {
                Some(rest) => (true, rest),
                None => (false, line),
            };
            let Some((number, name)) = rest.strip_prefix("ok ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            if let Ok(number) = number.parse() {
                let passed = !failed && !name.contains("# SKIP");
                // Said twice, a case has passed only if it did both times.
                let before = tap.cases.get(&number).is_none_or(|(passed, _)| *passed);
                tap.cases.insert(number, (passed && before, name.to_owned()));
            }
        }
        tap
    }

    /// Whether a case was run and passed.
    pub(crate) fn passed(&self, case: u32) -> bool {
        self.cases.get(&case).is_some_and(|(passed, _)| *passed)
    }

    /// What became of a case that did not pass.
    pub(crate) fn what_of(&self, case: u32) -> String {
        match self.cases.get(&case) {
            Some((_, name)) => format!("did not pass: {name}"),
            None => "was not run".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_run_and_was_not_skipped_has_passed() {
        let said =
            "TAP version 13\n1..5\n# ok 5 is only told of\nok 1 one\nnot ok 2 two\nok 3 # SKIP no vgem\n";
        let tap = Tap::read(said);
        assert_eq!(tap.planned, 5);
        assert_eq!((1..=6).filter(|&case| tap.passed(case)).collect::<Vec<_>>(), [1]);
        assert_eq!(tap.what_of(2), "did not pass: two");
        assert_eq!(tap.what_of(4), "was not run");
    }

    #[test]
    fn a_case_that_failed_once_has_failed() {
        assert!(!Tap::read("1..1\nnot ok 1 a\nok 1 a\n").passed(1));
        assert!(!Tap::read("1..1\nok 1 a\nnot ok 1 a\n").passed(1));
    }
}
