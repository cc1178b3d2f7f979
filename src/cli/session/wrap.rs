//! `teof session wrap`

use std::io::Read;

use crate::base::{Refusal, Result, files, text};
use crate::cli::App;
use crate::cli::support::ask;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::help::MORE;
use crate::cli::work::bus::claims::report;
use crate::guard::operator;
use crate::ops::session::wrap::{self, MAX_FILE, Reflection, Request};

/// End a seat's session with a reflection, and announce it
///
/// The reflection goes to _report/agent/<seat>/reflections/<date>.md. Say what worked, what stalled and what the next
/// session should know; at a terminal it asks. `teof scan` reports a promise in it that names no task or plan.
///
/// With --json: {path, event}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session wrap --worked \"Tests first\" --stalled \"Waited for a review\"\n\
\x20 teof session wrap --template > wrap.md   # to fill in, for --from")]
pub struct Args {
    /// What worked; repeatable
    #[arg(long, value_name = "TEXT")]
    worked: Vec<String>,
    /// What stalled; repeatable
    #[arg(long, value_name = "TEXT")]
    stalled: Vec<String>,
    /// A nudge for the next session; repeatable
    #[arg(long = "nudge", value_name = "TEXT")]
    nudges: Vec<String>,
    /// Read the reflection from this Markdown file; - reads stdin
    #[arg(long, value_name = "PATH", conflicts_with_all = ["worked", "stalled", "nudges"])]
    from: Option<String>,
    /// Print the headings to fill in, and write nothing
    #[arg(long, conflicts_with_all = ["worked", "stalled", "nudges", "from"])]
    template: bool,
    /// Summary of the handshake
    #[arg(long, value_name = "TEXT", default_value = "Session wrap", help_heading = MORE)]
    summary: String,
    /// Focus of the handshake
    #[arg(long, value_name = "TEXT", default_value = "idle", help_heading = MORE)]
    focus: String,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
}

pub fn run(args: Args, app: &App) -> Result<()> {
    if args.template {
        app.out(wrap::template().trim_end());
        return Ok(());
    }
    operator::run::refuse("end a session")?;
    let hub = app.hub()?;
    let author = args.author.author(hub, None)?;
    let reflection = match args.from {
        Some(from) => read(&from)?,
        None => Reflection::Items(said([args.worked, args.stalled, args.nudges], app)?),
    };
    let given = match &reflection {
        Reflection::Items(items) => items.concat(),
        Reflection::Text(text) => vec![text.clone()],
    };
    let repeat = args.repeat.request("session wrap", &(&author.agent, given, &args.summary, &args.focus))?;
    let request = Request { author, reflection, summary: args.summary, focus: args.focus };
    let answer = wrap::wrap(hub, &request, repeat.as_ref())?;
    report::show(app, &answer, |document| format!("Wrote {}", document["path"].as_str().unwrap_or_default()));
    Ok(())
}

/// The items, asked for at a terminal where none were given.
fn said(mut items: [Vec<String>; 3], app: &App) -> Result<[Vec<String>; 3]> {
    if items.iter().all(Vec::is_empty) && ask::is_possible(app) {
        let questions = ["What worked?", "What stalled?", "A nudge for the next session?"];
        for (question, items) in questions.into_iter().zip(&mut items) {
            items.extend(ask::line(question)?.filter(|answer| !answer.is_empty()));
        }
    }
    Ok(items)
}

fn read(from: &str) -> Result<Reflection> {
    if from == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(MAX_FILE).read_to_end(&mut bytes)?;
        return wrap::from_bytes(bytes);
    }
    let bytes = files::read(std::path::Path::new(from), MAX_FILE)?.ok_or_else(|| {
        Refusal::not_found("wrap.no_file", format!("no file {}", text::safe(from)))
            .next("make one: teof session wrap --template > wrap.md")
    })?;
    wrap::from_bytes(bytes)
}
