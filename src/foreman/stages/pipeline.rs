//! The stages of agents' work: performed one after the other, as the pipeline says, each to its checkpoint.

use crate::base::Result;
use crate::model::run::order::ExpectedReceipt;
use crate::model::run::outcome::{Finding, Verdict};

use super::context::Shift;
use super::next_stage::{self, CARRY, CODER, Next, PLANNER, Plan, REVIEWER, TESTER};
use super::{checks, commit, forward_port, stage_store};
use crate::foreman::calls::prompts::Material;
use crate::foreman::calls::roles::{self, Player};
use crate::foreman::calls::{invoke, unfinished};
use crate::foreman::commands::suggestions;
use crate::foreman::reporting::report::{End, Report, StageReport};
use crate::foreman::reporting::{collect, evidence};

/// Performs what no earlier attempt has committed. `Some` ends the run; otherwise all stages passed.
pub fn perform_all(shift: &mut Shift) -> Result<Option<End>> {
    let job = shift.report.work.job().to_owned();
    let plan = Plan::of(&shift.report.work.order);
    let order = &shift.report.work.order;
    let sent_back = order.rework.as_ref().map_or(&order.said_before, |rework| &rework.findings).clone();
    shift.report.stages = shift.kept.of(&shift.report.place()?.checkpoints);
    let run = shift.report.run.clone();
    unfinished::take_up(shift, &plan, &stage_store::history(&shift.report.stages))?;
    (shift.report.usage, shift.report.spent) = (shift.kept.of_run(&run), shift.kept.spent);
    // What was tested before counts: the bundle names it, and an approval runs it again.
    if let Some(tested) = shift.report.stages.iter().rfind(|stage| stage.name == TESTER) {
        shift.report.tests = tested.tests.clone();
    }
    if let Some(kept) = evidence::kept(shift.hub, &job)? {
        shift.report.evidence = kept;
    }
    let end = loop {
        shift.report.passes = next_stage::passes(&plan, &stage_store::history(&shift.report.stages));
        if let Some(end) = stopped(shift)? {
            break Some(end);
        }
        let round = match next_stage::next(&plan, &stage_store::history(&shift.report.stages), &sent_back) {
            Next::Carry => carry_over(shift)?,
            Next::Planner => played(shift, PLANNER, 1, Vec::new())?,
            Next::Coder { round, findings } => played(shift, CODER, round, findings)?,
            Next::Tester { round } => test(shift, round)?,
            // What a person asked for is judged as well as done.
            Next::Reviewer { round } => played(shift, REVIEWER, round, sent_back.clone())?,
            Next::Finished => break None,
            Next::Exhausted(findings) => break Some(exhausted(shift.report, &plan, findings)),
        };
        if round.is_some() {
            break round;
        }
    };
    let notes: Vec<_> = shift.report.stages.iter().flat_map(|stage| stage.notes.clone()).collect();
    shift.report.findings.extend(notes);
    Ok(end)
}

/// Whether the guards, the budget, consent or a wish end the run here.
fn stopped(shift: &mut Shift) -> Result<Option<End>> {
    let mut guards = checks::look(shift.hub, shift.report, shift.before)?;
    guards.extend(shift.bench.attempts());
    let stops = guards.iter().any(Finding::stops);
    shift.report.guards = guards;
    if stops {
        return Ok(Some(checks::verdict(shift.report)));
    }
    if let Some(end) = shift.over_budget() {
        return Ok(Some(end));
    }
    Ok(shift.watch.boundary()?.map(End::from))
}

fn exhausted(report: &mut Report, plan: &Plan, findings: Vec<Finding>) -> End {
    let first = findings.first().map_or("nothing more was said", |found| found.message.as_str());
    let reason = format!("not passed after {} passes of the coder: {first}", plan.passes);
    report.findings.extend(findings);
    End::new(Verdict::Blocked, crate::base::text::clip(&crate::base::text::safe(&reason), 500))
}

/// A stage that is somebody's role.
fn played(shift: &mut Shift, role: &str, round: u32, findings: Vec<Finding>) -> Result<Option<End>> {
    let order = &shift.report.work.order;
    let Some(player) = roles::player(shift.hub, order, role)? else {
        anyhow::bail!("nobody plays the {role}; the order was admitted all the same");
    };
    (shift.say)(&format!("{role}, round {round}"));
    let material = material(shift, role, findings)?;
    let mut stage = StageReport { run: Some(shift.report.run.clone()), ..StageReport::new(role, round) };
    if let Some(end) = perform(shift, &player, &material, &mut stage)? {
        return Ok(Some(unfinished(shift, stage, end)));
    }
    if role == CODER {
        coded(shift, &mut stage)?;
    }
    commit::checkpoint(shift, stage)?;
    Ok(None)
}

fn perform(shift: &mut Shift, player: &Player, material: &Material, stage: &mut StageReport) -> Result<Option<End>> {
    match player {
        Player::Agent { agent, model } => invoke::agent(shift, agent, model.as_deref(), material, stage),
        Player::Command(line) => invoke::command(shift, line, stage),
    }
}

