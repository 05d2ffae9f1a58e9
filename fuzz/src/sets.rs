//! What a file that claims to describe a set of buffers leads to.
//!
//! Promises: reading, checking and solving never panic; every error says something; a set that was read can be written and read
//! again, passes the checks that programs' sets go through, and can be put before a buffer; the outcome does not depend on the order of
//! participants and heaps; nothing that is printed steers a terminal.

use wharf_core::constraints::{Constraints, Record, merge};
use wharf_core::negotiation::{
    ActualBuffer, ActualMemory, Guarantees, Neighbor, Participant, Plan, Problem, Report, SetFile, exactly,
    solve, suits,
};

/// The size of the buffer that participants are put before, in bytes.
const SIZE_BYTES: u64 = 1 << 20;
/// More is the file's own wish to wait long.
const MAX_MERGES: u64 = 2_000;

/// Reads a file, as JSON if it begins like it and else as TOML, and solves what it describes. Says whether it is a set and whether
/// there is a plan.
pub fn check(file: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(file).ok()?;
    let set = match read(text) {
        Ok(set) => set,
        Err(error) => {
            assert!(!error.is_empty());
            return None;
        }
    };
    again(&set);
    for participant in set.participants() {
        stands_before_a_buffer(participant);
        for function in &participant.functions {
            for alternative in &function.alternatives {
                merges_with_itself(&alternative.constraints);
            }
        }
    }
    let outcome = solved(&set, false);
    assert_eq!(outcome, solved(&set, true));
    let shown = match &outcome {
        Ok(plan) => plan.to_string(),
        Err(report) => report.to_string() + &report.summary(),
    };
    assert!(!shown.replace('\n', "").contains(char::is_control), "{shown:?}");
    Some(outcome.is_ok())
}

fn read(text: &str) -> Result<SetFile, String> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

/// It is read as it was written, and is right when a program makes it.
fn again(set: &SetFile) {
    let json = serde_json::to_string(set).expect("sets can be written as JSON");
    assert_eq!(serde_json::from_str::<SetFile>(&json).as_ref().ok(), Some(set));
    let (participants, heaps) = (set.participants().to_vec(), set.heaps().to_vec());
    let made = SetFile::new(set.name(), set.policy().clone(), participants, heaps)
        .and_then(|made| made.with_late(set.late_policy(), set.late().to_vec()));
    assert_eq!(made.as_ref().ok(), Some(set));
}

fn stands_before_a_buffer(participant: &Participant) {
    let promised = Guarantees::default();
    let memory = ActualMemory {
        cache_mode: Some("cached"),
        ..ActualMemory::new("system", &promised, SIZE_BYTES)
    };
    let mut buffer = ActualBuffer::new(vec![memory], 8);
    buffer.neighbors.push(Neighbor {
        uses_cpu: true,
        snoops: true,
        can_sync: false,
    });
    if let Err(misfit) = suits(&buffer, participant) {
        assert_ne!(misfit.have, misfit.need, "{}", misfit.path.field);
    }
    let exact = exactly(&buffer).expect("the buffer is right");
    assert!(exact.images().is_empty());
}

/// What somebody states is possible, so that it does not contradict itself when it is said twice.
fn merges_with_itself(constraints: &Constraints) {
    let records = constraints
        .images()
        .iter()
        .flat_map(|image| [&image.image, &image.every_plane]);
    for record in records.chain([constraints.memory(), constraints.set()]) {
        for (field, value) in record.iter() {
            let twice = merge(field, value, value).expect("a value suits itself");
            assert_eq!(twice.value_type(), value.value_type());
        }
        assert_eq!(record.merged(&Record::new()).as_ref(), Ok(record));
    }
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
