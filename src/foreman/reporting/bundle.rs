//! Builds the review bundle of a run: what a person needs for a decision, from the report.

use std::fs;

use super::envelope::StageReport;
use super::report::Report;
use crate::base::Stamp;
use crate::foreman::results::command_result::CommandResult;
use crate::guard::result::changes;
use crate::hub::{Hub, paths};
use crate::model::run::bundle::{Bundle, Diff, Receipt, Stage, Test, VERSION};
use crate::model::run::stage::{PLANNER, REVIEWER};

/// The path of a bundle without its extension.
pub fn stem(agent: &str, now: Stamp, run: &str) -> String {
    format!("{}/reviews/{}-{run}", paths::agent(agent), now.compact())
}

/// Builds the bundle of a run from its report.
pub fn build(hub: &Hub, report: &Report, now: Stamp) -> Bundle {
    let order = &report.work.order;
    let last = |name: &str| report.stages.iter().rev().find(|stage| stage.name == name);
    let answer = |name: &str| last(name).and_then(|stage| stage.answer.as_ref());
    let stages: Vec<_> = report.stages.iter().map(stage_of).collect();
    let mut findings = report.findings.clone();
    // Findings that need a person come first.
    findings.sort_by_key(|found| (!found.stops(), !found.needs_person()));
    Bundle {
        version: VERSION,
        generated_at: now,
        // The coordinator's job id: a decision is about the job, not about one attempt.
        job: order.job.clone().unwrap_or_else(|| report.work.job().to_owned()),
        run: report.run.clone(),
        task_id: order.task_id.clone(),
        plan_id: order.plan_id.clone(),
        step_id: order.step_id.clone(),
        goal: order.goal.clone(),
        agent_id: order.agent_id.clone(),
        reviewer: order.reviewer.clone(),
        branch: report.branch().to_owned(),
        target_branch: order.target_branch.clone(),
        base_commit: report.place.as_ref().map_or(order.base_commit.clone(), |place| place.base.to_string()),
        commit: report.commit().unwrap_or_default(),
        change_sha256: change(report),
        plan: answer(PLANNER).map(|answer| answer.analysis.clone()),
        justification: justification(hub, order.plan_id.as_deref()),
        diff: diff(report),
        // Of the whole job: what was sent back before has its own store of stages.
        usage: order.rework.as_ref().map_or(report.spent, |rework| rework.spent.plus(report.spent)),
        stages,
        tests: report.tests.iter().map(test).collect(),
        findings,
        sent_back: order.rework.as_ref().map_or(Vec::new(), |rework| rework.findings.clone()),
        confidence: answer(REVIEWER).and_then(|answer| answer.confidence),
        passes: report.passes,
        receipts: report
            .receipts
            .iter()
            .map(|entered| Receipt { path: entered.path.clone(), sha256: entered.sha256.clone() })
            .collect(),
    }
}

/// The digest of the result's change; `None` when it cannot be read, which a guard reports.
fn change(report: &Report) -> Option<String> {
    let place = report.place.as_ref()?;
    let result = place.checkpoints.last()?.commit;
    let repository = place.repository().ok()?;
    changes::digest(repository.repo(), place.base, result).ok()
}

fn justification(hub: &Hub, plan: Option<&str>) -> Option<String> {
    let path = format!("{}/{}.md", paths::PLANS, plan?);
    let there =
        hub.path(&path).ok().and_then(|path| fs::symlink_metadata(path).ok()).is_some_and(|meta| meta.is_file());
    there.then_some(path)
}

fn diff(report: &Report) -> Diff {
    let size = report.diff.as_ref();
    Diff {
        added: size.map_or(0, |diff| diff.added),
        removed: size.map_or(0, |diff| diff.removed),
        limit: report.work.order.guardrails.diff_limit,
        files: report.files.clone(),
        more_files: report.more_files,
    }
}

fn stage_of(stage: &StageReport) -> Stage {
    Stage {
        name: stage.name.clone(),
        round: stage.round,
        agent: stage.agent.clone(),
        model: stage.model.clone(),
        passed: stage.passed,
        outcome: match (stage.outcome.is_empty(), stage.done_before) {
            (true, true) => "done by an earlier attempt".into(),
            _ => stage.outcome.clone(),
        },
        duration_seconds: stage.duration_seconds,
        usage: stage.usage,
        commit: stage.commit.clone(),
    }
}

fn test(done: &CommandResult) -> Test {
    Test {
        command: done.cmd.clone(),
        passed: done.succeeded(),
        exit_code: done.exit_code,
        duration_seconds: done.duration_seconds,
        output_sha256: Some(done.output.sha256.clone()),
    }
}
