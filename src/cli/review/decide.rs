//! Shows the result of a job and asks a person what to do with it.

use std::io::Write;

use super::{approve, reject, retry, show};
use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::terminal::{Meaning, pager, paint, progress, style};
use crate::cli::support::{ask, failure, findings};
use crate::coordinator::state::store;
use crate::hub::Hub;
use crate::review::{Entry, Kind, bundles, diff};

/// What a person did with a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    Approved,
    SentBack,
    Rejected,
    /// Nothing; it still waits.
    Later,
    /// Nothing, and they want to stop.
    Quit,
}

/// Shows the result of a job and asks, until the person decides or puts it off.
///
/// # Errors
/// When there is no such result, or the record cannot be read. A refused decision is printed, and the question is asked
/// again.
pub fn ask(app: &App, hub: &Hub, job: &str) -> Result<Decided> {
    let mut entry = bundles::find(hub, job)?;
    print(&summary(&entry));
    loop {
        let retry = if retry::can_go_on(&store::load(hub)?, &entry).is_ok() { "[r]etry with a note, " } else { "" };
        let question = format!("\n[a]pprove, [d]iff, [s]how all, {retry}re[j]ect, [l]ater, [q]uit:");
        let Some(answer) = ask::line(&question)? else { return Ok(Decided::Quit) };
        let decided = match answer.to_lowercase().as_str() {
            "a" | "approve" | "y" | "yes" => approve::run(approve::Args::of(&entry.bundle.job), app),
            "r" | "retry" => match note("What should change?", "say what should change")? {
                Some(note) => retry::run(retry::Args::of(&entry.bundle.job, note), app),
                None => continue,
            },
            "j" | "reject" => match note("Why?", "say why")? {
                Some(note) => reject::run(reject::Args::of(&entry.bundle.job, note), app),
                None => continue,
            },
            "d" | "diff" => {
                let patch = show::with_secrets(hub, &diff::patch(hub, &entry.bundle)?, &entry.bundle.commit);
                if !pager::show(&patch) {
                    print(&patch);
                }
                continue;
            }
            "s" | "show" => {
                print(&show::render(hub, &entry, &show::newer_commits(hub, &entry), app.times()));
                continue;
            }
            "l" | "later" | "skip" | "" => return Ok(Decided::Later),
            "q" | "quit" => return Ok(Decided::Quit),
            _ => {
                ask::hint("Type one of the letters in brackets.");
                continue;
            }
        };
        if let Err(e) = decided {
            failure::report(&e, false);
        }
        // What counts is what is recorded now: another person may have decided meanwhile.
        entry = bundles::find(hub, &entry.bundle.job)?;
        match entry.decision.as_ref().map(|decision| decision.decision) {
            Some(Kind::Approved) => return Ok(Decided::Approved),
            Some(Kind::Rejected) => return Ok(Decided::Rejected),
            Some(Kind::Retry | Kind::Conflict | Kind::Feedback | Kind::Reverted) => return Ok(Decided::SentBack),
            None => {}
        }
    }
}

/// A line that is not empty; `None`, and nothing is done, when the person thinks better of it.
fn note(question: &str, needed: &str) -> Result<Option<String>> {
    let note = ask::line(question)?.filter(|note| !note.is_empty());
    if note.is_none() {
        ask::hint(&format!("Nothing was sent: {needed}."));
    }
    Ok(note)
}

fn print(text: &str) {
    let _line = progress::clear();
    let text = style::wrap(text, style::columns_of_stderr(), 2);
    let _ = writeln!(std::io::stderr(), "{}", style::for_stderr(&text));
}

/// The result in a few lines: what changed, what was tested, what to look at.
pub fn summary(entry: &Entry) -> String {
    let bundle = &entry.bundle;
    let mut lines =
        vec![format!("{}  {}", text::safe(&bundle.short()), paint(Meaning::Heading, text::safe(&bundle.goal.title)))];
    let changed = &bundle.diff;
    let target = text::safe(&bundle.target_branch);
    let files = text::counted(changed.count(), "file");
    lines.push(format!("  {files}, +{} -{}; approving merges to {target}", changed.added, changed.removed));
    let shown = changed.files.iter().take(8);
    lines.extend(shown.map(|file| format!("    +{} -{} {}", file.added, file.removed, text::safe(&file.path))));
    if changed.count() > 8 {
        lines.push(format!("    and {} more", changed.count() - 8));
    }
    for test in &bundle.tests {
        let how = if test.passed { paint(Meaning::Good, "passed") } else { paint(Meaning::Bad, "FAILED") };
        lines.push(format!("  test {how}: {} ({:.1}s)", text::safe(&test.command), test.duration_seconds));
    }
    if let Some(review) = bundle.stages.iter().rfind(|stage| stage.name == "reviewer") {
        lines.push(format!("  reviewer: {}", text::safe(&review.outcome)));
    }
    let found = bundle.findings.iter();
    lines
        .extend(found.map(|finding| format!("  {}", findings::with_severity(finding, &findings::short_line(finding)))));
    if bundle.usage.tokens() > 0 {
        let cost = bundle.usage.cost_usd.map_or_else(String::new, |cost| format!(", ${cost:.2}"));
        lines.push(format!("  {}{cost}", text::counted(bundle.usage.tokens(), "token")));
    }
    if let Some(why) = &entry.altered {
        lines.push(format!("  ALTERED: {why}; it cannot be merged"));
    }
    lines.join("\n")
}
