//! Runs the stages of an order in sequence, each up to its checkpoint; [`next_stage`] decides which is next.
//!
//! The order's commands are a stage like those of agents, with the same checks between stages, the same evidence and
//! the same checkpoints.

use std::ops::ControlFlow::{Break, Continue};

use super::agent_stage::{invoke, unfinished};
use super::checks::{self, base_tests};
use super::context::StageContext;
use super::next_stage::{self, Next, Plan};
use super::suggestions;
use super::{commit, forward_port, stage_store};
use crate::base::{Result, names, text};
use crate::foreman::calls::prompts::Material;
use crate::foreman::calls::roles::{self, ResolvedRole};
use crate::foreman::reporting::envelope::StageReport;
use crate::foreman::reporting::report::{End, Report};
use crate::foreman::reporting::{collect, evidence};
use crate::model::run::order::ExpectedReceipt;
use crate::model::run::outcome::{Finding, Verdict};
use crate::model::run::stage::{CODER, COMMANDS, FORWARD_PORT, PLANNER, REVIEWER, TESTER};

/// Runs the stages that no earlier attempt has committed. `Some` ends the run; with `None` the findings decide.
pub fn run_stages(context: &mut StageContext) -> Result<Option<End>> {
    let plan = Plan::of(&context.report.work.order);
    load_earlier(context, &plan)?;
    let end = run_remaining(context, &plan)?;
    let report = &mut *context.report;
    report.findings.extend(report.stages.iter().flat_map(|stage| stage.notes.clone()));
    if plan.commands {
        // No coder has fixed them.
        report.findings.extend(report.stages.iter().flat_map(|stage| stage.findings.clone()));
    }
    report.findings.append(&mut report.guards);
    report.findings.extend(report.evidence.findings.clone());
    join_unreadable(report);
    Ok(end)
}

/// Leaves one finding for all unreadable answers: an agent that ignores the form does so in every stage.
fn join_unreadable(report: &mut Report) {
    let is_unreadable = |found: &Finding| found.code == invoke::UNREADABLE;
    let more = report.stages.iter().flat_map(|stage| &stage.notes).filter(|note| is_unreadable(note)).count();
    let mut is_first = true;
    report.findings.retain(|found| !is_unreadable(found) || std::mem::take(&mut is_first));
    if let Some(first) = report.findings.iter_mut().find(|found| is_unreadable(found)).filter(|_| more > 1) {
        first.message.push_str(&format!(" ({} too)", text::counted(more - 1, "more answer")));
    }
}

/// Loads the results of earlier attempts of the job.
fn load_earlier(context: &mut StageContext, plan: &Plan) -> Result<()> {
    let job = context.report.work.job().to_owned();
    let run = context.report.run.clone();
    context.report.stages = context.store.results(&context.report.place()?.checkpoints);
    if plan.commands {
        // No coder fixes a failed or flaky test, so the tests run again.
        context.report.stages.retain(|stage| stage.name != TESTER || (stage.passed && stage.notes.is_empty()));
    }
    for stage in &context.report.stages {
        (context.say)(&format!("keeping {} {}, which an earlier attempt finished", stage.name, stage.round));
    }
    unfinished::resume(context, plan, &stage_store::history(&context.report.stages))?;
    (context.report.usage, context.report.spent) = (context.store.run_usage(&run), context.store.spent);
    // Earlier tests count: the bundle lists them, and an approval runs them again.
    if let Some(tested) = context.report.stages.iter().rfind(|stage| stage.name == TESTER) {
        context.report.tests = tested.tests.clone();
    }
    match evidence::load(context.hub, &job)? {
        Some(kept) => context.report.evidence = kept,
        None if plan.commands && !context.report.stages.is_empty() => keep_evidence(context, &[])?,
        None => {}
    }
    Ok(())
}

fn run_remaining(context: &mut StageContext, plan: &Plan) -> Result<Option<End>> {
    let sent_back = context.report.work.sent_back();
    loop {
        let done = stage_store::history(&context.report.stages);
        context.report.passes = next_stage::passes(plan, &done);
        if is_stopped_by_findings(context, plan)? {
            return Ok(None);
        }
        if let Some(end) = context.over_budget() {
            return Ok(Some(end));
        }
        if let Some(noticed) = context.report.monitor_pause.take() {
            return Ok(Some(context.ask_about(&noticed)));
        }
        if let Some(halt) = context.watch.check_halt()? {
            return Ok(Some(End::from(halt)));
        }
        let end = match next_stage::next(plan, &done, &sent_back) {
            Next::Commands => run_commands(context)?,
            Next::ForwardPort => port_earlier_work(context)?,
            Next::Planner => run_role(context, PLANNER, 1, Vec::new())?,
            Next::Coder { round, findings } => run_role(context, CODER, round, findings)?,
            Next::Tester { round } => run_tester(context, round)?,
            // Work that a person requested is also reviewed.
            Next::Reviewer { round } => run_role(context, REVIEWER, round, sent_back.clone())?,
            Next::Exhausted(findings) if !plan.commands => return Ok(Some(exhausted(context.report, plan, findings))),
            Next::Finished | Next::Exhausted(_) => return Ok(None),
        };
        if end.is_some() {
            return Ok(end);
        }
    }
}

