//! Which calls of the program are trapped: `ioctl` with one of the numbers that are emulated, by whatever way it enters the kernel, and
//! those ways of mapping that it was [asked](mapping) for.
//!
//! A number is told by its lower 16 bits, because the size in the upper ones may differ where a structure can grow. Everything else
//! is decided by the filter and never waits for anybody. Contract: E3.

use wharf_uapi::{Ioctl, dma_buf, dma_heap, drm, sw_sync, sync_file, udmabuf};

use super::mapping;
use super::sys::Instruction;
use crate::options::Options;

/// Where in `struct seccomp_data` the number of the system call is, in bytes.
const NUMBER_AT: u32 = 0;
/// Where the architecture is.
const ARCHITECTURE_AT: u32 = 4;
/// Where the first argument is.
pub(super) const ARGUMENTS_AT: u32 = 16;
/// Where the lower half of the second argument is: the number of the `ioctl`.
const REQUEST_AT: u32 = ARGUMENTS_AT + 8 + if cfg!(target_endian = "big") { 4 } else { 0 };

pub(super) const AUDIT_64BIT: u32 = 0x8000_0000;
pub(super) const AUDIT_LITTLE_ENDIAN: u32 = 0x4000_0000;
/// Programs for 32-bit pointers on x86-64 set this bit in every number.
const X32: u32 = 0x4000_0000;

/// The ways into this kernel: architecture and the number of `ioctl` there.
const ENTRIES: &[(u32, u32)] = if cfg!(target_arch = "x86_64") {
    &[
        (AUDIT_64BIT | AUDIT_LITTLE_ENDIAN | 62, 16),
        (AUDIT_64BIT | AUDIT_LITTLE_ENDIAN | 62, X32 | 514),
        (AUDIT_LITTLE_ENDIAN | 3, 54),
    ]
} else if cfg!(target_arch = "aarch64") {
    &[
        (AUDIT_64BIT | AUDIT_LITTLE_ENDIAN | 183, 29),
        (AUDIT_LITTLE_ENDIAN | 40, 54),
    ]
} else if cfg!(target_arch = "riscv64") {
    &[
        (AUDIT_64BIT | AUDIT_LITTLE_ENDIAN | 243, 29),
        (AUDIT_LITTLE_ENDIAN | 243, 29),
    ]
} else {
    &[]
};

/// What is emulated for every program.
const ALWAYS: &[Ioctl] = &[
    dma_heap::ALLOC,
    udmabuf::CREATE,
    udmabuf::CREATE_LIST,
    dma_buf::SYNC,
    dma_buf::SET_NAME_A,
    dma_buf::EXPORT_SYNC_FILE,
    dma_buf::IMPORT_SYNC_FILE,
    sync_file::MERGE,
    sync_file::FILE_INFO,
    sync_file::SET_DEADLINE,
];

/// What is emulated for programs with timelines of their own.
const SW_SYNC: &[Ioctl] = &[sw_sync::CREATE_FENCE, sw_sync::INC, sw_sync::GET_DEADLINE];

/// Why there is no filter for this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "programs of this machine's architecture cannot be supervised: only x86-64, 64-bit Arm and RISC-V can"
)]
pub(crate) struct UnknownArchitecture;

pub(super) const fn load(at: u32) -> Instruction {
    // CAST: three small flags.
    statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, at)
}

