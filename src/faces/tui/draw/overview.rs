//! The first tab of a job's page: where it stands, what it used, and what its result is.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::state::{JobPage, State};
use super::cells::{age, clock, count, fit, money, span};
use super::theme::Theme;
use crate::base::text;
use crate::board::jobs::Job;
use crate::coordinator::worker_log::{Said, said};
use crate::model::run::bundle::Bundle;
use crate::model::run::noticed::Class;
use crate::model::run::outcome::Finding;

/// The width of the names on the left.
const NAME: usize = 10;
/// How many lines of a failed command are shown.
const OUTPUT: usize = 12;

/// Collects lines.
struct Page {
    width: usize,
    theme: Theme,
    lines: Vec<Line<'static>>,
}

impl Page {
    /// A name and its text, which is wrapped.
    fn fact(&mut self, name: &str, text: &str, style: Style) {
        let room = self.width.saturating_sub(NAME + 1).max(10);
        let mut name = name;
        for paragraph in text.lines().filter(|line| !line.trim().is_empty()) {
            for part in textwrap::wrap(paragraph, room) {
                let head = Span::styled(format!("{name:NAME$} "), self.theme.quiet());
                self.lines.push(Line::from(vec![head, Span::styled(fit(&part, room), style)]));
                name = "";
            }
        }
    }

    fn heading(&mut self, text: &str) {
        self.lines.push(Line::default());
        self.lines.push(Line::styled(text.to_owned(), self.theme.heading()));
    }
}

pub fn lines(state: &State, page: &JobPage, theme: Theme) -> Vec<Line<'static>> {
    let mut out = Page { width: state.size.0.saturating_sub(2).into(), theme, lines: Vec::new() };
    if let Some(job) = state.job(&page.id) {
        standing(&mut out, state, job);
    }
    match &page.detail.result {
        Some(entry) => result(&mut out, &entry.bundle, entry.altered.as_deref()),
        None => stages_so_far(&mut out, page),
    }
    if let Some(why) = &page.detail.unreadable {
        out.fact("warning", why, theme.attention());
    }
    out.lines
}

fn standing(out: &mut Page, state: &State, job: &Job) {
    let theme = out.theme;
    let plain = Style::new();
    let phase = match (job.phase, job.until) {
        (_, Some(until)) => format!("{} until {}", job.label, clock(until)),
        _ => job.label.to_owned(),
    };
    let since = job.since.map(|since| format!(" for {}", age(state.now, since))).unwrap_or_default();
    let style = match job.phase {
        "running" if job.stuck_seconds(state.now).is_none() => theme.active(),
        "running" | "question" => theme.attention(),
        _ if job.needs_review() => theme.attention(),
        "blocked" => theme.bad(),
        "done" => theme.good(),
        _ => plain,
    };
    let is_done = job.is_over;
    out.fact(
        "state",
        &format!("{phase}{}", if is_done { since.replace(" for ", ", ") + " ago" } else { since }),
        style,
    );
    if let Some(stage) = &job.stage {
        let round = job.round.map(|round| format!(", round {round}")).unwrap_or_default();
        let agent = job.agent.as_deref().map(|agent| format!(" by {agent}")).unwrap_or_default();
        let since = job.stage_since.map(|since| format!(", {}", age(state.now, since))).unwrap_or_default();
        out.fact("stage", &format!("{stage}{round}{agent}{since}"), plain);
    }
    let cost = job.cost_usd.map(|cost| format!(", {}", money(Some(cost)))).unwrap_or_default();
    let failures =
        if job.failures > 0 { format!(", {}", text::counted(job.failures, "failure")) } else { String::new() };
    let passes =
        if job.has_agents { format!(", coder pass {} of {}", job.passes, job.max_passes) } else { String::new() };
    out.fact("used", &format!("{} tokens{cost}{passes}{failures}", count(job.tokens)), plain);
    let plan = job.plan.as_deref().map(|plan| format!(", plan {plan}")).unwrap_or_default();
    let step = job.step.as_deref().map(|step| format!(", step {step}")).unwrap_or_default();
    out.fact("task", &format!("{}{plan}{step}", job.task), plain);
    out.fact("seat", &job.seat, plain);
    out.fact("does", job.last_tool.as_deref().unwrap_or_default(), plain);
    out.fact("says", job.last_line.as_deref().unwrap_or_default(), plain);
    let tools = job.tools.iter().map(|(tool, times)| format!("{tool} {times}")).collect::<Vec<_>>().join(", ");
    let errors = if job.errors.total() > 0 { text::counted(job.errors.total(), "error") } else { String::new() };
    out.fact("tools", &[tools, errors].into_iter().filter(|one| !one.is_empty()).collect::<Vec<_>>().join("; "), plain);
    for noticed in &job.noticed {
        let style = if noticed.class == Class::Critical { theme.attention() } else { plain };
        out.fact("noticed", &noticed.describe(), style);
    }
    let is_good = matches!(job.phase, "review" | "done");
    out.fact(if is_good { "outcome" } else { "why" }, job.reason.as_deref().unwrap_or_default(), plain);
    out.fact("asks", job.question.as_deref().unwrap_or_default(), theme.attention());
    if job.is_running()
        && let Some(quiet) = job.quiet_seconds(state.now).filter(|quiet| *quiet >= 60)
    {
        out.fact("quiet", &format!("no sign of life for {}", span(quiet)), theme.attention());
    }
    out.fact("next", job.next.as_deref().unwrap_or_default(), plain);
    if let Some(output) = job.last_output.as_ref().filter(|output| !output.text.trim().is_empty()) {
        out.heading(&format!("Last output of {}", text::safe(&output.of)));
        let output = text::safe_block(&output.text).replace('\t', "    ");
        let lines: Vec<_> = output.lines().collect();
        for line in &lines[lines.len().saturating_sub(OUTPUT)..] {
            out.lines.push(Line::raw(format!("  {}", fit(line, out.width.saturating_sub(2)))));
        }
    }
}