/// A stage without a checkpoint is told, and done again by the next attempt.
fn unfinished(shift: &mut Shift, mut stage: StageReport, end: End) -> End {
    stage.passed = false;
    stage.outcome.clone_from(&end.reason);
    shift.report.stages.push(stage);
    end
}

/// What a coder left: suggestions are run, receipts secured, and what is plainly missing is found.
fn coded(shift: &mut Shift, stage: &mut StageReport) -> Result<()> {
    suggestions::perform(shift, stage)?;
    let named = stage.answer.iter().flat_map(|answer| answer.receipts.clone());
    let named: Vec<_> = named.map(|path| ExpectedReceipt { description: None, path }).collect();
    collect::add(shift.hub, shift.report, &shift.bench.receipts(), &named)?;
    evidence::keep(shift.hub, shift.report.work.job(), &shift.report.evidence)?;
    let mut findings: Vec<_> = collect::missing(shift.hub, shift.report).into_iter().filter(Finding::stops).collect();
    let expects = !shift.report.work.order.expected_receipts.is_empty();
    // What was there before satisfies nobody that something was done.
    let satisfied = expects && findings.is_empty() && collect::is_new(shift.hub, &shift.report.evidence);
    let place = shift.report.place()?;
    let tip = place.tip();
    let repository = place.repository()?;
    if repository.snapshot(tip)?.tree == repository.repo().find_commit(tip)?.tree_id() && !satisfied {
        findings.push(Finding::high("coder.no_change", "", "nothing was changed"));
    }
    let carried: Vec<_> =
        shift.report.stages.iter().filter(|s| s.name == CARRY).flat_map(|s| s.findings.clone()).collect();
    findings.extend(forward_port::unsettled(place, &carried));
    if !findings.is_empty() {
        findings.extend(stage.notes.iter().filter(|note| note.code == invoke::UNREADABLE).cloned());
    }
    stage.passed = findings.is_empty();
    if let Some(first) = findings.first() {
        stage.outcome = crate::base::text::clip(&crate::base::text::safe(&first.message), 200);
    }
    stage.findings = findings;
    Ok(())
}

/// The foreman's own tests, then the tester, if there is one.
fn test(shift: &mut Shift, round: u32) -> Result<Option<End>> {
    let mut stage = StageReport { run: Some(shift.report.run.clone()), ..StageReport::new(TESTER, round) };
    (shift.say)(&format!("tests, round {round}"));
    if let Some(end) = checks::tests_of_round(shift, &mut stage)? {
        return Ok(Some(unfinished(shift, stage, end)));
    }
    shift.report.tests.clone_from(&stage.tests);
    let order = &shift.report.work.order;
    let wanted = order.stages.iter().any(|name| name == TESTER);
    let player = if wanted && stage.passed { roles::player(shift.hub, order, TESTER)? } else { None };
    if let Some(player) = player {
        // It finds the tree as the coder left it, whatever the tests did there.
        commit::take_back(shift, &mut stage)?;
        (shift.say)(&format!("tester, round {round}"));
        let material = material(shift, TESTER, Vec::new())?;
        if let Some(end) = perform(shift, &player, &material, &mut stage)? {
            return Ok(Some(unfinished(shift, stage, end)));
        }
    }
    commit::checkpoint(shift, stage)?;
    Ok(None)
}

fn material(shift: &Shift, role: &str, findings: Vec<Finding>) -> Result<Material> {
    let said = |name: &str| {
        let answers =
            shift.report.stages.iter().filter(|stage| stage.name == name).filter_map(|stage| stage.answer.as_ref());
        answers.map(|answer| answer.analysis.clone()).filter(|said| !said.trim().is_empty()).collect::<Vec<_>>()
    };
    let earlier = said(CODER);
    let earlier = if role == CODER { earlier.join("\n\n") } else { earlier.last().cloned().unwrap_or_default() };
    let diff = if role == REVIEWER { Some(commit::diff(shift.report.place()?)?) } else { None };
    Ok(Material { plan: said(PLANNER).pop(), earlier: Some(earlier).filter(|said| !said.is_empty()), findings, diff })
}

/// The work of the order before, on this order's base.
fn carry_over(shift: &mut Shift) -> Result<Option<End>> {
    let Some(rework) = shift.report.work.order.rework.clone() else { return Ok(None) };
    let place = shift.report.place()?;
    let repository = place.repository()?;
    let (tree, conflicts) = forward_port::tree(repository.repo(), place.base, &rework.carry)?;
    let mut stage = StageReport { run: Some(shift.report.run.clone()), passed: true, ..StageReport::new(CARRY, 1) };
    stage.outcome = match conflicts.len() {
        0 => "carried over whole".into(),
        n => format!("carried over with conflicts in {n} files"),
    };
    (shift.say)(&format!("carry: {}", stage.outcome));
    stage.findings = conflicts;
    commit::commit(shift, stage, tree)?;
    let place = shift.report.place()?;
    place.repository()?.reset(&place.branch, place.tip())?;
    Ok(None)
}