/// Checks the result so far with the guards. Agents get problems with their files and receipts back as findings; no
/// coder fixes those of commands, so they stop the run too.
fn is_stopped_by_findings(context: &mut StageContext, plan: &Plan) -> Result<bool> {
    if context.is_new && context.report.stages.is_empty() {
        return Ok(false);
    }
    let mut guards = checks::inspect(context.hub, context.report, context.before)?;
    guards.extend(context.runner.push_attempts());
    let report = &mut *context.report;
    let mut stops = guards.iter().any(Finding::stops);
    if plan.commands && !report.stages.is_empty() {
        guards.extend(collect::missing(context.hub, report));
        let left = report.stages.iter().flat_map(|stage| &stage.notes).chain(&report.evidence.findings);
        stops |= guards.iter().chain(left).any(Finding::stops);
    }
    report.guards = guards;
    Ok(stops)
}

fn exhausted(report: &mut Report, plan: &Plan, findings: Vec<Finding>) -> End {
    // The output behind a finding's first line is shown with the job.
    let last = findings.first().and_then(|found| found.message.lines().next()).unwrap_or("no details given");
    let test = report.stages.iter().rfind(|stage| stage.name == TESTER && !stage.passed);
    let why = match test.filter(|_| !findings.iter().any(|found| base_tests::is_failure(&found.code))) {
        Some(test) => format!("{}; in the last pass {last}", test.outcome),
        None => last.to_owned(),
    };
    let reason = format!("failed after {}: {why}", text::counted(plan.passes, "coder pass"));
    report.findings.extend(findings);
    End::new(Verdict::Blocked, text::clip(&text::safe(&reason), 500))
}

/// Runs the order's commands in sequence, up to the first that fails.
fn run_commands(context: &mut StageContext) -> Result<Option<End>> {
    let mut stage = context.new_stage(COMMANDS, 1);
    let commands = context.report.work.order.commands.clone();
    for (i, command) in commands.iter().enumerate() {
        let label = text::safe(&command.title());
        (context.say)(&format!("[{}/{}] {label}", i + 1, commands.len()));
        let name = format!("{}-{}", i + 1, names::slug(&label));
        let done = match context.run(command, &name, &mut stage.commands)? {
            Continue(done) => done,
            Break(end) => return Ok(Some(unfinished(context, stage, end))),
        };
        (context.say)(&format!("      {} in {}s", done.outcome, done.duration_seconds));
        stage.duration_seconds += done.duration_seconds;
        if !done.succeeded() {
            let end = End::new(Verdict::Failed, format!("{}: {}", done.label, done.outcome));
            return Ok(Some(unfinished(context, stage, end)));
        }
    }
    stage.passed = true;
    stage.outcome = text::counted(commands.len(), "command");
    keep_evidence(context, &[])?;
    commit::checkpoint(context, stage)?;
    Ok(None)
}

/// Runs the stage of a role.
fn run_role(context: &mut StageContext, role: &str, round: u32, findings: Vec<Finding>) -> Result<Option<End>> {
    let order = &context.report.work.order;
    let Some(resolved) = roles::resolve(context.hub, order, role)? else {
        anyhow::bail!("the {role} is not bound, although the order was accepted");
    };
    (context.say)(&format!("{role}, round {round}"));
    let material = material(context, role, findings)?;
    let mut stage = context.new_stage(role, round);
    if let Some(end) = run_resolved(context, &resolved, &material, &mut stage)? {
        return Ok(Some(unfinished(context, stage, end)));
    }
    if role == CODER {
        check_coder(context, &mut stage)?;
    }
    commit::checkpoint(context, stage)?;
    Ok(None)
}

fn run_resolved(
    context: &mut StageContext,
    resolved: &ResolvedRole,
    material: &Material,
    stage: &mut StageReport,
) -> Result<Option<End>> {
    match resolved {
        ResolvedRole::Agent { agent, model } => invoke::agent(context, agent, model.as_deref(), material, stage),
        ResolvedRole::Command(line) => invoke::command(context, line, stage),
    }
}

/// Reports a stage that has no checkpoint; the next attempt runs it again.
fn unfinished(context: &mut StageContext, mut stage: StageReport, end: End) -> End {
    stage.passed = false;
    stage.outcome.clone_from(&end.reason);
    context.report.stages.push(stage);
    end
}

