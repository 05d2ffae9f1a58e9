//! The findings for people.

use std::fmt::Write;

use super::Report;
use super::finding::{Finding, State};

/// The width of the first column.
const AREA_WIDTH: usize = 22;

/// Everything, in lines.
pub(super) fn describe(report: &Report) -> String {
    let mut text = format!("Linux {} on {}\n\n", report.kernel.release, report.kernel.machine);
    let mut last = None;
    for finding in &report.findings {
        let title = if last == Some(finding.area) {
            ""
        } else {
            finding.area.title()
        };
        last = Some(finding.area);
        line(&mut text, title, finding);
    }
    text.push_str("\nWhat Wharf uses:\n");
    for used in &report.uses {
        // A String takes everything.
        let _ = writeln!(text, "  {}: {}", used.purpose, used.with);
        if !used.because.is_empty() {
            let _ = writeln!(text, "    because {}", used.because);
        }
    }
    text
}

fn line(text: &mut String, title: &str, finding: &Finding) {
    let state = match finding.state {
        State::Yes => "yes",
        State::StandIn => "stand-in",
        State::No => "no",
    };
    let known = match (finding.name.is_empty(), finding.detail.is_empty()) {
        (true, _) => finding.detail.clone(),
        (false, true) => finding.name.clone(),
        (false, false) => format!("{}: {}", finding.name, finding.detail),
    };
    let Some(refusal) = &finding.refusal else {
        let _ = writeln!(text, "{title:<AREA_WIDTH$}{state:<10}{known}");
        return;
    };
    let name = if known.is_empty() {
        String::new()
    } else {
        known + ": "
    };
    let _ = writeln!(
        text,
        "{title:<AREA_WIDTH$}{state:<10}{name}{}: {}",
        refusal.reason, refusal.error
    );
    if !refusal.advice.is_empty() {
        let _ = writeln!(text, "{:<1$}{2}", "", AREA_WIDTH + 10, refusal.advice);
    }
}
