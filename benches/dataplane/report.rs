//! Prints tables in Markdown.

use crate::budgets::{Against, Bound, Budget};
use crate::plan::{Column, Row, Table};
use crate::results::{Results, Runs};
use crate::statistics::median;

/// Medians over the repetitions, and smallest and largest where there are several.
pub(crate) fn table(table: &Table, results: &Results) {
    println!("### {} (`{}`)\n", table.title, table.id);
    let titles: Vec<&str> = table.columns.iter().map(|column| column.title).collect();
    println!("| who | {} |", titles.join(" | "));
    println!("|---|{}", "---|".repeat(titles.len()));
    for row in &table.rows {
        if let Some(runs) = results.runs(table.id, &row.label) {
            line(row, table.columns, runs);
        }
    }
    println!();
}

fn line(row: &Row, columns: &[Column], runs: &Runs) {
    let cells: Vec<String> = columns.iter().map(|column| cell(column, runs)).collect();
    println!("| {}{} | {} |", row.label, remarks(runs), cells.join(" | "));
}

fn cell(column: &Column, runs: &Runs) -> String {
    let (values, digits) = (runs.values(column.figure), column.digits);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values.len() {
        0 => "–".to_owned(),
        1 => format!("{smallest:.digits$}"),
        _ => format!(
            "{:.digits$} [{smallest:.digits$}–{largest:.digits$}]",
            median(&values)
        ),
    }
}

/// What a reader has to know of a line's runs.
fn remarks(runs: &Runs) -> String {
    let all = runs.measured.len() + runs.hung + runs.failures.len();
    let mut remarks = String::new();
    for (count, what) in [
        (runs.hung, "hung"),
        (runs.failures.len(), "failed"),
        (runs.disturbed, "disturbed"),
    ] {
        if count > 0 {
            remarks.push_str(&format!(" ({count} of {all} {what})"));
        }
    }
    remarks
}

pub(crate) fn failures(results: &Results) {
    for ((table, label), runs) in results.all() {
        for why in &runs.failures {
            println!("Failed in `{table}`: {label}: {why}\n");
        }
    }
}

/// The budgets for which there are figures.
pub(crate) fn budgets(budgets: &[Budget], results: &Results) {
    println!("### Budgets\n\n| what | figure | against | measured | budget | |\n|---|---|---|---|---|---|");
    for budget in budgets {
        if let Some(line) = budget_line(budget, results) {
            println!("{line}");
        }
    }
    println!();
}

fn budget_line(budget: &Budget, results: &Results) -> Option<String> {
    let runs = results.runs(budget.ours.0, budget.ours.1)?;
    let figure = budget.figure;
    let (against, measured) = match budget.against {
        Against::Line(table, label) => {
            let ratios = runs.ratios(figure, results.runs(table, label)?, figure);
            (format!("{label} (`{table}`)"), median(&ratios))
        }
        Against::Absolute(unit) => (unit.to_owned(), runs.median(figure)),
    };
    if measured.is_nan() {
        return None;
    }
    let (bound, met) = match budget.bound {
        Bound::AtMost(limit) => (format!("≤ {limit}"), measured <= limit),
        Bound::AtLeast(limit) => (format!("≥ {limit}"), measured >= limit),
    };
    let verdict = if met { "met" } else { "**missed**" };
    let value = runs.median(figure);
    Some(format!(
        "| {} (`{}`) | {value:.4} {figure} | {against} | {measured:.3} | {bound} | {verdict} |",
        budget.what, budget.ours.0
    ))
}