/// Checks the coder's work: runs its suggested commands, saves its receipts, and reports what is missing.
fn check_coder(context: &mut StageContext, stage: &mut StageReport) -> Result<()> {
    suggestions::run(context, stage)?;
    let named = stage.answer.iter().flat_map(|answer| answer.receipts.clone());
    let named: Vec<_> = named.map(|path| ExpectedReceipt { description: None, path }).collect();
    keep_evidence(context, &named)?;
    let mut findings: Vec<_> =
        collect::missing(context.hub, context.report).into_iter().filter(Finding::stops).collect();
    let expects = !context.report.work.order.expected_receipts.is_empty();
    // Receipts that existed before do not prove that work was done.
    let satisfied = expects && findings.is_empty() && collect::is_new(context.hub, &context.report.evidence);
    let place = context.report.place()?;
    let tip = place.tip();
    let repository = place.repository()?;
    if repository.snapshot(tip)?.tree == repository.repo().find_commit(tip)?.tree_id() && !satisfied {
        findings.push(Finding::high("coder.no_change", "", "the coder changed nothing"));
    }
    let carried: Vec<_> =
        context.report.stages.iter().filter(|s| s.name == FORWARD_PORT).flat_map(|s| s.findings.clone()).collect();
    findings.extend(forward_port::unresolved(place, &carried));
    if !findings.is_empty() {
        findings.extend(stage.notes.iter().filter(|note| note.code == invoke::UNREADABLE).cloned());
    }
    stage.passed = findings.is_empty();
    if let Some(first) = findings.first() {
        stage.outcome = text::clip(&text::safe(&first.message), 200);
    }
    stage.findings = findings;
    Ok(())
}

/// Saves the receipts that a stage left and those that its answer names. They are on disk before the checkpoint, after
/// which the stage never runs again.
fn keep_evidence(context: &mut StageContext, named: &[ExpectedReceipt]) -> Result<()> {
    collect::add(context.hub, context.report, &context.runner.receipts(), named)?;
    evidence::save(context.hub, context.report.work.job(), &context.report.evidence)
}

/// Runs the order's tests, then the tester, if there is one.
fn run_tester(context: &mut StageContext, round: u32) -> Result<Option<End>> {
    let mut stage = context.new_stage(TESTER, round);
    (context.say)(&format!("tests, round {round}"));
    if let Some(end) = checks::run_tests(context, &mut stage)? {
        return Ok(Some(unfinished(context, stage, end)));
    }
    context.report.tests.clone_from(&stage.tests);
    let order = &context.report.work.order;
    let wanted = order.stages.iter().any(|name| name == TESTER);
    let resolved = if wanted && stage.passed { roles::resolve(context.hub, order, TESTER)? } else { None };
    if let Some(resolved) = resolved {
        // The tester gets the tree as the coder left it, without changes made by the tests.
        commit::take_back(context, &mut stage)?;
        (context.say)(&format!("tester, round {round}"));
        let material = material(context, TESTER, Vec::new())?;
        if let Some(end) = run_resolved(context, &resolved, &material, &mut stage)? {
            return Ok(Some(unfinished(context, stage, end)));
        }
    }
    commit::checkpoint(context, stage)?;
    Ok(None)
}

fn material(context: &StageContext, role: &str, findings: Vec<Finding>) -> Result<Material> {
    let said = |name: &str| {
        let answers =
            context.report.stages.iter().filter(|stage| stage.name == name).filter_map(|stage| stage.answer.as_ref());
        answers.map(|answer| answer.analysis.clone()).filter(|said| !said.trim().is_empty()).collect::<Vec<_>>()
    };
    let earlier = said(CODER);
    let earlier = if role == CODER { earlier.join("\n\n") } else { earlier.last().cloned().unwrap_or_default() };
    let diff = if role == REVIEWER { Some(commit::diff(context.report.place()?)?) } else { None };
    let earlier = Some(earlier).filter(|said| !said.is_empty());
    Ok(Material { plan: said(PLANNER).pop(), earlier, findings, diff, ..Material::default() })
}

/// Ports the previous order's work onto this order's base.
fn port_earlier_work(context: &mut StageContext) -> Result<Option<End>> {
    let Some(rework) = context.report.work.order.rework.clone() else { return Ok(None) };
    let place = context.report.place()?;
    let repository = place.repository()?;
    let (tree, conflicts) = forward_port::tree(repository.repo(), place.base, &rework.carry)?;
    let mut stage = context.new_stage(FORWARD_PORT, 1);
    stage.passed = true;
    stage.outcome = match conflicts.len() {
        0 => "without conflicts".into(),
        n => format!("with conflicts in {}", text::counted(n, "file")),
    };
    let target = &context.report.work.order.target_branch;
    (context.say)(&format!("moved the work onto {target}, {}", stage.outcome));
    stage.findings = conflicts;
    commit::commit(context, stage, tree)?;
    let place = context.report.place()?;
    place.repository()?.reset(&place.branch, place.tip())?;
    Ok(None)
}
