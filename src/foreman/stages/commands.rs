//! Runs the stages of an order that carries commands; [`pipeline`](super::pipeline) runs those of agents.
//!
//! Each stage ends in a checkpoint, and a stage with a checkpoint never runs again for the same job.

use std::path::Path;

use super::commit;
use crate::base::Result;
use crate::foreman::commands::runner::{CommandResult, Runner};
use crate::foreman::reporting::report::{End, Report, StageReport};
use crate::foreman::reporting::{collect, evidence};
use crate::foreman::watch::Watch;
use crate::foreman::work::Work;
use crate::hub::worktrees::checkpoint::{Mark, Snapshot};
use crate::hub::{Hub, worktrees::Place};
use crate::model::command::Command;
use crate::model::run::outcome::{Finding, Verdict};

/// One stage of an order.
pub struct Stage<'a> {
    pub name: &'a str,
    pub how: How<'a>,
}

/// How a stage runs.
pub enum How<'a> {
    /// The order's commands in sequence, up to the first that fails.
    Commands(&'a [Command]),
}

/// The stages of an order with commands: always one.
pub fn of(work: &Work) -> Vec<Stage<'_>> {
    vec![Stage { name: "commands", how: How::Commands(&work.order.commands) }]
}

/// Runs the stages that no earlier attempt has committed. `Some` ends the run.
pub fn run_stages(
    hub: &Hub,
    report: &mut Report,
    runner: &Runner,
    watch: &mut Watch,
    say: &dyn Fn(&str),
) -> Result<Option<End>> {
    let work = report.work;
    for stage in of(work) {
        let place = report.place.clone().expect("stages run in a place");
        if let Some(done) = place.checkpoints.iter().find(|done| done.stage == stage.name) {
            say(&format!("stage {}: already committed by run {}", stage.name, done.run));
            report.stages.push(StageReport {
                passed: true,
                done_before: true,
                commit: Some(done.commit.to_string()),
                ..StageReport::new(stage.name, done.round)
            });
            report.evidence = match evidence::load(hub, work.job())? {
                Some(known) => known,
                None => collect::collect(hub, report, &runner.receipts())?,
            };
            continue;
        }
        report.stages.push(StageReport::new(stage.name, 1));
        let How::Commands(commands) = stage.how;
        if let Some(end) = run_commands(report, commands, runner, watch, say)? {
            return Ok(Some(end));
        }
        checkpoint(hub, report, &place, stage.name, &runner.receipts())?;
    }
    Ok(None)
}

fn run_commands(
    report: &mut Report,
    commands: &[Command],
    runner: &Runner,
    watch: &mut Watch,
    say: &dyn Fn(&str),
) -> Result<Option<End>> {
    for (i, command) in commands.iter().enumerate() {
        if let Some(halt) = watch.check_halt()? {
            return Ok(Some(End::from(halt)));
        }
        let label = crate::base::text::safe(&command.title());
        say(&format!("[{}/{}] {label}", i + 1, commands.len()));
        let done = runner.run(command, &format!("{}-{}", i + 1, crate::base::names::slug(&label)), watch)?;
        say(&format!("      {} in {}s", done.outcome, done.duration_seconds));
        let end = how_it_ended(&done);
        if !done.survivors.is_empty() {
            let message = format!("could not be stopped: {}", done.survivors.join(", "));
            report.findings.push(Finding::medium("process.survived", "", message));
        }
        if let Some(stage) = report.stages.last_mut() {
            stage.commands.push(done);
        }
        if end.is_some() {
            return Ok(end);
        }
    }
    Ok(None)
}

fn how_it_ended(done: &CommandResult) -> Option<End> {
    match (done.succeeded(), done.was_cancelled()) {
        (true, _) => None,
        (_, true) => Some(End::new(Verdict::Paused, format!("stopped on request during {}", done.label))),
        _ => Some(End::new(Verdict::Failed, format!("{}: {}", done.label, done.outcome))),
    }
}

/// Commits the stage's changes. Paths owned by teof are restored first, and receipts are saved first.
fn checkpoint(hub: &Hub, report: &mut Report, place: &Place, stage: &str, receipts: &Path) -> Result<()> {
    report.evidence = collect::collect(hub, report, receipts)?;
    let order = &report.work.order;
    let repository = place.repository()?;
    let Snapshot { tree, owned, nested } = repository.snapshot(place.tip())?;
    // Reported with the evidence: after the commit it could not be found any more.
    report.evidence.findings.extend(commit::strayed(place)?);
    report.evidence.findings.extend(commit::left_branch(place, &report.run)?);
    for path in nested {
        let message = "a git repository inside the worktree; it is not part of the result";
        report.evidence.findings.push(Finding::high("folder.nested_repository", path, message));
    }
    evidence::save(hub, report.work.job(), &report.evidence)?;
    let mark = Mark {
        agent: &order.agent_id,
        job: report.work.job(),
        run: &report.run,
        stage,
        round: 1,
        title: &format!("{}: {}", order.task_id, order.title),
    };
    let done = place.commit(tree, &mark, hub.now())?;
    let base = repository.repo().find_commit(place.base)?.tree()?;
    report.restored = owned.into_iter().filter(|path| base.get_path(path.as_ref()).is_ok()).collect();
    if let Some(stage) = report.stages.last_mut() {
        stage.passed = true;
        stage.commit = Some(done.commit.to_string());
    }
    if let Some(place) = &mut report.place {
        place.checkpoints.push(done);
    }
    Ok(())
}
