//! Who needs what a heap does not promise.

use std::collections::BTreeMap;

use super::{Asked, FailureKind, merged, points};
use crate::constraints::{Field, Value};
use crate::negotiation::needs::{Need, Speaker, Stated, Surroundings};
use crate::negotiation::{Blame, HeapMisfit};

/// Finds who needs what a heap does not promise: those to whom it would not be right in this field even if they were alone, with
/// a buffer of a size that others decide. If it is wrong only to several together, all who say something of the field.
pub(super) fn who(misfit: &HeapMisfit, needs: &[&Need], surroundings: &Surroundings<'_>) -> Vec<Blame> {
    let heaps: Vec<_> = surroundings
        .heaps
        .iter()
        .copied()
        .filter(|heap| heap.name == misfit.heap)
        .collect();
    let alone = Surroundings {
        heaps: &heaps,
        ..*surroundings
    };
    let mut by_speaker: BTreeMap<Speaker, Vec<&Need>> = BTreeMap::new();
    for &need in needs {
        by_speaker.entry(need.who).or_default().push(need);
    }
    let stated: Vec<(&Speaker, &Vec<&Need>)> = by_speaker
        .iter()
        .filter(|(_, needs)| needs.iter().any(|need| concerns(need, misfit.field)))
        .collect();
    let refused: Vec<Speaker> = stated
        .iter()
        .filter(|(_, own)| {
            let sizes = needs.iter().copied().filter(|need| is_of_size(need));
            let own: Vec<&Need> = own
                .iter()
                .copied()
                .filter(|need| !is_of_size(need))
                .chain(sizes)
                .collect();
            fields_refused(&own, &alone).contains(&misfit.field)
        })
        .map(|(who, _)| **who)
        .collect();
    let blamed = if refused.is_empty() {
        stated.iter().map(|(who, _)| **who).collect()
    } else {
        refused
    };
    blamed
        .into_iter()
        .map(|who| Blame::speaker(surroundings, who))
        .collect()
}

fn fields_refused(needs: &[&Need], surroundings: &Surroundings<'_>) -> Vec<Field> {
    let outcome = merged(needs, surroundings)
        .and_then(|merged| points(&merged, surroundings, Asked::Bound).map(|_| ()));
    match outcome.map_err(|failure| failure.kind) {
        Err(FailureKind::NoHeap(misfits)) => misfits.into_iter().map(|misfit| misfit.field).collect(),
        _ => Vec::new(),
    }
}

/// Whether the size of the buffer follows from it.
fn is_of_size(need: &Need) -> bool {
    need.path.format.is_some() || matches!(need.path.field, Field::Format | Field::MinSize | Field::SizeAlign)
}

/// Whether a need can be the reason why a heap does not suit in a field.
fn concerns(need: &Need, field: Field) -> bool {
    let stated = need.path.field;
    match field {
        Field::Contiguous | Field::MinChunk => matches!(
            stated,
            Field::Contiguous
                | Field::MaxSegments
                | Field::MinChunk
                | Field::SegmentAlign
                | Field::LengthGranule
        ),
        Field::Coherency | Field::NoSync => {
            matches!(stated, Field::Coherency | Field::NoSync)
                || need.what == Stated::Value(Value::Needed) && stated == field
        }
        _ => stated == field,
    }
}
