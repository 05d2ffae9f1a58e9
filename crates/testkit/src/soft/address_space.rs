//! What a device reaches: the mappings there are, and where an IOMMU puts new ones.

use wharf_core::dma::{DmaLimits, PhysicalRun, SgSegment, SgTable, Storage, Translation, Windows};
use wharf_core::{DataDirection, Errno, PAGE_BYTES, Refusal};

use super::finding::{DeviceAccess, FaultReason};

/// The mappings of one device.
#[derive(Default)]
pub(super) struct AddressSpace {
    mappings: Vec<Mapping>,
    /// Where the next search begins, so that addresses are not used again soon and late accesses are found out.
    next: u64,
}

struct Mapping {
    table: SgTable,
    pieces: Vec<Piece>,
    direction: DataDirection,
    /// Whether an IOMMU watches the direction.
    is_translated: bool,
}

/// Device addresses and the memory behind them.
#[derive(Debug, Clone, Copy)]
struct Piece {
    device: SgSegment,
    physical: u64,
}

/// Where an access of a device goes.
pub(super) struct Translated {
    pub(super) run: PhysicalRun,
    pub(super) direction: DataDirection,
}

impl AddressSpace {
    /// Says whether the device may write to anything.
    pub(super) fn is_writable(&self) -> bool {
        self.mappings
            .iter()
            .any(|mapping| mapping.direction.device_writes())
    }

    /// Says whether the device may write through a table.
    pub(super) fn allows_writing(&self, table: &SgTable) -> bool {
        let mut same = self.mappings.iter().filter(|mapping| mapping.table == *table);
        same.any(|mapping| mapping.direction.device_writes())
    }

    /// Maps memory that suits the limits.
    pub(super) fn map(
        &mut self,
        storage: &Storage,
        limits: &DmaLimits,
        direction: DataDirection,
    ) -> Result<SgTable, Refusal> {
        let (pieces, is_translated) = match limits.translation().unwrap_or(Translation::PHYSICAL) {
            Translation::Direct { offset_bytes } => (direct(storage, offset_bytes), false),
            Translation::Iommu {
                page_bytes, coalesce, ..
            } => (self.place(storage, limits, page_bytes, coalesce)?, true),
        };
        let stretches = consecutive(&pieces);
        let table = SgTable::new(
            stretches
                .into_iter()
                .flat_map(|stretch| limits.segments_of(stretch)),
        );
        self.mappings.push(Mapping {
            table: table.clone(),
            pieces,
            direction,
            is_translated,
        });
        Ok(table)
    }

    /// Ends a mapping; false if there is none like it.
    pub(super) fn unmap(&mut self, table: &SgTable, direction: DataDirection) -> bool {
        let mut same = self.mappings.iter();
        let position = same.position(|mapping| mapping.table == *table && mapping.direction == direction);
        position.map(|position| self.mappings.remove(position)).is_some()
    }

    /// The memory behind the bytes of a table, as far as it is mapped.
    pub(super) fn memory_of(&self, segments: impl Iterator<Item = SgSegment>) -> Vec<PhysicalRun> {
        let mut runs = Vec::new();
        for mut rest in segments {
            while rest.length_bytes > 0 {
                let Some(run) = self.mappings.iter().find_map(|mapping| mapping.find(rest)) else {
                    break;
                };
                runs.push(run);
                rest.address = rest.address.wrapping_add(run.length_bytes);
                rest.length_bytes -= run.length_bytes;
            }
        }
        runs
    }

    /// Where the first bytes of an access go.
    pub(super) fn translate(
        &self,
        wanted: SgSegment,
        access: DeviceAccess,
    ) -> Result<Translated, FaultReason> {
        let mut reason = FaultReason::NotMapped;
        let mut other = None;
        for mapping in &self.mappings {
            let Some(run) = mapping.find(wanted) else {
                continue;
            };
            let direction = mapping.direction;
            let allowed = match access {
                DeviceAccess::Read => direction.cpu_writes(),
                DeviceAccess::Write => direction.device_writes(),
            };
            if allowed {
                return Ok(Translated { run, direction });
            }
            if mapping.is_translated {
                reason = FaultReason::Direction(direction);
            } else {
                // Nobody watches the direction of direct accesses; the caches will show it.
                other = Some(Translated { run, direction });
            }
        }
        other.ok_or(reason)
    }

