//! `teof session attach`

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;

use super::show;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::foreman::commands::terminals;
use crate::guard::operator;
use crate::model::run::job_name::short;
use crate::sessions::SessionRecord;

/// Join the terminal of a session; leave it with Ctrl-b d
///
/// For sessions of mode dispatch, and for those of jobs where the settings say executor = "tmux". Without a terminal it
/// prints the command that joins.
///
/// With --json: {session, command}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session attach QUEUE-001")]
pub struct Args {
    /// A session; or a run, job or task (its newest session)
    session: String,
}

pub fn run(args: &Args, app: &App) -> Result<()> {
    operator::run::refuse("join a session")?;
    let hub = app.hub_to_read()?;
    let found = show::find(hub, &args.session)?;
    let Some((server, window)) = terminals::window(hub, &found)? else { return Err(without(&found).into()) };
    let command = server.attach(&window);
    let joins = !app.global.json && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if joins && let [program, args @ ..] = command.as_slice() {
        // In a window of somebody's own tmux it would refuse to be nested.
        let failed = Command::new(program).args(args).env_remove("TMUX").exec();
        return Err(Refusal::guard("tmux.missing", "cannot run tmux").because(failed.to_string()).into());
    }
    app.result(&json!({ "session": found.id, "command": command }), || {
        command.iter().map(|part| text::shell_word(part)).collect::<Vec<_>>().join(" ")
    });
    Ok(())
}

fn without(found: &SessionRecord) -> Refusal {
    let name = short(&found.id);
    if found.status.is_over() {
        return Refusal::guard("session.over", format!("session {name} is {}", found.status.as_str()))
            .because("its terminal is closed")
            .next(format!("see what it showed: teof session logs {name}"));
    }
    Refusal::guard("session.no_terminal", format!("session {name} runs without a terminal"))
        .because("only sessions of mode dispatch have one, and jobs where the settings say executor = \"tmux\"")
        .next(format!("follow what it does: teof session logs {name} -f"))
}
