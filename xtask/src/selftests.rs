//! The kernel's own tests of dma-buf heaps, udmabuf and sync files, compiled unmodified from Debian's package of its source.
//!
//! They say what they found in TAP. A case that fails, is skipped or is missing is an error, unless it is one of the [`EXCEPTIONS`]; an exception that is none any more
//! is an error, too.
//!
//! | file | idea |
//! |---|---|
//! | `source` | fetching and compiling |
//! | `tap` | what a test says |

mod source;
mod tap;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::{self, Passing};
use crate::guest::Guest;
use crate::trouble::Trouble;
use tap::Tap;

/// How long one of the tests may take; the longest took ten seconds.
const TIME: Duration = Duration::from_secs(180);

/// Where a test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Here, under `wharf run`.
    WharfRun,
    /// Here, under `wharf run --fd-kind fuse`.
    Files,
    /// On the kernel, in a guest.
    Guest,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WharfRun => "wharf run",
            Self::Files => "wharf run --fd-kind fuse",
            Self::Guest => "guest",
        })
    }
}

/// A case that does not pass, and why that is right. docs/run.md tells people.
#[derive(Debug, Clone, Copy)]
pub struct Exception {
    /// Where it does not.
    pub world: World,
    /// The test's program.
    pub program: &'static str,
    /// The case's number in what the program says.
    pub case: u32,
    /// Why.
    pub reason: &'static str,
}

/// All exceptions.
pub const EXCEPTIONS: [Exception; 5] = [
    Exception {
        world: World::WharfRun,
        program: "dmabuf-heap",
        case: 1,
        reason: "imports into vgem, which a run without it has not: the test skips it",
    },
    Exception {
        world: World::WharfRun,
        program: "udmabuf",
        case: 6,
        reason: "takes 2 GiB of huge pages; where the machine has them, making the buffer is refused: no small page of a huge one can be mapped at another place",
    },
    Exception {
        world: World::Files,
        program: "dmabuf-heap",
        case: 1,
        reason: "imports into vgem, which a run without it has not: the test skips it",
    },
    Exception {
        world: World::Files,
        program: "udmabuf",
        case: 5,
        reason: "UDMABUF_CREATE_LIST is refused: a file of FUSE passes through to one memory file only",
    },
    Exception {
        world: World::Files,
        program: "udmabuf",
        case: 6,
        reason: "the same with huge pages (hugetlb); the program has given up at case 5",
    },
];

/// The tests, compiled: programs that need no libraries.
#[derive(Debug, Clone)]
pub struct Selftests {
    programs: PathBuf,
}

