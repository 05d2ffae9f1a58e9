//! `wharf run`: programs with stand-ins for the kernel's dma-bufs.

use wharf_standin::{FdKind, Options};

use crate::args::{FdKindArg, HeapName, RunArgs, RunPartArgs};
use crate::failure::Failure;

/// Runs a program; returns its exit code, or ends as it did.
pub(crate) fn run(args: RunArgs) -> Result<u8, Failure> {
    let mut heaps: Vec<String> = args.heaps.into_iter().map(|HeapName(name)| name).collect();
    heaps.sort();
    heaps.dedup();
    let options = Options {
        heaps,
        sw_sync: args.sw_sync,
        vgem: args.vgem || args.check_coherency,
        fd_kind: match args.fd_kind {
            FdKindArg::Memfd => FdKind::Memfd,
            FdKindArg::Fuse => FdKind::Fuse,
        },
        exact_udmabuf: args.exact_udmabuf,
        check_coherency: args.check_coherency,
        coherency_exit: args.coherency_exit,
        socket: args.socket,
    };
    let ending = wharf_standin::run(&args.program, &options)?;
    Ok(ending.imitate())
}

/// Is one of the other processes of a run.
pub(crate) fn play(args: &RunPartArgs) -> Result<u8, Failure> {
    Ok(wharf_standin::play(
        &args.part,
        args.fd,
        &args.orders,
        &args.program,
    )?)
}
