//! `teof session brief`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::{Exit, Result, Stamp, text};
use crate::cli::App;
use crate::cli::support::author::{self, Task};
use crate::cli::support::output;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::guard::operator;
use crate::hub::output::Output;
use crate::hub::{Hub, Transaction, paths};
use crate::ops::claims::known;
use crate::ops::session::brief::{self, Brief, Checklist, Level};
use crate::receipts::{self, seal};

/// Show what a seat should know before it works on a task
///
/// The claim, and the latest events and messages. --preset operator runs the operator's checklist instead and keeps it
/// as a receipt; exit code 1 when a check fails.
///
/// With --json: {task, claim, latest}; with --preset: {preset, generated_at, agent_id, task, claim_status, checklist:
/// [{id, title, status, detail, paths}], summary, path}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session brief QUEUE-001\n\
\x20 teof session brief QUEUE-001 --preset operator")]
pub struct Args {
    #[command(flatten)]
    task: Task,
    /// Run a checklist
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Whose session [default: TEOF_AGENT, else this worktree's seat]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
    /// Show the last N events and messages; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "preset")]
    limit: usize,
    /// Where the checklist goes [default: a new file in _report/agent/<seat>/session_brief/]
    #[arg(long, value_name = "PATH", requires = "preset")]
    output: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Preset {
    Operator,
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let task = args.task.name()?;
    if args.preset.is_some() {
        return checklist(args, task, app);
    }
    let hub = app.hub_to_read()?;
    let brief = brief::read(hub, task, args.limit)?;
    let unknown = match &brief.claim {
        None => known::remark_unknown(hub, task)?,
        Some(_) => None,
    };
    unknown.iter().for_each(|unknown| app.warn(unknown));
    app.result(&brief, || render(&brief, app.times()));
    Ok(ExitCode::SUCCESS)
}

fn render(brief: &Brief, times: Times) -> String {
    let part = |of: &Value, key: &str| of[key].as_str().unwrap_or("-").to_owned();
    let mut lines = vec![match &brief.claim {
        None => format!("{}: not claimed", brief.task),
        Some(claim) => {
            let [agent, status, branch, plan] = ["agent_id", "status", "branch", "plan_id"].map(|key| part(claim, key));
            format!("{}: {status}, {agent}, branch {branch}, plan {plan}", brief.task)
        }
    }];
    lines.extend(brief.latest.iter().map(|line| {
        let at = line["ts"].as_str().and_then(Stamp::parse).map_or_else(|| "-".to_owned(), |at| times.at(at));
        let (who, what) = match line["event"].is_string() {
            true => (part(line, "agent_id"), part(line, "event")),
            false => (part(line, "from"), part(line, "type")),
        };
        format!("{at}  {who}  {what}: {}", text::clip(&part(line, "summary"), 500))
    }));
    lines.into_iter().map(|line| text::safe(&line)).collect::<Vec<_>>().join("\n")
}

fn checklist(args: &Args, task: &str, app: &App) -> Result<ExitCode> {
    operator::run::refuse("run the operator's checklist")?;
    let hub = app.hub()?;
    let agent = author::seat(hub, args.agent.as_deref())?;
    let checklist = brief::checklist(hub, &agent, task)?;
    let path = keep(hub, &checklist, args.output.as_deref())?;
    let mut document = json!(checklist);
    document["path"] = json!(path);
    app.result(&document, || table(&checklist));
    app.say(format!("{}: {}, receipt {path}", checklist.task, checklist.summary.as_str()));
    Ok(ExitCode::from(if checklist.summary == Level::Fail { Exit::Refused } else { Exit::Done } as u8))
}

/// A new file is a receipt in the ledger. A file that `--output` names carries its own hash, and the next checklist
/// replaces it.
fn keep(hub: &Hub, checklist: &Checklist, output: Option<&str>) -> Result<String> {
    let folder = format!("{}/session_brief/", paths::agent(&checklist.agent_id));
    let payload = checklist.payload();
    if let Some(given) = output {
        let homes = [folder.as_str()];
        let output = Output { flag: "--output", homes: &homes, force: None, is_own: is_checklist };
        return output::write(hub, &output, given, seal::sealed(payload));
    }
    let mut writer = hub.lock("session brief")?;
    let stem = format!("{folder}session-brief-{}-{}", checklist.preset, checklist.generated_at.compact());
    let path = hub.free_path(&stem, ".json")?;
    let mut transaction = Transaction::new("session brief");
    receipts::write(&writer, &mut transaction, &checklist.agent_id, &path, payload)?;
    writer.commit(transaction)?;
    Ok(path)
}

fn is_checklist(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|document| document["checklist"].is_array())
}

fn table(checklist: &Checklist) -> String {
    let mut table = Table::new([Column::word(""), Column::word("CHECK")]);
    for check in &checklist.checklist {
        let meaning = match check.status {
            Level::Pass => Meaning::Good,
            Level::Warn => Meaning::Attention,
            Level::Fail => Meaning::Bad,
        };
        table.row([Cell::painted(meaning, check.status.as_str()), check.id.into()]);
        // Below the row, so that its command can be copied.
        table.note(text::safe(&check.detail));
    }
    table.show()
}
