//! What comes of a file that claims to describe a set of buffers.
//!
//! Promises: it never panics; every error says something; what is read passes the checks that
//! programs' sets go through, says the same when it is written and read again, and can be put before a buffer.

use wharf_core::constraints::{Constraints, Record, merge};
use wharf_core::negotiation::{
    ActualBuffer, ActualMemory, Guarantees, Neighbor, Participant, SetFile, exactly, suits,
};

/// The size of the buffer that participants are put before, in bytes.
const SIZE_BYTES: u64 = 1 << 20;

/// Reads `file` as JSON if it begins with a brace, and as TOML otherwise. Returns how many participants it has, if it is right.
pub fn check(file: &[u8]) -> Option<usize> {
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
        for alternative in participant
            .functions
            .iter()
            .flat_map(|function| &function.alternatives)
        {
            merges_with_itself(&alternative.constraints);
        }
    }
    Some(set.participants().len())
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
    let made = SetFile::new(set.name(), set.policy().clone(), participants, heaps);
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
