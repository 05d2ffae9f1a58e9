//! Where in the program a call was made.
//!
//! The kernel tells the instruction that entered it, which with a C library is always the same one. So the caller's stack is looked through for the
//! first few addresses, none of the C library, that calls return to: programs have functions around their calls. That is a guess, which can be wrong where a
//! function has left such an address behind.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::task::Task;
use crate::devices::Caller as _;

/// How many processes' modules are kept.
const MAX_PROCESSES: usize = 16;
/// How much of the stack is looked through, in bytes; less where there is not so much.
const STACK: [usize; 3] = [2048, 512, 128];
/// How many callers are told, the innermost first.
const MAX_CALLERS: usize = 3;
/// The longest instruction for a call that is known here, in bytes.
const CALL: usize = 6;

/// A part of a file that is mapped to be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Module {
    addresses: Range<u64>,
    /// Of the first address, in bytes from the file's beginning.
    offset: u64,
    /// The last part of the file's path.
    name: String,
}

/// What is mapped to be executed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Modules(Vec<Module>);

impl Modules {
    /// From the text of `/proc/PID/maps`.
    fn parse(maps: &str) -> Self {
        let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
        let module = |line: &str| {
            let mut fields = line.splitn(6, ' ');
            let (start, end) = fields.next()?.split_once('-')?;
            let is_executed = fields.next()?.contains('x');
            let offset = hexadecimal(fields.next()?)?;
            let path = fields.nth(2).unwrap_or_default().trim_start();
            let name = path.rsplit('/').next().filter(|name| !name.is_empty());
            is_executed.then(|| {
                Some(Module {
                    addresses: hexadecimal(start)?..hexadecimal(end)?,
                    offset,
                    name: name.unwrap_or("memory").to_owned(),
                })
            })?
        };
        Self(maps.lines().filter_map(module).collect())
    }

    fn of(&self, address: u64) -> Option<&Module> {
        self.0.iter().find(|module| module.addresses.contains(&address))
    }
}

impl Module {
    /// As tools that look up lines want it: the module and the place in its file.
    fn tell(&self, address: u64) -> String {
        let offset = address - self.addresses.start + self.offset;
        format!("{}+{offset:#x}", self.name)
    }
}

/// The modules of the processes that called lately.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    by_process: Mutex<HashMap<u32, Arc<Modules>>>,
}

impl Sites {
    /// Where in its program the thread made the call that waits, of `process`.
    pub(super) fn tell(&self, task: &Task<'_>, process: u32) -> String {
        let address = task.notification.data.instruction_pointer;
        let modules = self.modules(process, address);
        let Some(module) = modules.of(address) else {
            return format!("{address:#x}");
        };
        let place = module.tell(address);
        let callers = callers(task, &modules, module).unwrap_or_default();
        if callers.is_empty() {
            return place;
        }
        format!("{} (by {place})", callers.join(" < "))
    }

    /// What the process has mapped, looked at again if what is known does not have `address`: it may have executed another program.
    fn modules(&self, process: u32, address: u64) -> Arc<Modules> {
        let mut known = self.by_process.lock();
        if let Some(modules) = known
            .get(&process)
            .filter(|modules| modules.of(address).is_some())
        {
            return Arc::clone(modules);
        }
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        let modules = Arc::new(Modules::parse(&maps));
        if known.len() >= MAX_PROCESSES {
            known.clear();
        }
        known.insert(process, Arc::clone(&modules));
        modules
    }
}

/// Who called the function of `entering`, the module that has made the call, and who called that.
fn callers(task: &Task<'_>, modules: &Modules, entering: &Module) -> Option<Vec<String>> {
    if !super::injection::is_possible(task.notification) {
        return None;
    }
    let call = std::fs::read_to_string(format!("/proc/{}/syscall", task.notification.pid)).ok()?;
    let pointer = call.split(' ').rev().nth(1)?.strip_prefix("0x")?;
    let pointer = u64::from_str_radix(pointer, 16).ok()?;
    let stack = STACK.iter().find_map(|length| {
        let mut stack = vec![0; *length];
        task.read(pointer, &mut stack).ok().map(|()| stack)
    })?;
    let is_library = is_c_library(&entering.name);
    let words = stack
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_ne_bytes(*word));
    let found = words.filter_map(|address| modules.of(address).map(|module| (module, address)));
    let callers = found.filter(|(module, address)| {
        let is_other = !is_library || !is_c_library(&module.name);
        is_other && follows_call(task, *address)
    });
    let told = callers.map(|(module, address)| module.tell(address));
    Some(told.take(MAX_CALLERS).collect())
}

fn is_c_library(name: &str) -> bool {
    ["libc.", "libc-", "ld-musl"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Whether the instruction before `address` is a call, on x86-64.
fn follows_call(task: &Task<'_>, address: u64) -> bool {
    let mut bytes = [0; CALL];
    let start = address.checked_sub(CALL as u64);
    start.is_some_and(|start| task.read(start, &mut bytes).is_ok()) && ends_with_call(bytes)
}

fn ends_with_call(bytes: [u8; CALL]) -> bool {
    // A near call, or one through a register or memory, whose operand says that it is a call in three bits.
    let is_indirect = |at: usize| bytes[at] == 0xff && bytes[at + 1] & 0x38 == 0x10;
    bytes[1] == 0xe8 || is_indirect(0) || is_indirect(3) || is_indirect(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55a000000000-55a000001000 r--p 00000000 fe:00 12 /usr/bin/a camera
55a000001000-55a000003000 r-xp 00001000 fe:00 12 /usr/bin/a camera
7f0000000000-7f0000100000 r-xp 00026000 fe:00 34                         /lib/libc.so.6
7f0000200000-7f0000201000 r-xp 00000000 00:00 0
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
";

    #[test]
    fn addresses_are_told_as_places_in_files() {
        let modules = Modules::parse(MAPS);
        assert_eq!(modules.0.len(), 3);
        let tell = |address| modules.of(address).map(|module| module.tell(address));
        assert_eq!(tell(0x55a0_0000_1234).unwrap(), "a camera+0x1234");
        assert_eq!(tell(0x7f00_0000_0010).unwrap(), "libc.so.6+0x26010");
        assert_eq!(tell(0x7f00_0020_0000).unwrap(), "memory+0x0");
        assert_eq!(tell(0x55a0_0000_0234), None, "not to be executed");
        assert_eq!(tell(0x7ffd_0000_0000), None);
    }

    #[test]
    fn calls_are_known() {
        for bytes in [
            [0, 0xe8, 1, 2, 3, 4],
            [0xff, 0x15, 1, 2, 3, 4],
            [0, 0, 0, 0, 0xff, 0xd0],
            [0, 0, 0, 0xff, 0x50, 8],
        ] {
            assert!(ends_with_call(bytes), "{bytes:x?}");
        }
        for bytes in [[0; 6], [0, 0, 0, 0, 0xff, 0xe0], [0xe8, 1, 2, 3, 4, 5]] {
            assert!(!ends_with_call(bytes), "{bytes:x?}");
        }
    }
}