/// What a test said.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where it ran.
    pub world: World,
    /// Its program.
    pub program: &'static str,
    /// How many cases passed.
    pub passed: u32,
    /// Cases that did not, but are exceptions.
    pub excepted: u32,
    /// What is wrong; empty if all is well.
    pub problems: Vec<String>,
    /// All that the test printed.
    pub output: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            world,
            program,
            passed,
            excepted,
            ..
        } = self;
        write!(f, "{program} ({world}): {passed} passed, {excepted} excepted")?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Selftests {
    /// The compiled tests, fetched and compiled if that was not done yet.
    ///
    /// # Blocking
    ///
    /// The first time a minute or so: the source is 150 MB.
    ///
    /// # Errors
    ///
    /// [`Trouble::Unavailable`] where the source or a C compiler cannot be had.
    pub fn get() -> Result<Self, Trouble> {
        Ok(Self {
            programs: source::programs()?,
        })
    }

    /// Runs all under `wharf run`, with this `wharf` and the options that each takes.
    ///
    /// # Blocking
    ///
    /// Three minutes per test at most.
    ///
    /// # Errors
    ///
    /// [`Trouble::Failed`] if `wharf` cannot be started.
    pub fn under(&self, wharf: &Path) -> Result<Vec<Report>, Trouble> {
        source::PROGRAMS
            .iter()
            .map(|program| self.run_under(wharf, World::WharfRun, (program.name, program.options)))
            .collect()
    }

    /// The same with `--fd-kind fuse`, and so without parts of memory files.
    ///
    /// # Blocking
    ///
    /// As [`Selftests::under`].
    ///
    /// # Errors
    ///
    /// As [`Selftests::under`].
    pub fn with_files(&self, wharf: &Path) -> Result<Vec<Report>, Trouble> {
        source::PROGRAMS
            .iter()
            .map(|program| {
                let mut options = vec!["--fd-kind", "fuse"];
                options.extend(program.options.iter().filter(|option| **option != source::EXACT));
                self.run_under(wharf, World::Files, (program.name, &options))
            })
            .collect()
    }

    /// Runs those that the stock kernel can in a guest: it has no `sw_sync`.
    ///
    /// # Blocking
    ///
    /// Three minutes per test at most.
    ///
    /// # Errors
    ///
    /// [`Trouble::Unavailable`] where there can be no guest, and what else [`Guest::output`] fails with.
    pub fn in_guest(&self) -> Result<Vec<Report>, Trouble> {
        // Two gibibytes of huge pages are what one case of udmabuf takes.
        let machine = || Guest::new().time(TIME);
        let machines = [
            ("dmabuf-heap", machine().module("vgem", "")),
            (
                "udmabuf",
                machine().memory_mib(4096).kernel_argument("hugepages=1100"),
            ),
        ];
        machines
            .into_iter()
            .map(|(program, guest)| {
                let output = guest.output(&self.programs.join(program), &[])?;
                let code = u32::from(output.outcome.ending.code());
                let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
                said += &String::from_utf8_lossy(&output.stderr);
                Ok(judge(World::Guest, program, Some(code), said))
            })
            .collect()
    }

    fn run_under(
        &self,
        wharf: &Path,
        world: World,
        (program, options): (&'static str, &[&str]),
    ) -> Result<Report, Trouble> {
        let mut run = Command::new(wharf)
            .arg("run")
            .args(options)
            .arg("--")
            .arg(self.programs.join(program))
            // A broker of the run's own.
            .env_remove("WHARF_SOCKET")
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Trouble::at("start", wharf, &error))?;
        let stdout = Passing::start(run.stdout.take(), Vec::new());
        let stderr = Passing::start(run.stderr.take(), Vec::new());
        let status = child::wait(&mut run, TIME)?;
        let said = [stdout.finish()?, stderr.finish()?].concat();
        let code = status.and_then(|status| u32::try_from(status.code()?).ok());
        Ok(judge(
            world,
            program,
            code,
            String::from_utf8_lossy(&said).into_owned(),
        ))
    }
}

/// Compares what a test said with what it is to say.
fn judge(world: World, program: &'static str, code: Option<u32>, output: String) -> Report {
    let tap = Tap::read(&output);
    let mut report = Report {
        world,
        program,
        passed: 0,
        excepted: 0,
        problems: Vec::new(),
        output,
    };
    let is_excepted = |case: u32| {
        EXCEPTIONS
            .iter()
            .any(|known| known.world == world && known.program == program && known.case == case)
    };
    if tap.planned == 0 {
        report
            .problems
            .push("it said nothing of how many cases it has".into());
    }
    for case in 1..=tap.planned {
        match (tap.passed(case), is_excepted(case)) {
            (true, false) => report.passed += 1,
            (false, true) => report.excepted += 1,
            (false, false) => report.problems.push(format!("case {case} {}", tap.what_of(case))),
            (true, true) => report
                .problems
                .push(format!("case {case} passes: it is no exception any more")),
        }
    }
    let may_fail = report.excepted > 0;
    match code {
        Some(0) => {}
        Some(code) if may_fail && code == tap::FAILED => {}
        Some(code) => report.problems.push(format!("it ended with {code}")),
        None => report.problems.push("it was killed".into()),
    }
    report
}