    /// Finds free addresses for memory.
    fn place(
        &mut self,
        storage: &Storage,
        limits: &DmaLimits,
        page_bytes: u64,
        coalesce: bool,
    ) -> Result<Vec<Piece>, Refusal> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = 0;
        for (number, run) in storage.runs().iter().enumerate() {
            if number == 0 || !coalesce {
                let length_bytes = if coalesce {
                    storage.size_bytes()
                } else {
                    run.length_bytes
                };
                at = self.free(limits, page_bytes, length_bytes, number == 0, &pieces)?;
            }
            let device = SgSegment {
                address: at,
                length_bytes: run.length_bytes,
            };
            pieces.push(Piece {
                device,
                physical: run.address,
            });
            at = at.wrapping_add(run.length_bytes);
        }
        Ok(pieces)
    }

    /// Finds free addresses, with a free page behind them so that running over the end is found out.
    fn free(
        &mut self,
        limits: &DmaLimits,
        page_bytes: u64,
        length_bytes: u64,
        is_first: bool,
        more: &[Piece],
    ) -> Result<u64, Refusal> {
        let align = alignment(limits, length_bytes, is_first).max(page_bytes);
        let reach = reach(limits);
        let found = [self.next, 0].into_iter().find_map(|from| {
            reach.as_slice().iter().find_map(|window| {
                let mut address = window.first.max(from).checked_next_multiple_of(align)?;
                while reach.contains(address, length_bytes) && address <= window.last {
                    match self.taken(address, length_bytes, more) {
                        None => return Some(address),
                        Some(end) => {
                            address = end.checked_add(PAGE_BYTES)?.checked_next_multiple_of(align)?
                        }
                    }
                }
                None
            })
        });
        let none = || {
            Refusal::new(
                Errno::ENOMEM,
                format!("no {length_bytes} free addresses in {reach}"),
            )
        };
        let address = found.ok_or_else(none)?;
        self.next = address.saturating_add(length_bytes).saturating_add(page_bytes);
        Ok(address)
    }

    /// The end of the last mapping in the way of a stretch, or right beside it.
    fn taken(&self, address: u64, length_bytes: u64, more: &[Piece]) -> Option<u64> {
        let mapped = self.mappings.iter().flat_map(|mapping| &mapping.pieces);
        let ends = mapped.chain(more).filter_map(|piece| {
            let end = piece.device.address.saturating_add(piece.device.length_bytes);
            let touches = piece.device.address <= address.saturating_add(length_bytes) && address <= end;
            touches.then_some(end)
        });
        ends.max()
    }
}

impl Mapping {
    /// The memory behind the first bytes of a stretch of device addresses, as far as it is in one piece.
    fn find(&self, wanted: SgSegment) -> Option<PhysicalRun> {
        self.pieces.iter().find_map(|piece| {
            let within = wanted.address.checked_sub(piece.device.address)?;
            let left = piece
                .device
                .length_bytes
                .checked_sub(within)
                .filter(|left| *left > 0)?;
            Some(PhysicalRun {
                address: piece.physical + within,
                length_bytes: left.min(wanted.length_bytes),
            })
        })
    }
}

/// Device addresses of memory that suits direct addressing.
fn direct(storage: &Storage, offset_bytes: i64) -> Vec<Piece> {
    let piece = |run: &PhysicalRun| Piece {
        device: SgSegment {
            address: run.address.wrapping_add_signed(offset_bytes),
            length_bytes: run.length_bytes,
        },
        physical: run.address,
    };
    storage.runs().iter().map(piece).collect()
}

/// Joins pieces that follow each other.
fn consecutive(pieces: &[Piece]) -> Vec<SgSegment> {
    let mut stretches: Vec<SgSegment> = Vec::new();
    for piece in pieces {
        match stretches.last_mut() {
            Some(last) if last.address.checked_add(last.length_bytes) == Some(piece.device.address) => {
                last.length_bytes += piece.device.length_bytes;
            }
            _ => stretches.push(piece.device),
        }
    }
    stretches
}

/// As if at a boundary: what is shorter than the distance between two does not cross any.
fn alignment(limits: &DmaLimits, length_bytes: u64, is_first: bool) -> u64 {
    let block = limits.boundary_mask().and_then(|mask| mask.checked_add(1));
    let whole = length_bytes.checked_next_power_of_two();
    let at_boundary = block.map_or(1, |block| whole.map_or(block, |whole| whole.min(block)));
    let base = if is_first { limits.base_align_bytes() } else { None };
    let aligns = [limits.segment_align_bytes(), base, Some(at_boundary)];
    aligns.into_iter().flatten().fold(PAGE_BYTES, u64::max)
}

/// The addresses that tables may have.
fn reach(limits: &DmaLimits) -> Windows {
    let aperture: Windows = match limits.translation() {
        Some(Translation::Iommu { aperture, .. }) => [aperture.first..=aperture.last].into_iter().collect(),
        _ => [0..=u64::MAX].into_iter().collect(),
    };
    match limits.windows() {
        Some(windows) => windows.intersection(&aperture),
        None => aperture,
    }
}
