//! `teof report`: what happened, for the morning after.

use std::process::ExitCode;

use clap::ValueEnum;

use crate::base::time::duration;
use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::since::since;
use crate::cli::support::terminal::{Meaning, Times, paint};
use crate::coordinator::report::{self, Decided, Report, Stopped, Used};
use crate::coordinator::state::store;

/// Report what was merged, waits or is blocked, and what it cost
///
/// Reads the record, so a clone can report too.
///
/// With --json: {since, until, merged, reverted, rejected, review, blocked, held, questions, usage, by_seat, by_agent,
/// unfinished_calls}; each job with its long id (`job`) and its short one (`short`).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof report\n\
\x20 teof report --since 24h --format markdown")]
pub struct Args {
    /// From when: 24h, 30m, yesterday, 2026-01-05, 08:30
    #[arg(long, value_name = "TIME", default_value = "yesterday")]
    since: String,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Markdown,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let since = since(&args.since, app.now())?;
    let found = report::read(hub, &store::load(hub)?, since)?;
    app.result(&found, || render(&found, args.format, app.times()));
    Ok(ExitCode::SUCCESS)
}

fn render(report: &Report, format: Format, times: Times) -> String {
    let is_markdown = format == Format::Markdown;
    let mut lines = vec![match is_markdown {
        true => format!("# Report since {}", report.since),
        false => format!("Since {}", times.at(report.since)),
    }];
    if report.is_empty() {
        lines.push("Nothing happened, and nothing waits.".to_owned());
        return lines.join("\n");
    }
    let clean = |text: &str| match is_markdown {
        true => text::markdown(text),
        false => text::safe(text),
    };
    let command = |command: &str| if is_markdown { format!("`{command}`") } else { command.to_owned() };
    let stopped = |one: &Stopped| {
        format!(
            "{} {}: {}; {}",
            one.short,
            clean(&one.title),
            clean(&text::clip(one.text.lines().next().unwrap_or_default(), 200)),
            command(&one.command)
        )
    };
    let merged =
        report.merged.iter().map(|one| format!("{} {} (approved by {})", one.short, clean(&one.title), clean(&one.by)));
    let undone = |one: &Decided| {
        let note = one.note.as_deref().map(|note| format!(": {}", clean(&text::clip(note, 200)))).unwrap_or_default();
        format!("{} {} (by {}{note})", one.short, clean(&one.title), clean(&one.by))
    };
    let review = report.review.iter().map(|one| {
        let found = match one.findings {
            0 => String::new(),
            n => format!(" ({})", text::counted(n, "finding")),
        };
        format!("{} {}{found}; {}", one.short, clean(&one.title), command(&one.command))
    });
    let sections = [
        ("Merged", merged.collect::<Vec<_>>()),
        ("Reverted", report.reverted.iter().map(undone).collect()),
        ("Rejected", report.rejected.iter().map(undone).collect()),
        ("Waiting for review", review.collect()),
        ("Blocked", report.blocked.iter().map(stopped).collect()),
        ("Stopped", report.held.iter().map(stopped).collect()),
        ("Questions", report.questions.iter().map(stopped).collect()),
    ];
    let item = if is_markdown { "- " } else { "  " };
    let heading = |text: String| if is_markdown { format!("\n## {text}") } else { paint(Meaning::Heading, text) };
    for (title, found) in sections.into_iter().filter(|(_, found)| !found.is_empty()) {
        lines.push(heading(format!("{title} ({})", found.len())));
        lines.extend(found.into_iter().map(|line| format!("{item}{line}")));
    }
    if report.usage.jobs > 0 {
        lines.push(heading(format!("Used: {}", used(&report.usage))));
        let rows = report.by_seat.iter().map(|(name, used)| ("seat", name, used));
        let rows = rows.chain(report.by_agent.iter().map(|(name, used)| ("agent", name, used)));
        lines.extend(rows.map(|(kind, name, of)| format!("{item}{kind} {}: {}", clean(name), used(of))));
        let rest = &report.unfinished_calls;
        if rest.jobs > 0 {
            let cost = cost(rest);
            lines.push(format!("{item}calls that were stopped: {}{cost}", text::counted(rest.tokens, "token")));
        }
    }
    lines.join("\n")
}

fn used(used: &Used) -> String {
    let tokens = if used.tokens > 0 { format!(", {}", text::counted(used.tokens, "token")) } else { String::new() };
    let time = duration(std::time::Duration::from_secs(used.seconds));
    format!("{}{tokens}{}, {time}", text::counted(used.jobs, "job"), cost(used))
}

fn cost(used: &Used) -> String {
    used.cost_usd.map(|cost| format!(", ${cost:.2}")).unwrap_or_default()
}
