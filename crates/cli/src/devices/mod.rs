//! `wharf devices`: what this machine really has, and what Wharf uses it for.
//!
//! Nothing is concluded from versions or names: everything is tried, in the least way there is, and given back.
//!
//! | file | what is tried |
//! |---|---|
//! | `buffers` | heaps, udmabuf, fences as files: one page is allocated and written |
//! | `nodes` | graphics and video devices: opened, never told to do anything |
//! | `mechanisms` | user namespaces, system call listener, page faults, FUSE passthrough |
//! | `programs` | `wharf run`, with a program that allocates a page |
//! | `memory` | the broker's heaps: the least of each |
//! | `uses` | what comes of it |
//! | `finding`, `text` | one result; all of them for people |

mod buffers;
mod finding;
mod mechanisms;
mod memory;
mod nodes;
mod programs;
mod text;
mod uses;

use serde::Serialize;

use crate::args::{DevicesArgs, ProbeArgs, ProbeKind};
use crate::failure::Failure;
use crate::output::print;
use finding::Finding;
use uses::Use;

/// Version of the names in the JSON.
const SCHEMA: u32 = 1;

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    kernel: Kernel,
    findings: Vec<Finding>,
    uses: Vec<Use>,
}

/// The kernel, as it calls itself.
#[derive(Debug, Serialize)]
struct Kernel {
    release: String,
    machine: String,
}

impl Kernel {
    fn of_this_machine() -> Self {
        let name = rustix::system::uname();
        Self {
            release: name.release().to_string_lossy().into_owned(),
            machine: name.machine().to_string_lossy().into_owned(),
        }
    }
}

/// Tries everything, and prints what came of it.
pub(crate) fn run(args: &DevicesArgs) -> Result<(), Failure> {
    let mut findings = buffers::find();
    findings.extend(nodes::find());
    findings.extend(mechanisms::find());
    findings.push(programs::find());
    findings.extend(memory::find());
    let report = Report {
        schema: SCHEMA,
        kernel: Kernel::of_this_machine(),
        uses: uses::of(&findings),
        findings,
    };
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        text::describe(&report)
    };
    print(&text)
}

/// Tries what changes the process that tries it, or needs one that `wharf run` has started. Returns the error number, 0 for none.
pub(crate) fn probe(args: &ProbeArgs) -> u8 {
    let outcome = match args.what {
        ProbeKind::Run => return programs::run(),
        ProbeKind::Namespaces => wharf_standin::enter_user_namespace().map_err(|error| error.errno()),
        ProbeKind::Program => buffers::allocate_a_page(),
    };
    // CAST: error numbers that the kernel gives here are below 134.
    outcome.map_or_else(|errno| errno.raw_os_error() as u8, |()| 0)
}
