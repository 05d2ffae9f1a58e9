//! What memory costs: allocate 8 MiB, map them, touch every page, unmap and free, in milliseconds.
//!
//! * by hand: `memfd_create`, `ftruncate`, the seals, and a mapping that is touched; for chunks of 2 MiB also the call that has the
//!   kernel put huge pages together, believed without a look;
//! * from the heaps, which also verify what they promise.
//!
//! All take turns within each repetition, so that a noisy machine hits them alike; the tables give medians over the repetitions and
//! the median of the ratios to the first line within one repetition. Run with `cargo bench -p wharf-benches --bench heap`.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use wharf_core::AccessMode;
use wharf_linux::{AllocationRequest, Heap, HugeHeap, LockedHeap, MemfdExporter, Residency, SystemHeap};
use wharf_memory::{Access, Mapping};

const SIZE: usize = 8 << 20;
const PAGE: usize = 4096;
/// How long one case is measured in one repetition.
const TURN: Duration = Duration::from_millis(100);
/// Mappings of others in the same process, through which the huge heap has to look for its own.
const CROWD: usize = 1000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Name, and what makes, touches and frees one buffer.
struct Case {
    name: &'static str,
    body: fn() -> Outcome<()>,
}

impl Case {
    /// Milliseconds a buffer.
    fn take_turn(&self) -> Outcome<f64> {
        (self.body)()?;
        let start = Instant::now();
        let mut buffers = 0;
        while start.elapsed() < TURN {
            (self.body)()?;
            buffers += 1;
        }
        Ok(start.elapsed().as_secs_f64() * 1e3 / f64::from(buffers))
    }
}

const SMALL_BY_HAND: Case = Case {
    name: "by hand, 4 KiB pages",
    body: small_by_hand,
};
const HUGE_BY_HAND: Case = Case {
    name: "by hand, put together to 2 MiB",
    body: huge_by_hand,
};
const SMALL: Case = Case {
    name: "heap memfd",
    body: || from(&SystemHeap, false),
};
const LOCKED: Case = Case {
    name: "heap memfd-locked",
    body: || from(&LockedHeap, false),
};
const HUGE: Case = Case {
    name: "heap memfd-huge, put together",
    body: || from(&HugeHeap, false),
};
const RESERVED: Case = Case {
    name: "heap memfd-huge, reserved pages",
    body: || from(&HugeHeap, true),
};

fn main() -> Outcome<()> {
    let repetitions = repetitions();
    println!("{repetitions} repetitions of {TURN:?}\n");
    run(
        "4 KiB pages",
        &working([SMALL_BY_HAND, SMALL, LOCKED]),
        repetitions,
    )?;
    let mut chunks = working([HUGE_BY_HAND, HUGE, SMALL_BY_HAND]);
    if has_reserved_pages() {
        chunks.push(RESERVED);
    } else {
        println!("no reserved huge pages here (vm.nr_hugepages)\n");
    }
    run("chunks of 2 MiB", &chunks, repetitions)?;
    let _crowd = crowd()?;
    let title = format!("the same, beside {CROWD} touched mappings of 64 KiB");
    run(&title, &working([HUGE_BY_HAND, HUGE]), repetitions)
}

/// How often everybody takes a turn: the first argument that is a number, or 9. (`cargo bench` adds `--bench`.)
fn repetitions() -> usize {
    std::env::args().find_map(|word| word.parse().ok()).unwrap_or(9)
}

/// Those that this machine can do; says why it cannot do the others.
fn working<const COUNT: usize>(cases: [Case; COUNT]) -> Vec<Case> {
    let works = |case: &Case| match (case.body)() {
        Ok(()) => true,
        Err(error) => {
            println!("{}: {error}\n", case.name);
            false
        }
    };
    cases.into_iter().filter(works).collect()
}

fn run(title: &str, cases: &[Case], repetitions: usize) -> Outcome<()> {
    let Some(first) = cases.first() else { return Ok(()) };
    let turns: Outcome<Vec<Vec<f64>>> = (0..repetitions)
        .map(|_| cases.iter().map(Case::take_turn).collect())
        .collect();
    let turns = turns?;
    println!("| {title} | ms | ratio to {} |\n|---|---|---|", first.name);
    for (index, case) in cases.iter().enumerate() {
        let times = turns.iter().map(|turn| turn[index]).collect();
        let ratios = turns.iter().map(|turn| turn[index] / turn[0]).collect();
        println!("| {} | {:.3} | {:.2} |", case.name, median(times), median(ratios));
    }
    println!();
    Ok(())
}

/// NaN of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn memfd_by_hand(size_bytes: usize) -> Outcome<OwnedFd> {
    let fd = memfd_create("by-hand", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, size_bytes as u64)?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW)?;
    Ok(fd)
}

fn small_by_hand() -> Outcome<()> {
    let fd = memfd_by_hand(SIZE)?;
    touch(&Mapping::map(&fd, SIZE, Access::ReadWrite)?)
}

fn huge_by_hand() -> Outcome<()> {
    let fd = memfd_by_hand(SIZE)?;
    let mapping = Mapping::map(&fd, SIZE, Access::ReadWrite)?;
    mapping.assemble_huge_pages()?;
    touch(&mapping)
}

fn from(heap: &dyn Heap, single_writer: bool) -> Outcome<()> {
    let memory = heap.allocate(&AllocationRequest {
        single_writer,
        ..AllocationRequest::new("bench", SIZE as u64)
    })?;
    touch(MemfdExporter::map_heap_memory(memory, AccessMode::ReadWrite)?.mapping())
}

fn has_reserved_pages() -> bool {
    let request = AllocationRequest {
        single_writer: true,
        ..AllocationRequest::new("bench", SIZE as u64)
    };
    let memory = HugeHeap.allocate(&request);
    memory.is_ok_and(|memory| matches!(memory.residency(), Residency::Reserved))
}

/// Writes one byte of every page.
fn touch(mapping: &Mapping) -> Outcome<()> {
    let view = mapping.view_mut()?;
    for offset in (0..SIZE).step_by(PAGE) {
        view.copy_from(offset, &[1])?;
    }
    Ok(())
}

fn crowd() -> Outcome<Vec<Mapping>> {
    let one = |_| {
        let fd = memfd_by_hand(16 * PAGE)?;
        let mapping = Mapping::map(&fd, 16 * PAGE, Access::ReadWrite)?;
        mapping.view_mut()?.fill(0, 16 * PAGE, 1)?;
        Ok(mapping)
    };
    (0..CROWD).map(one).collect()
}