/// The stages of a run without a result, as its log tells.
fn stages_so_far(out: &mut Page, page: &JobPage) {
    let mut stages: Vec<(&str, &str, Style)> = Vec::new();
    for line in page.detail.log.lines() {
        match (said(line), stages.last_mut()) {
            (Said::Stage(stage), _) => stages.push((stage, "", Style::new())),
            (Said::Passed(why), Some(last)) => (last.1, last.2) = (why, out.theme.good()),
            (Said::SentBack(why), Some(last)) => (last.1, last.2) = (why, out.theme.attention()),
            _ => {}
        }
    }
    if !stages.is_empty() {
        out.heading("Stages so far");
    }
    for (stage, outcome, style) in stages {
        let outcome = if outcome.is_empty() { String::new() } else { format!(": {outcome}") };
        out.fact("", &format!("{stage}{outcome}"), style);
    }
}

fn result(out: &mut Page, bundle: &Bundle, altered: Option<&str>) {
    let theme = out.theme;
    out.heading("Result");
    if let Some(why) = altered {
        out.fact("altered", why, theme.bad());
    }
    let commit = bundle.commit.get(..8).unwrap_or(&bundle.commit);
    let target = text::safe(&bundle.target_branch);
    let diff = &bundle.diff;
    let files = text::counted(diff.count(), "file");
    out.fact("change", &format!("{commit} for {target}: {files}, +{} -{}", diff.added, diff.removed), Style::new());
    for file in &diff.files {
        out.fact("", &format!("+{} -{} {}", file.added, file.removed, text::safe(&file.path)), theme.quiet());
    }
    for test in &bundle.tests {
        let (how, style) = if test.passed { ("passed", theme.good()) } else { ("FAILED", theme.bad()) };
        let line = format!("{how} in {:.1}s: {}", test.duration_seconds, text::safe(&test.command));
        out.fact("test", &line, style);
    }
    bundle.findings.iter().for_each(|found| finding(out, found));
    out.heading("Stages");
    for stage in &bundle.stages {
        let agent = stage.agent.as_deref().map(|agent| format!(" by {}", text::safe(agent))).unwrap_or_default();
        let cost = stage.usage.cost_usd.map(|cost| format!(", {}", money(Some(cost)))).unwrap_or_default();
        let time = span(stage.duration_seconds as u64);
        let head = format!("round {}{agent}, {time}{cost}: {}", stage.round, text::safe(&stage.outcome));
        out.fact(&text::safe(&stage.name), &head, if stage.passed { Style::new() } else { theme.attention() });
    }
}

fn finding(out: &mut Page, found: &Finding) {
    let style = match found.severity.as_str() {
        "high" => out.theme.bad(),
        "medium" => out.theme.attention(),
        _ => Style::new(),
    };
    let path = found.path.as_deref().map(|path| format!("{}: ", text::safe(path))).unwrap_or_default();
    out.fact(&format!("! {}", text::safe(&found.severity)), &format!("{path}{}", text::safe(&found.describe())), style);
    if let Some(hint) = &found.hint {
        out.fact("", &text::safe(hint), out.theme.quiet());
    }
}
