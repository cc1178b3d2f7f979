//! Renders the review bundle as Markdown: the same facts, what needs a person first.
//!
//! All text goes through `base::text`. Text from others is quoted or in a table cell, so it cannot act as Markdown.

use std::fmt::Write as _;

use crate::base::{quote, text};
use crate::guard::secrets;
use crate::model::run::bundle::Bundle;
use crate::model::run::outcome::Finding;

/// How many files of the change are listed.
const MOST_FILES: usize = 100;
/// Characters of the request. The page is also the body of a pull request, whose size is limited.
const MOST_REQUEST: usize = 40_000;

/// The whole page.
pub fn render(bundle: &Bundle) -> String {
    let mut out = format!("# Review {}: {}\n\n", cell(&bundle.task_id), cell(&bundle.goal.title));
    out.push_str(&section("Goal", &bundle.goal.objective));
    if let Some(acceptance) = &bundle.goal.acceptance {
        out.push_str(&section("Done when", acceptance));
    }
    findings(&mut out, "Needs a person", bundle.findings.iter().filter(|found| found.needs_person() || found.stops()));
    findings(&mut out, "Worth checking", bundle.findings.iter().filter(|f| !f.needs_person() && !f.stops()));
    findings(&mut out, "Sent back earlier for", bundle.sent_back.iter());
    change(&mut out, bundle);
    stages(&mut out, bundle);
    tests(&mut out, bundle);
    if let Some(plan) = &bundle.plan {
        out.push_str(&section("The plan", plan));
    }
    if let Some(request) = &bundle.goal.request {
        out.push_str(&section_of(&format!("The request, from {}", cell(&request.from)), &request.text, MOST_REQUEST));
    }
    if let Some(path) = &bundle.justification {
        let _ = writeln!(out, "Justification: {}\n", cell(path));
    }
    receipts(&mut out, bundle);
    let _ = writeln!(out, "## How to decide\n");
    let _ = writeln!(out, "- approve: `teof review approve {}`", cell(&bundle.short()));
    let _ = writeln!(out, "- see the diff: `git diff {}...{}`", cell(&bundle.base_commit), cell(&bundle.commit));
    out
}

/// One line, no table, no link, no HTML.
fn cell(value: &str) -> String {
    let shown = text::clip(&secrets::redact(&text::safe(value)), 300);
    let mut out = String::with_capacity(shown.len());
    for c in shown.chars() {
        if matches!(c, '|' | '<' | '>' | '[' | ']' | '`' | '*' | '!' | '#' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Quotes and indents each line: a code block within a quotation.
fn section(title: &str, value: &str) -> String {
    section_of(title, value, quote::MAX_BLOCK)
}

fn section_of(title: &str, value: &str, max: usize) -> String {
    let lines = quote::body(&secrets::redact(value), max, "the bundle's JSON");
    let lines: Vec<_> = lines.into_iter().map(|line| format!("    {line}")).collect();
    format!("## {title}\n\n{}\n", quote::marked(&lines))
}

fn findings<'a>(out: &mut String, title: &str, found: impl Iterator<Item = &'a Finding>) {
    let lines: Vec<_> = found
        .map(|found| {
            let path = found.path.as_ref().map(|path| format!("{}: ", cell(path))).unwrap_or_default();
            format!("- {} ({}): {path}{}\n", cell(&found.code), cell(&found.severity), cell(&found.message))
        })
        .collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "## {title}\n\n{}", lines.concat());
    }
}

fn change(out: &mut String, bundle: &Bundle) {
    let diff = &bundle.diff;
    let _ = writeln!(out, "## The change\n");
    let _ = writeln!(
        out,
        "{} on {}: {} added, {} removed (limit {}), in {}.\n",
        cell(&bundle.commit),
        cell(&bundle.branch),
        text::counted(diff.added, "line"),
        diff.removed,
        diff.limit,
        text::counted(diff.count(), "file")
    );
    let _ = writeln!(out, "| file | added | removed |\n|---|---|---|");
    for file in diff.files.iter().take(MOST_FILES) {
        let _ = writeln!(out, "| {} | {} | {} |", cell(&file.path), file.added, file.removed);
    }
    if let Some(more) = diff.count().checked_sub(MOST_FILES).filter(|more| *more > 0) {
        let _ = writeln!(out, "\n{} changed; see the commit.", text::counted(more, "more file"));
    }
    out.push('\n');
}

