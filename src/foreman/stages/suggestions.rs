//! Runs the commands that a coder suggests, when both consent and the trusted allow-list cover them.

use crate::base::{Refusal, Result, names, text};
use crate::foreman::reporting::envelope::{NotRun, StageReport};
use crate::foreman::stages::context::StageContext;
use crate::guard::consent::{self, Action, Actor};
use crate::guard::secrets;
use crate::guard::trust::commands;
use crate::model::run::outcome::Finding;

/// Runs the allowed commands, up to the first that fails; lists the others with the reason.
pub fn run(context: &mut StageContext, stage: &mut StageReport) -> Result<()> {
    let proposed = stage.answer.as_ref().map_or(Vec::new(), |answer| answer.commands.clone());
    let mut failed = None;
    for (i, command) in proposed.iter().enumerate() {
        let shown = secrets::redact(&text::safe(&command.to_string()));
        let no = match &failed {
            Some(why) => Some(String::clone(why)),
            None => refused(context, command)?,
        };
        if let Some(why) = no {
            let message = format!("suggested command {shown:?} was not run: {why}");
            stage.notes.push(Finding::low("suggested.not_run", "", message));
            stage.not_run.push(NotRun { command: shown, why });
            continue;
        }
        (context.say)(&format!("      suggested: {shown}"));
        let name =
            format!("{}-{}-suggested-{}-{}", stage.name, stage.round, i + 1, names::slug(&text::clip(&shown, 40)));
        let done = context.runner.run(command, &name, context.watch)?;
        if !done.succeeded() {
            failed = Some(format!("the previous one failed ({})", done.outcome));
            let message = format!("the suggested command {shown:?} failed: {}", done.outcome);
            stage.notes.push(Finding::low("suggested.failed", "", message));
        }
        stage.commands.push(done);
    }
    Ok(())
}

/// Why a command may not run now.
fn refused(context: &mut StageContext, command: &crate::model::command::Command) -> Result<Option<String>> {
    if let Some(halt) = context.watch.check_halt()? {
        return Ok(Some(match halt {
            crate::foreman::watch::Halt::Paused(why) | crate::foreman::watch::Halt::Lost(why) => why,
        }));
    }
    if context.runner.unattended
        && let Err(e) = consent::require(context.hub, Actor::Coordinator, Action::Suggested)
    {
        return Refusal::of(&e).map(|refusal| Some(refusal.message.clone())).ok_or(e);
    }
    let covered = commands::trusted(context.hub)?.covers(command);
    Ok((!covered).then(|| "not covered by [commands] allow of a trusted teof.toml".to_owned()))
}
