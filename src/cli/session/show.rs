//! `teof session show`

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::terminal::{Times, paint};
use crate::coordinator::sessions;
use crate::hub::Hub;
use crate::model::run::job_name::short;
use crate::seats;
use crate::sessions::SessionRecord;

/// Show one agent session: what it did, used, and where its files are
///
/// With --json: the record; `teof schema session` describes it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session show j1\n\
\x20 teof session show QUEUE-004")]
pub struct Args {
    /// A session; or a run, job or task (its newest session)
    session: String,
}

pub fn run(args: &Args, app: &App) -> Result<()> {
    let hub = app.hub_to_read()?;
    let found = find(hub, &args.session)?;
    app.result(&found, || lines(&found, app.times()).join("\n"));
    Ok(())
}

/// The session that a person names. Seats had their sessions under this command: names of seats lead there.
pub fn find(hub: &Hub, name: &str) -> Result<SessionRecord> {
    sessions::find(hub, name).map_err(|e| match Refusal::of(&e) {
        Some(refusal)
            if refusal.code == "session.unknown" && seats::known::unknown(hub, name).is_ok_and(|no| no.is_none()) =>
        {
            Refusal::not_found("session.unknown", format!("no such session: {}", text::safe(name)))
                .because(format!("{} is a seat", text::safe(name)))
                .next(format!("see its handshake: teof seat show {}", text::shell_word(name)))
                .into()
        }
        _ => e,
    })
}

fn lines(one: &SessionRecord, times: Times) -> Vec<String> {
    let status = paint(super::list::meaning(one.status), one.status.as_str());
    let mut lines = vec![format!("{}  {status}", text::safe(&short(&one.id)))];
    let mut add = |label: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("  {label:<10} {}", text::safe(&value)));
        }
    };
    add("reason", one.reason.clone());
    add("task", one.task_id.clone());
    let stage = one.stage_and_round().map(|stage| format!(", {stage}")).unwrap_or_default();
    add("run", one.run.as_ref().map(|run| format!("{}{stage}", short(run))));
    add("seat", one.agent_id.clone());
    add("program", one.program_and_model());
    add("mode", Some(one.mode.as_str().to_owned()));
    let confinement = one.environment.confinement.as_ref().map(|state| format!("sandbox {state}"));
    let parts = [Some(one.environment.executor.clone()), one.environment.image.clone(), confinement];
    add("runs in", Some(parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")));
    add("started by", one.started_by.as_deref().map(|by| short(by).into_owned()));
    add("continues", one.parent_id.as_deref().map(|parent| short(parent).into_owned()));
    let lasted = one.started_at.map(|from| {
        let until = one.ended_at.map(|at| format!(" until {}", times.at(at))).unwrap_or_default();
        format!("{}{until}", times.at(from))
    });
    add("from", lasted);
    add("active", one.last_activity.map(|at| times.ago(at)));
    add("tools", Some(one.tools_used()));
    one.noticed.iter().for_each(|noticed| add("noticed", Some(text::clip(&noticed.describe(), 200))));
    add("messages", (one.messages > 0).then(|| one.messages.to_string()));
    add("said", one.last_message.clone());
    add("used", one.used());
    add("worktree", Some(one.worktree.display().to_string()));
    add("branch", one.branch.clone());
    add("agent's id", one.agent_session.clone());
    add("stream", Some(one.log.display().to_string()));
    add("archive", one.archive.as_ref().map(|archive| archive.path.clone()));
    lines
}
