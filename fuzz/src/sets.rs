//! What a file that claims to describe a set of buffers leads to.
//!
//! Promises: reading and solving never panic; a set that was read can be written and read again; the outcome does not depend on the
//! order of participants and heaps; nothing that is printed steers a terminal.

use wharf_core::negotiation::{Plan, Problem, Report, SetFile, solve};

/// More is the file's own wish to wait long.
const MAX_MERGES: u64 = 2_000;

/// Reads a file, as JSON if it begins like it and else as TOML, and solves what it describes. Says whether it is a set and whether
/// there is a plan.
pub fn check(file: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(file).ok()?;
    let read = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).ok()
    } else {
        toml::from_str(text).ok()
    };
    let set: SetFile = read?;
    let written = serde_json::to_string(&set).expect("sets can be written");
    assert_eq!(
        serde_json::from_str::<SetFile>(&written).expect("and read again"),
        set
    );
    let outcome = solved(&set, false);
    assert_eq!(outcome, solved(&set, true));
    let shown = match &outcome {
        Ok(plan) => plan.to_string(),
        Err(report) => report.to_string() + &report.summary(),
    };
    assert!(!shown.replace('\n', "").contains(char::is_control), "{shown:?}");
    Some(outcome.is_ok())
}

fn solved(set: &SetFile, reversed: bool) -> Result<Plan, Box<Report>> {
    let mut participants = set.participants().to_vec();
    participants.extend(set.late().iter().cloned());
    let mut heaps = set.heaps().to_vec();
    let mut policy = set.policy().clone();
    policy.max_merges = policy.max_merges.min(MAX_MERGES);
    if reversed {
        participants.reverse();
        heaps.reverse();
    }
    solve(&Problem {
        participants: &participants,
        heaps: &heaps,
        policy: &policy,
    })
}
