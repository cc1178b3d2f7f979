//! `teof bus watch`

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::base::{Result, json, names, text};
use crate::bus::watch::{self, Filter, Follower, Item};
use crate::cli::App;
use crate::cli::support::author;
use crate::cli::support::since::since;
use crate::cli::support::terminal::{Meaning, paint};
use crate::cli::support::window::{Window, hours};
use crate::model::{self, event, message};

/// Show the latest events or messages, and follow new ones
///
/// Use it to see what happens while agents work. Press Ctrl-C to stop following.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus watch --follow           # follow until Ctrl-C\n\
\x20 teof bus watch --task QUEUE-002   # with the messages of one task\n\
\x20 teof bus watch --messages --since 24h")]
pub struct Args {
    /// Keep running and show new ones; stop with Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Also show the messages of this channel: a task (and only its events), manager-report, or agent-<id>
    #[arg(long, value_name = "CHANNEL")]
    task: Option<String>,
    /// Only messages: those of --task, or of all channels
    #[arg(long)]
    messages: bool,
    /// Only this seat; repeatable
    #[arg(long = "agent", value_name = "SEAT")]
    agents: Vec<String>,
    /// Only this kind of event or type of message; repeatable
    #[arg(long = "event", value_name = "KIND")]
    kinds: Vec<String>,
    /// Only from this time on
    ///
    /// A span, a day or a time: 24h, yesterday, 2026-01-05, 08:30 or 2026-01-05T08:30:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show at most N before following; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Show the last N hours, or a span; 0 shows all
    #[arg(long, visible_alias = "window-hours", value_name = "HOURS", default_value = "24", value_parser = hours, allow_negative_numbers = true)]
    window: Window,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    if let Some(channel) = &args.task {
        names::check_id("channel", channel)?;
    }
    let window = args.window.0.map(|window| hub.now().minus(window));
    let since = args.since.as_deref().map(|text| since(text, hub.now())).transpose()?;
    author::warn_of_unknown(app, hub, &args.agents)?;
    let filter = Filter {
        since: since.or(window),
        agents: args.agents,
        kinds: args.kinds,
        channel: args.task,
        messages_only: args.messages,
    };
    if !args.follow {
        let items = watch::recent(hub, &filter, args.limit)?;
        let raw: Vec<_> = items.iter().map(|item| &item.raw).collect();
        app.result(&json!({ "items": raw }), || {
            items.iter().map(|item| line(item, app)).collect::<Vec<_>>().join("\n")
        });
        if items.is_empty() {
            let known = event::KNOWN.iter().chain(&message::KNOWN).copied();
            let slips = filter.kinds.iter().filter(|kind| !known.clone().any(|known| known == kind.as_str()));
            let meant: String = slips.map(|kind| names::did_you_mean(kind, known.clone())).collect();
            app.say(format!("nothing matches{meant}; to look further back: --window-hours 0"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    // Begun first, so that nothing falls between what is shown and what comes.
    let mut follower = Follower::begin(hub, filter.clone())?;
    let stop = follower.stopper();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let listen = move || signals.forever().next().map(|_| stop.stop());
    std::thread::Builder::new().spawn(listen).context("listen for signals")?;
    let items = watch::recent(hub, &filter, args.limit)?;
    follower.shown(&items);
    show(app, &items);
    while let Some(items) = follower.wait()? {
        show(app, &items);
    }
    Ok(ExitCode::SUCCESS)
}

/// A line each; with `--json` a JSON document each.
fn show(app: &App, items: &[Item]) {
    for item in items {
        app.out(if app.json() { json::printable(json::compact(&item.raw)) } else { line(item, app) });
    }
}

/// For a terminal: `14:30  codex-1  complete  QUEUE-001: summary`; elsewhere the playbook's line.
fn line(item: &Item, app: &App) -> String {
    if !std::io::stdout().is_terminal() {
        return item.line();
    }
    let part = |key: &str| item.raw.get(key).and_then(Value::as_str).map(text::safe);
    let at = item.at().map_or_else(|| "-".to_owned(), |at| app.times().at(at));
    let kind = item.kind().map(text::safe).unwrap_or_default();
    let kind = if item.is_message { format!("message/{kind}") } else { kind };
    let meaning = match part("severity").as_deref() {
        Some("high") => Meaning::Bad,
        Some(_) => Meaning::Attention,
        None => Meaning::Active,
    };
    let mut line = format!(
        "{}  {}  {}",
        paint(Meaning::Quiet, at),
        text::safe(item.author().unwrap_or("-")),
        paint(meaning, kind)
    );
    line += &part("task_id").map(|task| format!("  {task}")).unwrap_or_default();
    line += &part("summary").map(|summary| format!(": {summary}")).unwrap_or_default();
    let receipts = model::texts(&item.raw, "receipts");
    if !receipts.is_empty() {
        line += &paint(Meaning::Quiet, format!("  {}", text::safe(&receipts.join(" "))));
    }
    line
}
