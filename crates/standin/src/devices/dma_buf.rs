//! A buffer's descriptor.
//!
//! The memory is coherent for every CPU and nothing else touches it, so that brackets around CPU access have only fences to wait for.
//!
//! References: `dma_buf_ioctl`, `dma_buf_set_name`, `dma_buf_export_sync_file`, `dma_buf_import_sync_file` (drivers/dma-buf/dma-buf.c,
//! v6.12), `end_cpu_udmabuf` (drivers/dma-buf/udmabuf.c, v6.12).

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use wharf_core::fence::{Fence, merge, unwrap};
use wharf_core::{PAGE_BYTES, Usage};
use wharf_uapi::Ioctl;
use wharf_uapi::dma_buf::{
    EXPORT_SYNC_FILE, ExportSyncFile, IMPORT_SYNC_FILE, ImportSyncFile, NAME_LEN, SET_NAME_A, SET_NAME_B,
    SYNC, SYNC_END, SYNC_RW, SYNC_VALID_FLAGS, SYNC_WRITE, Sync,
};

use super::sync_file::SyncFile;
use super::{Answer, Buffer, Caller, DONE, Objects, argument};

/// What a call on a buffer comes to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its answer is known.
    Known(Answer),
    /// It returns 0 when this is signaled.
    After(Fence),
    /// It brackets access to a buffer with two views, once this is signaled.
    Bracket(u32, Option<Fence>),
}

/// What the kernel's driver remembers of a `udmabuf`.
#[derive(Debug, Default)]
pub(crate) struct Begun(AtomicBool);

impl Begun {
    fn note(&self) {
        // ORDERING: Relaxed; a program that does not order its own calls gets either answer.
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        // ORDERING: as above.
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers a call on `buffer`.
pub(crate) fn call(
    caller: &dyn Caller,
    (objects, buffer): (&Objects, &Buffer),
    request: Ioctl,
    address: u64,
) -> Result<Outcome, Errno> {
    match request {
        SYNC => sync(caller, buffer, address),
        SET_NAME_A | SET_NAME_B => set_name(caller, buffer, address).map(Outcome::Known),
        EXPORT_SYNC_FILE => export(caller, (objects, buffer), address).map(Outcome::Known),
        IMPORT_SYNC_FILE => import(caller, (objects, buffer), address).map(Outcome::Known),
        _ => Ok(Outcome::Known(Answer::Native)),
    }
}

fn sync(caller: &dyn Caller, buffer: &Buffer, address: u64) -> Result<Outcome, Errno> {
    let flags = Sync::from_bytes(&argument::<{ Sync::SIZE_BYTES }>(caller, address)?).flags;
    let flags = u32::try_from(flags).map_err(|_| Errno::INVAL)?;
    if flags & !SYNC_VALID_FLAGS != 0 || flags & SYNC_RW == 0 {
        return Err(Errno::INVAL);
    }
    if flags & SYNC_END != 0 {
        return match &buffer.begun {
            Some(begun) if !begun.is_noted() => Err(Errno::INVAL),
            _ if buffer.checked.is_some() => Ok(Outcome::Bracket(flags, None)),
            _ => Ok(Outcome::Known(Answer::Value(0))),
        };
    }
    if let Some(begun) = &buffer.begun {
        begun.note();
    }
    let usage = usage_before(flags);
    let fence = (!buffer.reservation.is_signaled(usage)).then(|| pending(buffer, usage));
    Ok(match fence {
        fence if buffer.checked.is_some() => Outcome::Bracket(flags, fence),
        Some(fence) => Outcome::After(fence),
        None => Outcome::Known(Answer::Value(0)),
    })
}

/// Whom an access with these flags waits for: a writer for everybody, a reader for writers.
fn usage_before(flags: u32) -> Usage {
    if flags & SYNC_WRITE != 0 {
        Usage::Read
    } else {
        Usage::Write
    }
}

/// One fence for all that are pending now; a signaled one if none is.
fn pending(buffer: &Buffer, usage: Usage) -> Fence {
    merge(buffer.reservation.fences(usage).map(|(fence, _)| fence))
}

fn set_name(caller: &dyn Caller, buffer: &Buffer, address: u64) -> Result<Answer, Errno> {
    let name = text(caller, address)?;
    if let Some(checked) = &buffer.checked {
        checked.set_name(&name);
    }
    *buffer.name.lock() = Some(name);
    DONE
}

/// Reads a text that ends within [`NAME_LEN`] bytes. What lies on the next page is read only if the text goes on there.
fn text(caller: &dyn Caller, address: u64) -> Result<String, Errno> {
    let mut bytes = [0; NAME_LEN];
    // CAST: less than a page.
    let on_page = (PAGE_BYTES - address % PAGE_BYTES).min(NAME_LEN as u64) as usize;
    let (first, second) = bytes.split_at_mut(on_page);
    caller.read(address, first)?;
    if !first.contains(&0) && !second.is_empty() {
        // CAST: as above.
        caller.read(address.checked_add(on_page as u64).ok_or(Errno::FAULT)?, second)?;
    }
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(Errno::INVAL)?;
    Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// The flags of an export or import.
fn access(flags: u32) -> Result<u32, Errno> {
    let good = flags & !SYNC_RW == 0 && flags & SYNC_RW != 0;
    good.then_some(flags).ok_or(Errno::INVAL)
}

fn export(
    caller: &dyn Caller,
    (objects, buffer): (&Objects, &Buffer),
    address: u64,
) -> Result<Answer, Errno> {
    let unchanged = argument::<{ ExportSyncFile::SIZE_BYTES }>(caller, address)?;
    let asked = ExportSyncFile::from_bytes(&unchanged);
    let fence = pending(buffer, usage_before(access(asked.flags)?));
    SyncFile::give((caller, objects), (fence, None), (address, &unchanged), |fd| {
        ExportSyncFile { fd, ..asked }.to_bytes()
    })
}

fn import(
    caller: &dyn Caller,
    (objects, buffer): (&Objects, &Buffer),
    address: u64,
) -> Result<Answer, Errno> {
    let asked = ImportSyncFile::from_bytes(&argument::<{ ImportSyncFile::SIZE_BYTES }>(caller, address)?);
    let flags = access(asked.flags)?;
    let file = SyncFile::of(caller, objects, asked.fd).ok_or(Errno::INVAL)?;
    let usage = if flags & SYNC_WRITE != 0 {
        Usage::Write
    } else {
        Usage::Read
    };
    let fences: Vec<Fence> = unwrap(file.fence()).collect();
    buffer.add_fences(&fences, usage)?;
    DONE
}
