//! What people read of an outcome.

use std::fmt::{self, Write};

use wharf_core::negotiation::{Palette, Plan, Report, Role, SetFile};

use super::outcome::{Arrival, End, Outcome};
use super::{Depth, participants};

/// Writes everything there is to say of an outcome, without a line feed at the end.
pub(super) fn write(
    out: &mut String,
    set: &SetFile,
    outcome: &Outcome,
    depth: Depth,
    palette: &dyn Palette,
) -> fmt::Result {
    Paper { out, palette, depth }.outcome(set, outcome)
}

/// Where words are written, in their colours.
pub(super) struct Paper<'a> {
    pub(super) out: &'a mut String,
    palette: &'a dyn Palette,
    depth: Depth,
}

impl Paper<'_> {
    /// Writes words of a role.
    pub(super) fn put(&mut self, role: Role, words: impl fmt::Display) -> fmt::Result {
        let (before, after) = self.palette.around(role);
        write!(self.out, "{before}{words}{after}")
    }

    fn outcome(&mut self, set: &SetFile, outcome: &Outcome) -> fmt::Result {
        match outcome {
            Outcome::Planned { plan, late } => {
                self.plan(plan)?;
                if self.depth == Depth::Why {
                    participants::write(self, set.participants(), plan)?;
                }
                late.iter().try_for_each(|arrival| self.arrival(arrival))
            }
            Outcome::Impossible { report } => self.report(report),
        }
    }

    fn plan(&mut self, plan: &Plan) -> fmt::Result {
        match self.depth {
            Depth::Why => plan.render(self.out, self.palette),
            Depth::What => without_reasons(plan).render(self.out, self.palette),
        }
    }

    fn report(&mut self, report: &Report) -> fmt::Result {
        match self.depth {
            Depth::Why => report.render(self.out, self.palette),
            Depth::What => without_eliminations(report).render(self.out, self.palette),
        }
    }

    fn arrival(&mut self, arrival: &Arrival) -> fmt::Result {
        self.out.write_str("\n\n")?;
        self.put(Role::Name, &arrival.label)?;
        self.out.write_str(" comes late: ")?;
        match &arrival.end {
            End::Fits { .. } => self.put(Role::Good, "what there is suits it"),
            End::Moves { misfit, plan } => {
                self.put(Role::Good, "the memory moves")?;
                self.out.write_str(", because of ")?;
                self.put(Role::Field, &misfit.path)?;
                writeln!(self.out, ": {}, needed {}", misfit.have, misfit.need)?;
                self.plan(plan)
            }
            End::Refused { report } => self.report(report),
        }
    }
}

/// The report without what else was possible.
fn without_eliminations(report: &Report) -> Report {
    Report {
        eliminated: Vec::new(),
        ..report.clone()
    }
}

/// The plan without why it is not another.
fn without_reasons(plan: &Plan) -> Plan {
    Plan {
        reasons: Vec::new(),
        eliminated: Vec::new(),
        ..plan.clone()
    }
}
