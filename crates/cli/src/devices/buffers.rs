//! The kernel's buffers and fences.

use rustix::io::Errno;
use wharf_core::{AccessMode, DataDirection, Usage};
use wharf_linux::dma_buf::KernelBuffer;
use wharf_linux::dma_heap::{self, DmaHeap};
use wharf_linux::udmabuf::{self, Udmabuf};
use wharf_linux::{KernelError, Memfd};

use super::finding::{Area, Finding, State};

/// One page.
const BYTES: u64 = 4096;

/// What is written into a page, to be read from elsewhere.
const MARK: &[u8; 8] = b"wharfdev";

/// Heaps, udmabuf and fences as files.
pub(super) fn find() -> Vec<Finding> {
    let mut sample = None;
    let mut findings = heaps(&mut sample);
    findings.push(memory_files(&mut sample));
    findings.push(fences(sample.as_ref()));
    findings
}

fn heaps(sample: &mut Option<KernelBuffer>) -> Vec<Finding> {
    let no_heaps = |errno, reason: String| {
        let advice = "the kernel needs CONFIG_DMABUF_HEAPS and CONFIG_DMABUF_HEAPS_SYSTEM, a container --device=/dev/dma_heap; \
                      programs that insist can be run with wharf run";
        vec![Finding::no(Area::DmaHeap, "", errno, (reason, advice))]
    };
    match dma_heap::names() {
        Err(error) => {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            no_heaps(errno, format!("reading {}", dma_heap::DIRECTORY))
        }
        Ok(names) if names.is_empty() => {
            no_heaps(Errno::NOENT, format!("{} has no heaps", dma_heap::DIRECTORY))
        }
        Ok(names) => names.iter().map(|name| heap(name, sample)).collect(),
    }
}

fn heap(name: &str, sample: &mut Option<KernelBuffer>) -> Finding {
    let tried = DmaHeap::open(name).and_then(|heap| heap.allocate(BYTES, AccessMode::ReadWrite));
    let tried = tried.and_then(|buffer| tried_out(&buffer).map(|()| buffer));
    match tried {
        Ok(buffer) => {
            let state = State::of(buffer.is_emulated());
            *sample = sample.take().or(Some(buffer));
            Finding::yes(Area::DmaHeap, name, state, "allocated, mapped and written a page")
        }
        Err(error) => Finding::failed(Area::DmaHeap, name, &error),
    }
}

/// Writes a page of a buffer as programs are to, and reads it again.
fn tried_out(buffer: &KernelBuffer) -> Result<(), KernelError> {
    let unusable = |errno| KernelError::new("mmap", "a page of it", errno);
    let mapping = buffer
        .map(AccessMode::ReadWrite)
        .map_err(|error| unusable(error.errno()))?;
    let bracket = buffer.begin_access(DataDirection::Bidirectional)?;
    let mut seen = [0; MARK.len()];
    let copied = mapping.view_mut().is_ok_and(|view| {
        view.copy_from(0, MARK).is_ok() && mapping.view().copy_to(0, &mut seen).is_ok() && seen == *MARK
    });
    bracket.end()?;
    if copied { Ok(()) } else { Err(unusable(Errno::IO)) }
}

fn memory_files(sample: &mut Option<KernelBuffer>) -> Finding {
    let tried = Udmabuf::open().and_then(|device| {
        let failed = |errno| KernelError::new("memfd_create", "a memory file", errno);
        let memory = Memfd::create("wharf-devices", BYTES).map_err(|error| failed(error.errno()))?;
        let buffer = device.create(&memory)?;
        tried_out(&buffer)?;
        Ok(buffer)
    });
    match tried {
        Ok(buffer) => {
            let detail = format!(
                "made a buffer of a memory file; the module allows {} MiB each",
                udmabuf::size_limit_bytes() >> 20
            );
            let finding = Finding::yes(Area::Udmabuf, "", State::of(buffer.is_emulated()), detail);
            *sample = sample.take().or(Some(buffer));
            finding
        }
        Err(error) => Finding::failed(Area::Udmabuf, "", &error),
    }
}

fn fences(sample: Option<&KernelBuffer>) -> Finding {
    let Some(buffer) = sample else {
        let advice = "with a heap, udmabuf, or a device that exports buffers it can be found out";
        let why = ("there is no buffer to take fences from", advice);
        return Finding::no(Area::SyncFile, "", Errno::NODEV, why);
    };
    let tried = buffer.fences(Usage::Read).and_then(|file| file.info());
    match tried {
        Ok(info) => {
            let detail = format!(
                "took the fences of a buffer: {} ({})",
                info.fences.len(),
                info.name
            );
            Finding::yes(Area::SyncFile, "", State::of(buffer.is_emulated()), detail)
        }
        Err(error) if error.errno() == Errno::NOTTY => {
            let why = (
                "DMA_BUF_IOCTL_EXPORT_SYNC_FILE",
                "the kernel must be 6.0 or newer",
            );
            Finding::no(Area::SyncFile, "", Errno::NOTTY, why)
        }
        Err(error) => Finding::failed(Area::SyncFile, "", &error),
    }
}

/// What a program of `wharf run` does for `programs`.
pub(super) fn allocate_a_page() -> Result<(), Errno> {
    let heap = DmaHeap::open("system").map_err(|error| error.errno())?;
    let buffer = heap
        .allocate(BYTES, AccessMode::ReadWrite)
        .map_err(|error| error.errno())?;
    tried_out(&buffer).map_err(|error| error.errno())
}
