//! Who holds buffers in place.

use super::Generation;
use crate::attachment::{Contract, cpu_holders};
use crate::negotiation::{Blame, Blocker};
use crate::{DmaBuf, Hold};

/// Returns everybody who holds one of the buffers in place; each once.
pub(super) fn holders(generation: &Generation) -> Vec<Blocker> {
    let mut found: Vec<Blocker> = Vec::new();
    for buffer in generation.memories() {
        let mut blockers = attached(buffer);
        blockers.extend(cpu(buffer));
        blockers.retain(|blocker| !found.contains(blocker));
        found.append(&mut blockers);
    }
    found
}

/// Returns the fences that are still pending.
pub(super) fn pending(generation: &Generation) -> Vec<Blocker> {
    let mut found: Vec<Blocker> = Vec::new();
    for buffer in generation.memories() {
        for (fence, _) in buffer.reservation().all_fences() {
            let label = format!("{}:{}", fence.driver(), fence.timeline());
            let blocker = blocker(&label, format!("its fence {} is pending", fence.seqno()));
            if !fence.is_signaled() && !found.contains(&blocker) {
                found.push(blocker);
            }
        }
    }
    found
}

/// Says whether all attachments of a buffer can be taken away, pins and all.
pub(super) fn is_revocable(buffer: &DmaBuf) -> bool {
    let attachments = buffer.devices().attachments();
    let mut contracts = attachments.iter().map(|attachment| attachment.info().contract());
    !attachments.is_empty() && contracts.all(|contract| contract == Contract::Revocable)
}

fn attached(buffer: &DmaBuf) -> Vec<Blocker> {
    let attachments = buffer.devices().attachments();
    let may_revoke = is_revocable(buffer);
    let mut blockers = Vec::new();
    for attachment in &attachments {
        let label = attachment.info().label();
        let pins = attachment.snapshot().pins;
        if attachment.info().contract() == Contract::Static {
            blockers.push(blocker(label, "it is attached statically".into()));
        } else if pins > 0 && !may_revoke {
            blockers.push(blocker(label, format!("it has it pinned {pins} times")));
        }
    }
    blockers
}

/// User mappings that are fault-tracked count too: their faults would find the old memory.
fn cpu(buffer: &DmaBuf) -> Vec<Blocker> {
    let vmapped = cpu_holders(buffer).any(|holder| holder.how == Hold::Vmapped);
    let vmapped = vmapped.then(|| blocker("the CPU", "it has it vmapped".into()));
    let mappings = buffer.user_mappings().count();
    let mapped = (mappings > 0).then(|| blocker("the CPU", format!("it has {mappings} user mappings")));
    vmapped.into_iter().chain(mapped).collect()
}

fn blocker(label: &str, reason: String) -> Blocker {
    Blocker {
        who: Blame {
            participant: None,
            label: label.into(),
            pid: None,
            device: None,
            function: None,
            alternative: None,
            source: None,
        },
        reason: reason.into(),
    }
}
