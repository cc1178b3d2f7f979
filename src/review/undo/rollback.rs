//! Runs the rollback commands of a step, which undo effects outside the repository. Only a person starts them.
//!
//! They run after the revert, in a worktree of the target at that time, until one fails. A receipt records the
//! results. The caller checks that a person saw exactly these commands ([`Rollback::require_approval`]).

use git2::Oid;
use serde::Serialize;
use serde_json::{Value, json};

use crate::base::{Refusal, Result, text};
use crate::bus::events;
use crate::foreman::commands::check::Trial;
use crate::guard::operator::OPERATOR;
use crate::guard::trust::commands;
use crate::hub::{Hub, Transaction, paths};
use crate::model::command::Command;
use crate::model::event::{Event, Severity};
use crate::model::run::bundle::Bundle;
use crate::review::bundles::Entry;
use crate::review::input::ReviewInput;
use crate::review::target::merge;
use crate::review::target::temp_worktree::{self, TempWorktree};
use crate::review::{checks, lock};
use crate::{plans, receipts};

/// The rollback of a piece of work.
#[derive(Clone, Debug)]
pub struct Rollback {
    plan: String,
    /// The digest of all commands of the plan, which an approval names.
    digest: String,
    pub commands: Vec<Command>,
}

/// The result of the commands.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// Relative to the hub.
    pub receipt: String,
    pub passed: bool,
    /// What failed, for people.
    pub why: Option<String>,
}

/// The rollback commands of the step that a job did.
///
/// # Errors
/// `rollback.none` (exit 4) when the job has no step, or its step has none; when the plan cannot be read.
pub fn of(hub: &Hub, bundle: &Bundle) -> Result<Rollback> {
    let none = |why: &str| {
        Refusal::not_found("rollback.none", format!("{} has no rollback commands", bundle.short()))
            .because(why)
            .next(format!("revert only the work: teof review revert {}", bundle.short()))
    };
    let (Some(plan), Some(step)) = (&bundle.plan_id, &bundle.step_id) else {
        return Err(none("it does not belong to a plan step").into());
    };
    let found = plans::find(hub, plan)?;
    let Some(step) = found.plan.step(step) else { return Err(none("its plan no longer has this step").into()) };
    let commands = step.rollback().map_err(|why| {
        Refusal::guard("rollback.invalid", format!("cannot read the rollback commands of {plan}"))
            .because(why)
            .next(format!("see what is wrong: teof plan validate {plan}"))
    })?;
    let Some(digest) = plans::commands_digest(&found.plan).filter(|_| !commands.is_empty()) else {
        return Err(none("its step has none").into());
    };
    Ok(Rollback { plan: found.id().to_owned(), digest, commands })
}

impl Rollback {
    /// Passes when a person approved exactly these commands on this machine, or trusted settings cover them.
    ///
    /// # Errors
    /// `commands.untrusted` (exit 6).
    pub fn require_approval(&self, hub: &Hub) -> Result<()> {
        commands::trusted(hub)?.require(Some((&self.plan, &self.digest)), &self.commands)
    }

    /// Runs them on the current target and writes the receipt.
    ///
    /// # Errors
    /// When the worktree cannot be created, its set-up fails, or the receipt cannot be written. A command that fails
    /// is not an error.
    pub fn run(&self, hub: &Hub, entry: &Entry, input: &ReviewInput, progress: &dyn Fn(&str)) -> Result<Done> {
        let bundle = &entry.bundle;
        let _lock = lock::acquire(hub, &format!("roll back {}", bundle.short()))?;
        temp_worktree::clean(hub);
        let commit = merge::tip(&merge::open(hub)?, &bundle.target_branch)?;
        let worktree = TempWorktree::create(hub, &bundle.job, commit)?;
        let trials = worktree.roll_back(bundle, &self.commands, progress)?;
        drop(worktree);
        checks::record(hub)?;
        let failed = trials.iter().find(|trial| !trial.test.passed);
        let receipt = self.record(hub, entry, input, commit, &trials)?;
        let why = failed.map(|trial| format!("{}: {}\n{}", trial.test.command, trial.outcome, trial.tail));
        Ok(Done { receipt, passed: failed.is_none(), why })
    }

    fn record(&self, hub: &Hub, entry: &Entry, input: &ReviewInput, commit: Oid, trials: &[Trial]) -> Result<String> {
        let bundle = &entry.bundle;
        let manager = hub.settings()?.coordinator.manager.clone();
        let (at, passed) = (hub.now(), trials.iter().all(|trial| trial.test.passed));
        let stem = format!("{}/rollbacks/{}-{}", paths::agent(&manager), at.compact(), bundle.job);
        let path = hub.free_path(&stem, ".json")?;
        let ran = trials.iter().map(|trial| {
            let test = &trial.test;
            json!({"command": test.command, "passed": test.passed, "exit_code": test.exit_code,
                "duration_seconds": test.duration_seconds, "outcome": trial.outcome, "tail": trial.tail})
        });
        let payload = json!({
            "version": 1, "job": bundle.job, "run": bundle.run, "task_id": bundle.task_id, "plan_id": bundle.plan_id,
            "step_id": bundle.step_id, "by": input.by, "recognised": input.recognised, "at": at,
            "commit": commit.to_string(), "passed": passed, "commands": ran.collect::<Vec<_>>(),
            "not_run": self.commands.len() - trials.len(),
        });
        let Value::Object(payload) = payload else { anyhow::bail!("a receipt is an object") };
        let mut writer = hub.lock("roll back")?;
        let mut transaction = Transaction::new(format!("roll back {}", bundle.job));
        receipts::write(&writer, &mut transaction, &manager, &path, payload)?;
        let outcome = if passed { "rolled back" } else { "failed to roll back" };
        let summary = text::clip(&text::safe(&format!("{} {outcome} {}", input.by, bundle.task_id)), 500);
        let mut event = Event::new(OPERATOR, "rollback", summary)
            .on_task(&bundle.task_id)
            .meta("by", input.by.as_str())
            .meta("recognised", input.recognised.as_str())
            .meta("job", bundle.job.as_str());
        event.plan_id.clone_from(&bundle.plan_id);
        event.receipts = vec![path.clone()];
        event.severity = Some(if passed { Severity::Medium } else { Severity::High });
        events::stage(&writer, &mut transaction, &event)?;
        writer.commit(transaction)?;
        Ok(path)
    }
}
