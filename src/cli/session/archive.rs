//! `teof session archive`

use serde_json::json;

use super::show;
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author;
use crate::coordinator::sessions;
use crate::guard::operator;
use crate::model::run::job_name::short;

/// Keep what matters of sessions in the record, as receipts
///
/// Each gets a folder _report/agent/<seat>/sessions/<id>/ with summary.md, session.json and the end of its stream
/// without secrets. With [agent_sessions] archive = true the coordinator does it for every finished job.
///
/// With --json: {archived: [{session, path}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session archive j1\n\
\x20 teof session archive j1 QUEUE-004")]
pub struct Args {
    /// Sessions; or runs, jobs or tasks (their newest session)
    #[arg(required = true)]
    sessions: Vec<String>,
    /// The seat that enters them [default: TEOF_AGENT, else this worktree's]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
}

pub fn run(args: &Args, app: &App) -> Result<()> {
    operator::run::refuse("archive a session")?;
    let hub = app.hub()?;
    let agent = author::seat(hub, args.agent.as_deref())?;
    let found = args.sessions.iter().map(|name| show::find(hub, name)).collect::<Result<Vec<_>>>()?;
    let archiver = sessions::Archiver::new(hub, &agent)?;
    let mut archived = Vec::new();
    for record in &found {
        archived.push((record, archiver.archive(record)?.path));
    }
    let document: Vec<_> = archived.iter().map(|(record, path)| json!({"session": record.id, "path": path})).collect();
    app.result(&json!({ "archived": document }), || {
        let line = |(record, path): &(&_, String)| {
            let record: &crate::sessions::SessionRecord = record;
            format!("Archived {} in {}", short(&record.id), hub.shown(path))
        };
        archived.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}
