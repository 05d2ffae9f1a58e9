//! What a case is, and what it can say.

use std::fmt::Display;

use rustix::io::Errno;

/// Why a case did not pass.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The machine did something else.
    Differs {
        /// What Linux 6.12 does.
        expected: String,
        /// What this machine did.
        got: String,
    },
    /// The machine lacks this.
    Absent(String),
}

/// How a case ends.
pub(crate) type Outcome = Result<(), Stop>;

impl From<Errno> for Stop {
    /// For what a case does on its way to what it is about.
    fn from(errno: Errno) -> Self {
        Self::differs("preparations that succeed", name_of(errno))
    }
}

impl Stop {
    /// The machine did `got`.
    pub(crate) fn differs(expected: impl Display, got: impl Display) -> Self {
        Self::Differs {
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }
}

/// One case.
pub(crate) struct Case {
    /// `area/case`.
    pub(crate) name: String,
    /// What it does.
    pub(crate) body: Box<dyn Fn() -> Outcome>,
}

/// All cases, in the order they are told.
#[derive(Default)]
pub(crate) struct Suite {
    cases: Vec<Case>,
}

impl Suite {
    /// Adds a case; `name` is `area/case`.
    pub(crate) fn add(&mut self, name: impl Into<String>, body: impl Fn() -> Outcome + 'static) {
        self.cases.push(Case {
            name: name.into(),
            body: Box::new(body),
        });
    }

    /// The cases that are asked for: exact names, or all of an area, whose name ends in a slash; without any, all.
    pub(crate) fn cases(&self, only: &[String]) -> Vec<&Case> {
        let asked = |case: &&Case| {
            let fits =
                |only: &String| case.name == *only || (only.ends_with('/') && case.name.starts_with(only));
            only.is_empty() || only.iter().any(fits)
        };
        self.cases.iter().filter(asked).collect()
    }
}

/// Expects this value.
pub(crate) fn expect<T: PartialEq + Display>(expected: T, got: T) -> Outcome {
    if expected == got {
        return Ok(());
    }
    Err(Stop::differs(expected, got))
}

/// Expects this value of `what`, which is said where the value alone says little.
pub(crate) fn expect_of<T: PartialEq + Display>(what: &str, expected: T, got: T) -> Outcome {
    if expected == got {
        return Ok(());
    }
    Err(Stop::differs(format!("{what} {expected}"), got))
}

/// Expects that a call is refused with this error.
pub(crate) fn expect_errno<T>(expected: Errno, got: Result<T, Errno>) -> Outcome {
    expect(name_of(expected), said(&got))
}

/// Expects that a call succeeds; returns what it returned.
pub(crate) fn expect_ok<T>(got: Result<T, Errno>) -> Result<T, Stop> {
    got.map_err(|errno| Stop::differs("ok", name_of(errno)))
}

/// `ok`, or the name of the error.
pub(crate) fn said<T>(result: &Result<T, Errno>) -> String {
    result
        .as_ref()
        .map_or_else(|errno| name_of(*errno), |_| "ok".to_owned())
}

/// The name of an error, as C has it.
pub(crate) fn name_of(errno: Errno) -> String {
    let named = [
        (Errno::PERM, "EPERM"),
        (Errno::NOENT, "ENOENT"),
        (Errno::INTR, "EINTR"),
        (Errno::IO, "EIO"),
        (Errno::NXIO, "ENXIO"),
        (Errno::BADF, "EBADF"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::ACCESS, "EACCES"),
        (Errno::FAULT, "EFAULT"),
        (Errno::BUSY, "EBUSY"),
        (Errno::NODEV, "ENODEV"),
        (Errno::NOTDIR, "ENOTDIR"),
        (Errno::INVAL, "EINVAL"),
        (Errno::MFILE, "EMFILE"),
        (Errno::NOTTY, "ENOTTY"),
        (Errno::SPIPE, "ESPIPE"),
        (Errno::NOSYS, "ENOSYS"),
        (Errno::OPNOTSUPP, "EOPNOTSUPP"),
        (Errno::OVERFLOW, "EOVERFLOW"),
        (Errno::BADFD, "EBADFD"),
        (Errno::TIME, "ETIME"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
    ];
    let name = named.iter().find(|(known, _)| *known == errno);
    name.map_or_else(
        || format!("errno {}", errno.raw_os_error()),
        |(_, name)| (*name).to_owned(),
    )
}
