//! Who has what of a buffer, said as simply as possible.

use wharf_core::{AccessMode, Contract, DataDirection, Errno, Hold, MismatchPolicy};

use crate::exporter::{Has, Kind};

pub(crate) struct Model {
    pub(crate) kind: Kind,
    pub(crate) policy: MismatchPolicy,
    pub(crate) locked: bool,
    pub(crate) attachments: Vec<ModelAttachment>,
    /// What waits for the lock, in order.
    pending: Vec<Pending>,
    /// One for each move and revocation.
    pub(crate) old_places: Vec<OldPlace>,
    revocation: Option<OldPlace>,
    records: usize,
}

/// What a place waits for until it is idle: numbers of records, and of attachments with something kept, or pinned.
#[derive(Clone, Default)]
pub(crate) struct OldPlace {
    records: Vec<usize>,
    kept: Vec<usize>,
    pinned: Vec<usize>,
}

pub(crate) struct ModelAttachment {
    pub(crate) contract: Contract,
    access: AccessMode,
    pub(crate) handle: bool,
    /// Number of each mapping, and whether it is old.
    pub(crate) records: Vec<(usize, bool)>,
    pub(crate) pins: usize,
    kept: Option<DataDirection>,
    /// Whether it is on the buffer's list: admitted, and not ended.
    pub(crate) listed: bool,
    pub(crate) gone: bool,
}

#[derive(Clone, Copy)]
enum Pending {
    Unmap(usize, usize),
    Unpin(usize),
    End(usize),
}

impl Model {
    pub(crate) fn new(kind: Kind, policy: MismatchPolicy) -> Self {
        Self {
            kind,
            policy,
            locked: false,
            attachments: Vec::new(),
            pending: Vec::new(),
            old_places: Vec::new(),
            revocation: None,
            records: 0,
        }
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revocation.is_some()
    }

    fn is_dynamic(&self) -> bool {
        self.kind == Kind::Dynamic
    }

    /// Whether the two sides differ in kind.
    fn differ(&self, contract: Contract) -> bool {
        self.is_dynamic() == (contract == Contract::Static)
    }

    pub(crate) fn is_pinned_around(&self, of: usize) -> bool {
        let is_static = self.attachments[of].contract == Contract::Static;
        self.is_dynamic() && is_static && self.policy == MismatchPolicy::PinOnMap
    }

    pub(crate) fn attach(&mut self, contract: Contract, access: AccessMode) -> Result<usize, Errno> {
        if self.is_revoked() {
            return Err(Errno::ENODEV);
        }
        let for_life = self.differ(contract) && self.policy == MismatchPolicy::MapAtAttach;
        let direction = match access {
            AccessMode::ReadWrite => DataDirection::Bidirectional,
            AccessMode::ReadOnly => DataDirection::ToDevice,
        };
        let refused = self.is_dynamic() && self.locked;
        self.attachments.push(ModelAttachment {
            contract,
            access,
            handle: !refused,
            records: Vec::new(),
            pins: 0,
            kept: (for_life && !refused).then_some(direction),
            listed: !refused,
            gone: false,
        });
        let of = self.attachments.len() - 1;
        if refused {
            // The exporter has agreed, and hears of the end when it is unlocked.
            self.end_if_unused(of);
            return Err(Errno::EDEADLK);
        }
        Ok(of)
    }

    /// Returns the number of the new mapping.
    pub(crate) fn map(&mut self, of: usize, direction: DataDirection) -> Result<usize, Errno> {
        let around = self.is_pinned_around(of);
        let is_revoked = self.is_revoked();
        let attachment = &mut self.attachments[of];
        let device_writes = direction != DataDirection::ToDevice;
        match attachment.kept {
            _ if is_revoked => return Err(Errno::ENODEV),
            _ if attachment.access == AccessMode::ReadOnly && device_writes => return Err(Errno::EACCES),
            Some(kept) if kept != direction && kept != DataDirection::Bidirectional => {
                return Err(Errno::EBUSY);
            }
            None if around && self.locked => return Err(Errno::EDEADLK),
            None if self.kind == Kind::Caching && attachment.contract == Contract::Static => {
                attachment.kept = Some(direction);
            }
            _ => {}
        }
        self.records += 1;
        attachment.records.push((self.records, false));
        Ok(self.records)
    }

    /// Whether giving something of this attachment up takes the lock.
    fn needs_lock(&self, of: usize) -> bool {
        self.attachments[of].contract != Contract::Static || self.is_pinned_around(of)
    }

    pub(crate) fn drop_mapping(&mut self, of: usize, number: usize) {
        if self.locked && self.needs_lock(of) {
            self.pending.push(Pending::Unmap(of, number));
        } else {
            self.unmap(of, number);
        }
    }

    pub(crate) fn unmap(&mut self, of: usize, number: usize) {
        self.attachments[of].records.retain(|(other, _)| *other != number);
        self.end_if_unused(of);
    }

    pub(crate) fn drop_pin(&mut self, of: usize) {
        if self.locked {
            self.pending.push(Pending::Unpin(of));
        } else {
            self.unpin(of);
        }
    }

