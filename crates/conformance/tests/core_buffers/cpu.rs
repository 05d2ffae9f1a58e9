//! The CPU at buffers.

use std::ops::Range;
use std::time::Duration;

use wharf_conformance::contract::{CpuSut, FencedSut, RedirectSut, SharedFencesSut, UserMappingSut, VmapSut};
use wharf_core::{
    AccessMode, Coherency, CpuAccess, DataDirection, DmaBuf, Errno, FaultKind, FenceContext, PAGE_BYTES,
    Refusal, SecondRange, UniqueFence, Usage, Vmap,
};

use super::user::{User, by_pages, storage_of};
use super::{Core, lock, patiently, within};

impl CpuSut for Core {
    type Access = CpuAccess;

    fn begin(
        &self,
        buffer: &DmaBuf,
        bytes: Range<u64>,
        direction: DataDirection,
    ) -> Result<CpuAccess, Errno> {
        let access = buffer.begin_cpu_access_within(bytes, direction, &patiently());
        access.map_err(|error| error.errno())
    }

    fn end(&self, access: CpuAccess) -> Result<(), Errno> {
        access.end().map_err(|error| error.errno())
    }

    fn read(&self, access: &CpuAccess, offset_bytes: u64, into: &mut [u8]) -> Result<(), Errno> {
        for (at, part) in by_pages(offset_bytes, into.len()) {
            let page = access.page(at / PAGE_BYTES);
            page.and_then(|page| page.read_at(at % PAGE_BYTES, &mut into[part]))
                .map_err(|error| error.errno())?;
        }
        Ok(())
    }

    fn write(&self, access: &CpuAccess, offset_bytes: u64, from: &[u8]) -> Result<(), Errno> {
        for (at, part) in by_pages(offset_bytes, from.len()) {
            let page = access.page_mut(at / PAGE_BYTES);
            page.and_then(|page| page.write_at(at % PAGE_BYTES, &from[part]))
                .map_err(|error| error.errno())?;
        }
        Ok(())
    }
}

impl FencedSut for Core {
    type Work = UniqueFence;

    fn begin_work(&self, buffer: &DmaBuf, usage: Usage) -> UniqueFence {
        let work = FenceContext::new("mock", "work").fence(1);
        let guard = lock(buffer.reservation());
        guard.reserve_fences(1).unwrap();
        guard.add_fence(&work.fence(), usage).unwrap();
        work
    }

    fn finish(&self, work: UniqueFence, outcome: Result<(), Errno>) {
        match outcome {
            Ok(()) => work.signal(),
            Err(errno) => work.signal_error(errno).unwrap(),
        }
    }

    fn is_busy(&self, buffer: &DmaBuf, usage: Usage) -> bool {
        !buffer.reservation().is_signaled(usage)
    }

    fn begin_within(
        &self,
        buffer: &DmaBuf,
        direction: DataDirection,
        timeout: Duration,
    ) -> Result<CpuAccess, Errno> {
        let access = buffer.begin_cpu_access_within(.., direction, &within(timeout));
        access.map_err(|error| error.errno())
    }
}

impl SharedFencesSut for Core {
    fn create_sharing(&self, size_bytes: u64, with: &DmaBuf) -> Result<DmaBuf, Errno> {
        self.export_placed(self.kind, self.policy, size_bytes, Some(with))
    }
}

impl Core {
    fn touch(
        &self,
        user: &User,
        offset_bytes: u64,
        len: usize,
        kind: FaultKind,
        mut copy: impl FnMut(u64, Range<usize>) -> Result<(), Refusal>,
    ) -> Result<(), Errno> {
        for (at, part) in by_pages(offset_bytes, len) {
            let place = user.touch(at, kind)?;
            copy(place, part).map_err(|refusal| refusal.errno)?;
        }
        Ok(())
    }
}

impl UserMappingSut for Core {
    type UserMapping = User;

    fn map_user(
        &self,
        buffer: &DmaBuf,
        first_page: u64,
        page_count: u64,
        access: AccessMode,
    ) -> Result<User, Errno> {
        User::map(buffer, first_page, page_count, access, None)
    }

    fn protect(&self, user: &User, access: AccessMode) -> Result<(), Errno> {
        user.mapping.protect(access).map_err(|error| error.errno())
    }

    fn user_read(&self, user: &User, offset_bytes: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.touch(user, offset_bytes, into.len(), FaultKind::Read, |place, part| {
            self.machine
                .cpu_read(&storage_of(&user.buffer), place, &mut into[part])
        })
    }

    fn user_write(&self, user: &User, offset_bytes: u64, from: &[u8]) -> Result<(), Errno> {
        self.touch(user, offset_bytes, from.len(), FaultKind::Write, |place, part| {
            self.machine
                .cpu_write(&storage_of(&user.buffer), place, &from[part])
        })
    }

    fn coherency(&self, user: &User) -> Coherency {
        user.mapping.coherency()
    }

    fn declared(&self) -> Coherency {
        self.declared
    }

    fn has_second_range(&self) -> bool {
        self.second != SecondRange::SameAsFirst
    }
}

impl RedirectSut for Core {
    fn redirect(
        &self,
        buffer: &DmaBuf,
        importer_page: u64,
        first_page: u64,
        page_count: u64,
    ) -> Result<User, Errno> {
        User::map(
            buffer,
            importer_page,
            page_count,
            AccessMode::ReadWrite,
            Some(first_page),
        )
    }
}

impl VmapSut for Core {
    type Vmap = Vmap;

    fn vmap(&self, buffer: &DmaBuf) -> Result<Vmap, Errno> {
        buffer.vmap_unlocked(&patiently()).map_err(|error| error.errno())
    }

    fn vmap_read(&self, vmap: &Vmap, offset_bytes: u64, into: &mut [u8]) -> Result<(), Errno> {
        vmap.read_at(offset_bytes, into).map_err(|error| error.errno())
    }

    fn vmap_write(&self, vmap: &Vmap, offset_bytes: u64, from: &[u8]) -> Result<(), Errno> {
        vmap.write_at(offset_bytes, from).map_err(|error| error.errno())
    }
}