const fn statement(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Goes `then` instructions further if the loaded value is `k`, and to the next one otherwise.
pub(super) const fn if_equal(k: u32, then: u8) -> Instruction {
    Instruction {
        // CAST: three small flags.
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: then,
        jf: 0,
        k,
    }
}

pub(super) const fn end(action: u32) -> Instruction {
    // CAST: two small flags.
    statement((libc::BPF_RET | libc::BPF_K) as u16, action)
}

/// The filter's program.
///
/// Each entry is one piece: not this architecture, or not this number, and the next piece is looked at. All pieces jump to what looks
/// at the number of the `ioctl`, the one for mappings to what looks at those, which comes last.
pub(crate) fn program(options: &Options) -> Result<Vec<Instruction>, UnknownArchitecture> {
    const PIECE: usize = 5;
    if ENTRIES.is_empty() {
        return Err(UnknownArchitecture);
    }
    let requests = requests(options);
    let mapping = mapping::trapped(options);
    let pieces = ENTRIES.len() + mapping.iter().len();
    // From behind a piece to behind the end that follows all pieces.
    let to_request = |index: usize| (pieces - index - 1) * PIECE + 1;
    let mut program = Vec::new();
    for (index, entry) in ENTRIES.iter().enumerate() {
        program.extend(piece(*entry, to_request(index)));
    }
    if let Some((entry, _)) = &mapping {
        program.extend(piece(*entry, to_request(ENTRIES.len()) + requests.len()));
    }
    program.push(end(libc::SECCOMP_RET_ALLOW));
    program.extend(requests);
    program.extend(mapping.into_iter().flat_map(|(_, looks)| looks));
    Ok(program)
}

/// Goes `then` instructions further for this call, and to what follows otherwise.
fn piece((architecture, number): (u32, u32), then: usize) -> [Instruction; 5] {
    [
        load(ARCHITECTURE_AT),
        if_equal(architecture, 1),
        // Not this one: past the two that look at the number.
        statement((libc::BPF_JMP | libc::BPF_JA) as u16, 2),
        load(NUMBER_AT),
        // CAST: four pieces and fewer than 30 requests at most.
        if_equal(number, then as u8),
    ]
}

/// Looks at the number of the `ioctl`.
fn requests(options: &Options) -> Vec<Instruction> {
    let more = if options.sw_sync { SW_SYNC } else { &[] };
    let trapped: Vec<u32> = ALWAYS
        .iter()
        .chain(more)
        .map(|ioctl| u32::from(ioctl.selector()))
        .collect();
    // All calls of a card: which of them it knows is for it to say.
    let kinds: &[u32] = if options.vgem {
        &[(drm::MAGIC as u32) << 8]
    } else {
        &[]
    };
    let mut program = vec![load(REQUEST_AT), masked(0xffff)];
    let beyond_kinds = kinds.len() * 2;
    for (index, selector) in trapped.iter().enumerate() {
        // Past the rest and the end that allows. CAST: 15 at most.
        program.push(if_equal(*selector, (trapped.len() - index + beyond_kinds) as u8));
    }
    for kind in kinds {
        program.push(masked(0xff00));
        program.push(if_equal(*kind, 1));
    }
    program.push(end(libc::SECCOMP_RET_ALLOW));
    program.push(end(libc::SECCOMP_RET_USER_NOTIF));
    program
}

/// Keeps these bits of what was loaded.
pub(super) const fn masked(bits: u32) -> Instruction {
    // CAST: three small flags.
    statement((libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16, bits)
}

/// What a filter answers to a call, by the rules of the kernel for the few instructions used here.
#[cfg(test)]
pub(super) fn judged(
    program: &[Instruction],
    (architecture, number): (u32, u32),
    arguments: [u64; 6],
) -> u32 {
    let (mut at, mut loaded) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        match u32::from(code) {
            code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                loaded = match k {
                    NUMBER_AT => number,
                    ARCHITECTURE_AT => architecture,
                    half => {
                        let at = (half - ARGUMENTS_AT) as usize;
                        let argument = arguments[at / 8].to_ne_bytes();
                        u32::from_ne_bytes(argument.as_chunks::<4>().0[at % 8 / 4])
                    }
                }
            }
            code if code == libc::BPF_JMP | libc::BPF_JA => at += k as usize,
            code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => {
                at += usize::from(if loaded == k { jt } else { jf });
            }
            code if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K => loaded &= k,
            code if code == libc::BPF_RET | libc::BPF_K => return k,
            other => panic!("{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(program: &[Instruction], architecture: u32, number: u32, request: u64) -> u32 {
        judged(program, (architecture, number), [0, request, 0, 0, 0, 0])
    }

    #[test]
    fn emulated_requests_are_trapped_on_every_way_in() {
        let program = program(&Options::default()).unwrap();
        for (architecture, number) in ENTRIES {
            for request in ALWAYS {
                let answer = verdict(&program, *architecture, *number, request.raw().into());
                assert_eq!(
                    answer,
                    libc::SECCOMP_RET_USER_NOTIF,
                    "{request:?} at {architecture:x} {number}"
                );
            }
            for request in [0x5401, 0xc018_4801, 0x0000_3e02, 0x5700] {
                let answer = verdict(&program, *architecture, *number, request);
                assert_eq!(answer, libc::SECCOMP_RET_ALLOW, "{request:x}");
            }
            assert_eq!(
                verdict(&program, *architecture, number + 1, dma_buf::SYNC.raw().into()),
                libc::SECCOMP_RET_ALLOW
            );
        }
        assert_eq!(
            verdict(&program, 1234, ENTRIES[0].1, dma_buf::SYNC.raw().into()),
            libc::SECCOMP_RET_ALLOW
        );
    }

    #[test]
    fn size_of_the_argument_does_not_matter() {
        let program = program(&Options::default()).unwrap();
        let (architecture, number) = ENTRIES[0];
        let longer = u64::from(dma_heap::ALLOC.raw()) + (8 << 16);
        assert_eq!(
            verdict(&program, architecture, number, longer),
            libc::SECCOMP_RET_USER_NOTIF
        );
    }

    #[test]
    fn timelines_are_trapped_where_they_were_asked_for() {
        let (architecture, number) = ENTRIES[0];
        for request in SW_SYNC {
            let verdict = |with| {
                verdict(
                    &program(&Options {
                        sw_sync: with,
                        ..Options::default()
                    })
                    .unwrap(),
                    architecture,
                    number,
                    request.raw().into(),
                )
            };
            assert_eq!(verdict(true), libc::SECCOMP_RET_USER_NOTIF);
            assert_eq!(verdict(false), libc::SECCOMP_RET_ALLOW);
        }
    }

    #[test]
    fn calls_of_cards_are_trapped_where_they_were_asked_for() {
        let with = |vgem| {
            program(&Options {
                sw_sync: true,
                vgem,
                exact_udmabuf: true,
                ..Options::default()
            })
            .unwrap()
        };
        for (architecture, number) in ENTRIES.iter().copied() {
            for (request, trapped) in [
                (drm::VERSION.raw(), true),
                (0x64ff, true),
                (0x6500, false),
                (dma_buf::SYNC.raw(), true),
                (SW_SYNC[1].raw(), true),
            ] {
                let answer = verdict(&with(true), architecture, number, request.into());
                assert_eq!(
                    answer == libc::SECCOMP_RET_USER_NOTIF,
                    trapped,
                    "{architecture:x} {number} {request:x}"
                );
            }
            let without = verdict(&with(false), architecture, number, drm::VERSION.raw().into());
            assert_eq!(without, libc::SECCOMP_RET_ALLOW);
        }
    }
}