fn stages(out: &mut String, bundle: &Bundle) {
    let _ = writeln!(
        out,
        "## Stages\n\n| stage | round | by | passed | seconds | tokens | outcome |\n|---|---|---|---|---|---|---|"
    );
    for stage in &bundle.stages {
        let by = [stage.agent.as_deref(), stage.model.as_deref()];
        let by = by.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let passed = if stage.passed { "yes" } else { "no" };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {passed} | {:.1} | {} | {} |",
            cell(&stage.name),
            stage.round,
            cell(if by.is_empty() { "commands" } else { &by }),
            stage.duration_seconds,
            stage.usage.tokens(),
            cell(&stage.outcome)
        );
    }
    let cost = bundle.usage.cost_usd.map_or("unknown".to_owned(), |cost| format!("${cost:.4}"));
    let confidence = bundle.confidence.map_or("unknown".to_owned(), |value| format!("{value} of 100"));
    let _ = writeln!(
        out,
        "\nCoder passes: {}. Tokens: {}. Cost: {cost}. Reviewer's confidence: {confidence}.\n",
        bundle.passes,
        bundle.usage.tokens()
    );
}

fn tests(out: &mut String, bundle: &Bundle) {
    if bundle.tests.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Tests\n\n| command | passed | seconds |\n|---|---|---|");
    for test in &bundle.tests {
        let passed = if test.passed { "yes" } else { "no" };
        let _ = writeln!(out, "| {} | {passed} | {:.1} |", cell(&test.command), test.duration_seconds);
    }
    out.push('\n');
}

fn receipts(out: &mut String, bundle: &Bundle) {
    if bundle.receipts.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Receipts\n\n| path | sha256 |\n|---|---|");
    for receipt in &bundle.receipts {
        let _ = writeln!(out, "| {} | {} |", cell(&receipt.path), cell(&receipt.sha256));
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::bundle::Diff;
    use crate::model::run::order::{Goal, Request};

    #[test]
    fn bundle_text_cannot_act_as_markdown() {
        let hostile = "x\n# Approved\n[a](javascript:x) <script> | `y` \u{1b}[31m";
        let bundle = Bundle {
            version: 1,
            generated_at: crate::base::Stamp::from_unix(0),
            job: "job-1".into(),
            run: "r".into(),
            task_id: "T".into(),
            plan_id: None,
            step_id: None,
            goal: Goal {
                title: hostile.into(),
                objective: hostile.into(),
                acceptance: Some(hostile.into()),
                request: Some(Request { from: hostile.into(), text: hostile.into() }),
                ..Goal::default()
            },
            agent_id: "a".into(),
            reviewer: None,
            branch: "b".into(),
            target_branch: "main".into(),
            base_commit: "1".into(),
            change_sha256: None,
            commit: "2".into(),
            plan: Some(hostile.into()),
            justification: None,
            diff: Diff::default(),
            stages: Vec::new(),
            tests: Vec::new(),
            findings: vec![Finding::low("l", "", "small"), Finding::medium("m", hostile, hostile)],
            sent_back: vec![Finding::high("review.retry", hostile, hostile)],
            confidence: Some(80),
            passes: 1,
            usage: Default::default(),
            receipts: Vec::new(),
        };
        let page = render(&bundle);
        assert!(!page.lines().any(|line| line.starts_with("# Approved")), "{page}");
        assert!(!page.contains('\u{1b}'));
        let outside = page.lines().filter(|line| !line.starts_with(quote::MARK)).collect::<Vec<_>>().join("\n");
        assert!(!outside.contains(" <script>") && !outside.contains("[a]("), "{outside}");
        assert!(page.find("Needs a person").unwrap() < page.find("Worth checking").unwrap());
        assert!(page.contains("teof review approve job-1"));
    }
}