    pub(crate) fn unpin(&mut self, of: usize) {
        self.attachments[of].pins -= 1;
        self.end_if_unused(of);
    }

    pub(crate) fn drop_handle(&mut self, of: usize) {
        self.attachments[of].handle = false;
        self.end_if_unused(of);
    }

    fn end_if_unused(&mut self, of: usize) {
        let attachment = &mut self.attachments[of];
        if attachment.handle || !attachment.records.is_empty() || attachment.pins > 0 {
            return;
        }
        attachment.listed = false;
        if self.locked && (self.kind == Kind::Dynamic || attachment.contract != Contract::Static) {
            self.pending.push(Pending::End(of));
        } else {
            attachment.gone = true;
        }
    }

    pub(crate) fn unlock(&mut self) {
        while !self.pending.is_empty() {
            match self.pending.remove(0) {
                Pending::Unmap(of, number) => self.unmap(of, number),
                Pending::Unpin(of) => self.unpin(of),
                Pending::End(of) => self.attachments[of].gone = true,
            }
        }
        self.locked = false;
    }

    /// Who keeps the buffer where it is: number of the attachment, and how.
    pub(crate) fn holders(&self) -> Vec<(usize, Hold)> {
        let mut holders = Vec::new();
        for (of, attachment) in self.attachments.iter().enumerate() {
            let (pins, mappings) = (attachment.pins, attachment.records.len());
            let how = match attachment.kept {
                // Also when it has ended, until that has come to the exporter.
                Some(_) if !attachment.gone => Hold::MappedAtAttach,
                None if self.is_pinned_around(of) && mappings > 0 => Hold::Mapped { mappings },
                None if pins > 0 => Hold::Pinned { pins },
                _ => continue,
            };
            holders.push((of, how));
        }
        holders
    }

    pub(crate) fn move_buffer(&mut self) -> Result<(), Errno> {
        if !self.is_dynamic() {
            return Err(Errno::EINVAL);
        }
        if !self.holders().is_empty() {
            return Err(Errno::EBUSY);
        }
        let records = self.make_old();
        self.old_places.push(OldPlace {
            records,
            ..OldPlace::default()
        });
        Ok(())
    }

    /// Says also whether importers are told.
    pub(crate) fn revoke(&mut self) -> (Result<(), Errno>, bool) {
        if let Some(revocation) = self.revocation.clone() {
            self.old_places.push(revocation);
            return (Ok(()), false);
        }
        let mut listed = self.attachments.iter().filter(|one| one.listed);
        if listed.any(|one| one.contract != Contract::Revocable) {
            return (Err(Errno::EBUSY), false);
        }
        let left = self.attachments.iter().enumerate().filter(|(_, one)| !one.gone);
        let revocation = OldPlace {
            records: self.records_of_listed(),
            kept: left
                .clone()
                .filter(|(_, one)| one.kept.is_some())
                .map(|(of, _)| of)
                .collect(),
            pinned: left.filter(|(_, one)| one.pins > 0).map(|(of, _)| of).collect(),
        };
        self.make_old();
        self.old_places.push(revocation.clone());
        self.revocation = Some(revocation);
        (Ok(()), true)
    }

    fn records_of_listed(&self) -> Vec<usize> {
        let listed = self.attachments.iter().filter(|one| one.listed);
        listed
            .flat_map(|one| one.records.iter().map(|(number, _)| *number))
            .collect()
    }

    /// Makes all mappings old; returns those that were not.
    fn make_old(&mut self) -> Vec<usize> {
        let listed = self.attachments.iter_mut().filter(|one| one.listed);
        let records = listed.flat_map(|one| &mut one.records);
        records
            .filter_map(|(number, is_old)| (!std::mem::replace(is_old, true)).then_some(*number))
            .collect()
    }

    /// Whether nothing of an old place is left.
    pub(crate) fn is_idle(&self, place: &OldPlace) -> bool {
        let has = |number| {
            self.attachments
                .iter()
                .any(|one| one.records.iter().any(|(own, _)| own == number))
        };
        let is_pinned = |&of: &usize| self.attachments[of].pins > 0;
        !place.records.iter().any(has)
            && place.kept.iter().all(|&of| self.attachments[of].gone)
            && !place.pinned.iter().any(is_pinned)
    }

    pub(crate) fn is_old(&self, of: usize, number: usize) -> bool {
        self.attachments[of].records.contains(&(number, true))
    }

    /// What each attachment has of the exporter.
    pub(crate) fn attached(&self) -> Vec<Has> {
        let has = |(of, one): (usize, &ModelAttachment)| {
            let pinned_around = if self.is_pinned_around(of) {
                one.records.len()
            } else {
                0
            };
            match (one.kept, self.is_dynamic()) {
                (Some(_), dynamic) => Has {
                    mappings: 1,
                    pins: usize::from(dynamic),
                },
                (None, true) => Has {
                    mappings: one.records.len(),
                    pins: one.pins + pinned_around,
                },
                (None, false) => Has {
                    mappings: one.records.len(),
                    pins: 0,
                },
            }
        };
        self.attachments
            .iter()
            .enumerate()
            .filter(|(_, one)| !one.gone)
            .map(has)
            .collect()
    }
}
