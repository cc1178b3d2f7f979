//! `teof notify …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::{Refusal, Result, names, text};
use crate::cli::App;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table};
use crate::coordinator::notifications;
use crate::coordinator::state::notice::Notice;
use crate::guard::operator;
use crate::hub::settings::notify::{Notify, Topic};

/// List and try the receivers of notifications
///
/// `[[notify]]` in the settings names them: a preset (desktop, webhook, ntfy, slack) or a command, which reads the
/// event as JSON from stdin.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof notify list\n\
\x20 teof notify test")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the receivers, and whether the last delivery succeeded
    ///
    /// With --json: [{name, to, on, last: {action, at, failed}}].
    #[command(after_help = "Examples:\n\
\x20 teof notify list")]
    List,
    /// Send a test notification
    ///
    /// Exit code 1 when one was not delivered. With --json: [{name, failed}].
    #[command(after_help = "Examples:\n\
\x20 teof notify test")]
    Test {
        /// The receiver [default: all]
        name: Option<String>,
    },
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::List => list(app),
        Command::Test { name } => test(name.as_deref(), app),
    }
}

fn list(app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let receivers = &hub.settings()?.notify;
    let to = |one: &Notify| one.preset.map_or_else(|| one.command.join(" "), |preset| preset.as_str().to_owned());
    let topics = |one: &Notify| one.on.iter().map(|topic| topic.as_str()).collect::<Vec<_>>();
    let document = receivers.iter().map(|one| {
        json!({"name": one.label(), "to": to(one), "on": topics(one), "last": notifications::last(hub, one.label())})
    });
    let document: Vec<_> = document.collect();
    app.result(&document, || {
        if receivers.is_empty() {
            return "no receivers; add one to the settings: [[notify]] with preset = \"desktop\"".to_owned();
        }
        let mut table =
            Table::new([Column::word("NAME"), Column::text("TO"), Column::text("ON").optional(), Column::text("LAST")]);
        for one in receivers {
            let on = if one.on.is_empty() { "everything".to_owned() } else { topics(one).join(", ") };
            let last = match notifications::last(hub, one.label()) {
                None => Cell::new("never"),
                Some(last) => match last.failed {
                    None => Cell::new(app.times().ago(last.at)),
                    Some(why) => Cell::painted(Meaning::Bad, why),
                },
            };
            table.row([Cell::new(one.label()), Cell::new(to(one)), Cell::new(on), last]);
        }
        table.show().trim_end().to_owned()
    });
    Ok(ExitCode::SUCCESS)
}

fn test(name: Option<&str>, app: &App) -> Result<ExitCode> {
    operator::require("send notifications")?;
    let hub = app.hub()?;
    notifications::check_trusted(hub)?;
    let receivers = &hub.settings()?.notify;
    let labels = || receivers.iter().map(|one| one.label());
    if let Some(name) = name.filter(|name| !labels().any(|label| label == *name)) {
        let near = names::did_you_mean(name, labels());
        return Err(Refusal::not_found("notify.not_found", format!("no such receiver: {}{near}", text::safe(name)))
            .next("see all: teof notify list")
            .into());
    }
    let notice = Notice {
        version: 1,
        event: Topic::Test,
        at: app.now(),
        text: "notifications from this repository arrive here".to_owned(),
        job: None,
        task: None,
        title: None,
        seat: None,
        left_out: 0,
    };
    let chosen = receivers.iter().filter(|one| name.is_none_or(|name| one.label() == name));
    let event = notifications::event(hub, &notice);
    let tried: Vec<_> = chosen.map(|one| (one.label(), notifications::deliver(one, &event, &notice).err())).collect();
    let document = tried.iter().map(|(name, failed)| json!({"name": name, "failed": failed})).collect::<Vec<_>>();
    app.result(&document, || match tried.is_empty() {
        true => "no receivers; add one to the settings: [[notify]] with preset = \"desktop\"".to_owned(),
        false => {
            let line = |(name, failed): &(&str, Option<String>)| match failed {
                None => format!("Sent to {name}"),
                Some(why) => format!("Not sent to {name}: {why}"),
            };
            tried.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    });
    Ok(if tried.iter().all(|(_, failed)| failed.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
