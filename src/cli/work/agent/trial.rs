//! `teof agent try`

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::agents;
use crate::base::time::parse_span;
use crate::base::{Result, text};
use crate::cli::App;
use crate::foreman::calls::trial::{self, Request, Trial};
use crate::guard::operator;
use crate::model::agent::Usage;

/// Call an agent once, and show what teof reads from it
///
/// Use it after you installed, logged in or described an agent. This costs one call of its model. The agent is called
/// as a job calls its planner, in a copy of the last commit and in the sandbox, with a prompt that asks for one line.
/// Shown is what teof reads from its output: text, session, usage; and what to fix when it did not answer. Nothing is
/// claimed or recorded. Exit code 1 when it did not answer in the format of its settings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof agent try my-agent\n\
\x20 teof agent try my-agent --timeout 30s --json")]
pub struct Args {
    /// The agent: a preset, or one that teof.toml describes
    name: String,
    /// Model to use [default: the agent's]
    #[arg(long)]
    model: Option<String>,
    /// Time limit of the call
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = parse_span)]
    timeout: Duration,
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("call another agent")?;
    let hub = app.hub_to_read()?;
    let agent = agents::find(hub.settings()?, &args.name)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listen for signals")?;
    }
    let request = Request {
        agent: &agent,
        model: args.model.as_deref(),
        limit: args.timeout,
        stop: &stop,
        say: &|line| app.say(line),
    };
    let tried = trial::run(hub, &request)?;
    app.result(&tried, || render(&tried));
    if !app.json() {
        tried.fixes.iter().for_each(|fix| app.say(format!("fix: {}", text::safe(fix))));
    }
    Ok(if tried.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn render(tried: &Trial) -> String {
    let end = if tried.ok { "answered" } else { "failed" };
    let mut lines = vec![format!("{} {end} in {:.1}s", tried.agent, tried.seconds)];
    let mut row = |label: &str, value: &str| {
        let mut value = value.lines().map(text::safe).filter(|line| !line.trim().is_empty());
        lines.extend(value.next().map(|first| format!("  {label:8} {first}")));
        lines.extend(value.map(|line| format!("  {:8} {line}", "")));
    };
    if !tried.ok {
        row("why", &tried.outcome);
    }
    row("format", tried.format.name());
    row("text", &tried.text);
    row("answer", tried.unstructured.as_deref().map_or("", |_| "not the JSON object that was asked for"));
    let session = tried.session.as_ref().map_or_else(
        || "none: each round starts a new one".to_owned(),
        |id| match tried.resumes {
            true => id.clone(),
            false => format!("{id}, which is not resumed"),
        },
    );
    row("session", &session);
    row("model", tried.model.as_deref().unwrap_or_default());
    row("version", tried.version.as_deref().unwrap_or_default());
    row("usage", &usage(&tried.usage));
    row("tools", &tried.tools.iter().map(|(tool, times)| format!("{tool} {times}")).collect::<Vec<_>>().join(", "));
    row("warnings", &tried.warnings.join("\n"));
    row("changed", &tried.changed.join(", "));
    if !tried.ok {
        row("stderr", &tried.errors);
    }
    row("sandbox", &tried.sandbox);
    row("output", &tried.output);
    lines.join("\n")
}

fn usage(used: &Usage) -> String {
    if *used == Usage::default() {
        return "not reported".to_owned();
    }
    let cost = used.cost_usd.map(|cost| format!(", ${cost}")).unwrap_or_default();
    format!("{} tokens read, {} written{cost}", used.input_tokens, used.output_tokens)
}
