//! Runs one work order, from taking the run lock to writing the outcome.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use git2::Repository;
use serde_json::json;

use super::calls::{notes, prompts, roles};
use super::commands::runner::{self, Runner};
use super::commands::{executor, terminals};
use super::reporting::live::Publisher;
use super::reporting::report::{End, Report};
use super::reporting::{evidence, last_output, record, refused_write};
use super::routines;
use super::stages::checks::baseline::{self, Baseline};
use super::stages::checks::{self, elsewhere};
use super::stages::context::StageContext;
use super::stages::{pipeline, setup, stage_store};
use super::telemetry::StageEnd;
use super::trust;
use super::watch::{self, Halt, Watch};
use super::work::{Given, Work};
use crate::base::lock::FileLock;
use crate::base::{Exit, Refusal, Result, files, json, names};
use crate::exec::{self, Supervisor};
use crate::guard::result::{Surroundings, object_store};
use crate::guard::secrets;
use crate::hub::git::{self, object_ids};
use crate::hub::worktrees::convention::{self, Existing};
use crate::hub::worktrees::{self, Place, Wanted, job_refs};
use crate::hub::{Hub, paths};
use crate::model::run::outcome::{Finding, Outcome, Suspended, Verdict};
use crate::receipts::seen::Seen;
use crate::seats::freshness::{self, Rule};

/// How many waits for the bus lock may time out before the evidence is given up.
const PATIENCE: u32 = 12;

/// The options of a run.
pub struct Request<'a> {
    /// The order's path.
    pub order: &'a str,
    pub given: Given,
    /// `None`: a new one.
    pub run: Option<&'a str>,
    /// Started by the coordinator: consent is checked again and again.
    pub unattended: bool,
    /// A person accepts a stale session.
    pub allow_stale_session: bool,
    /// A person accepts an incomplete order.
    pub accept_gaps: bool,
}

/// Runs an order. `stop` ends it early; `say` prints progress.
///
/// # Errors
/// Only when the order cannot be read or another run of the task is alive. Everything else is an outcome, whose file
/// is written last.
pub fn run(hub: &Hub, request: &Request, stop: &AtomicBool, say: &dyn Fn(&str)) -> Result<Outcome> {
    let started_at = hub.now();
    let work = Work::read(hub, request.order, &request.given)?;
    let run = match request.run {
        Some(run) => names::check_id("run", run)?.to_owned(),
        None => format!("run-{}-{}", started_at.compact(), std::process::id()),
    };
    let path = hub.local(&paths::run_lock(&work.order.task_id));
    let Some(lock) = FileLock::try_acquire(&path, &format!("run {run}"))? else {
        return Err(already_running(&work, &path).into());
    };
    if hub.local(&paths::outcome(&run)).exists() {
        return Err(Refusal::guard("run.over", format!("run {run} has already ended"))
            .because("its outcome exists, and a run is one attempt")
            .next("start a new run with another --run")
            .into());
    }
    let mut report = Report::new(&work, &run, started_at);
    let live = Publisher::start(hub, &work, &run, started_at);
    let attempted = attempt(hub, request, &lock, &mut report, stop, &live, &|line| {
        live.said(line);
        say(line);
    });
    live.trace.describe(report.stages.iter().map(|stage| StageEnd {
        name: &stage.name,
        round: stage.round,
        passed: stage.passed,
        tokens: stage.usage.tokens(),
        outcome: &stage.outcome,
    }));
    let checked = attempted.is_ok();
    let outcome = match attempted {
        Ok(end) => finish(hub, report, end)?,
        Err(e) => {
            let lost = lost_objects(hub, &report, &e);
            let end = match &lost {
                Some(found) => {
                    let verdict = if report.has_begun() { Verdict::Blocked } else { Verdict::Refused };
                    End::new(verdict, found.message.clone())
                }
                None => {
                    report.suspended = without_engine(hub, &e);
                    failed(&report, &e)
                }
            };
            report.needs_person |= lacks_rights(&e);
            report.findings.extend(lost.or_else(|| advice(&e)));
            finish(hub, report, end)?
        }
    };
    let path = hub.local(&paths::outcome(&run));
    // It exists if it was recorded with the envelope.
    if !path.exists() {
        files::create_parent(&path)?;
        files::replace(&path, (json::pretty(&outcome) + "\n").as_bytes())?;
    }
    live.trace.send(&outcome);
    if checked && matches!(outcome.verdict, Verdict::Succeeded | Verdict::Blocked) {
        baseline::forget(hub, work.job());
    }
    if outcome.verdict == Verdict::Succeeded {
        evidence::forget(hub, work.job());
        stage_store::forget(hub, work.job());
        notes::keep(hub, work.job(), &work.order.task_id);
    }
    Ok(outcome)
}

fn already_running(work: &Work, lock: &std::path::Path) -> Refusal {
    let holder = crate::base::lock::holder(lock).unwrap_or_else(|| "another process".into());
    Refusal::held("run.alive", format!("a run of {} is active", work.order.task_id))
        .because(format!("its run lock is held by {holder}"))
        .next("wait for that run to end, or see it: teof status")
}

/// Runs everything between lock and envelope.
fn attempt(
    hub: &Hub,
    request: &Request,
    lock: &FileLock,
    report: &mut Report,
    stop: &AtomicBool,
    live: &Publisher,
    say: &dyn Fn(&str),
) -> Result<End> {
    let work = report.work;
    admit(hub, request, report)?;
    let mut watch = Watch::start(hub, work, &report.run.clone(), lock, stop, request.unattended)?;
    if let Some(halt) = watch.check_halt()? {
        return Ok(End::from(halt));
    }
    let supervisor = Supervisor::new()?;
    let settings = hub.settings()?.worker.clone();
    let run = report.run.clone();
    end_leftovers(hub, work, settings.grace, &run, say)?;
    // Read what earlier runs saved before any program of this run starts.
    let mut seen = Seen::load(hub);
    report.before = Some(routines::first_round(hub, work.scan_before, &mut seen)?);
    let place = prepare_worktree(hub, report, say)?;
    let runner = Runner::new(live, work, &supervisor, &settings, &place, request.unattended)?;
    report.session = runner.session.display().to_string();
    report.sandbox = Some(runner.sandbox().clone());
    report.limits = runner.limits().to_vec();
    let _guardian = supervisor.start_reaper(&runner.own_marks(), settings.grace, runner.after_death(&run))?;
    report.place = Some(place);
    if let Some(end) = setup::make_ready(hub, report, &runner, &mut watch, request.unattended, say)? {
        return Ok(end);
    }
    // After the set-up: it was granted and may install hooks.
    let Baseline { state: before, is_new } = baseline::load_or_record(hub, work, report.place()?)?;
    let is_new = is_new && report.place()?.is_new && hub.settings()?.worktrees.setup.is_empty();
    let store = stage_store::StageStore::load(hub, work.job())?;
    let (runner, watch) = (&runner, &mut watch);
    let mut context = StageContext { hub, report, runner, watch, before: &before, is_new, store, say, live };
    let end = pipeline::run_stages(&mut context)?;
    report.findings.extend(elsewhere::found(hub, report, runner, &before)?);
    let first = report.before.as_mut();
    report.after = Some(routines::last_round(hub, work.scan_after, &mut seen, &work.order.task_id, first)?);
    if let Some(end) = end {
        return match watch.lost() {
            Some(why) => Ok(End::from(Halt::Lost(why))),
            None => {
                let end = lock.check().map_or_else(|e| End::from(Halt::Paused(format!("{e:#}"))), |()| end);
                unfinished(hub, report, runner, &before, end)
            }
        };
    }
    // Other findings are only reported; the coordinator or a person handles them.
    let stops = |found: &Finding| found.stops() && routines::concerns(found, &work.order);
    let new: Vec<_> = report.new_findings().into_iter().filter(stops).collect();
    report.findings.extend(new);
    Ok(checks::verdict(report))
}

/// The worktree of the job, at its last checkpoint.
fn prepare_worktree(hub: &Hub, report: &mut Report, say: &dyn Fn(&str)) -> Result<Place> {
    let work = report.work;
    let wanted = Wanted {
        job: work.job(),
        task: &work.order.task_id,
        run: &report.run,
        agent: &work.order.agent_id,
        branch: &work.order.branch,
        base: &work.order.base_commit,
        before: &work.known_before(),
    };
    if work.order.branch.starts_with("agent/")
        && let Existing::Unusable(why) =
            convention::existing(hub, &work.order.task_id, &work.order.target_branch, &|branch| {
                terminals::why_not(hub, branch)
            })?
    {
        say(&format!("a worktree of its own: {why}"));
    }
    let place = worktrees::prepare(hub, &wanted)?;
    say(&format!("worktree {} on {}", place.root.display(), place.branch));
    report.kept_refs.extend(place.parked.clone());
    Ok(place)
}

/// Ends work that did not reach its guards. The checks run here, because a retry compares with what this run left.
fn unfinished(hub: &Hub, report: &mut Report, runner: &Runner, before: &Surroundings, end: End) -> Result<End> {
    if !matches!(end.verdict, Verdict::Failed | Verdict::Paused) {
        return Ok(end);
    }
    let mut found = checks::stray_changes(hub, report, runner, before)?;
    found.retain(Finding::stops);
    if found.is_empty() && !report.findings.iter().any(|found| found.stops() && elsewhere::is_outside_change(found)) {
        return Ok(end);
    }
    report.findings.extend(found);
    let mut checked = checks::verdict(report);
    checked.reason = format!("{}; earlier: {}", checked.reason, end.reason);
    Ok(checked)
}

/// Checks whether the run may begin. Refuses before anything starts.
fn admit(hub: &Hub, request: &Request, report: &mut Report) -> Result<()> {
    let order = &report.work.order;
    let missing = order.missing();
    if !missing.is_empty() && !request.accept_gaps {
        return Err(incomplete(&missing, &report.work.path).into());
    }
    if report.by_agents() {
        // After a kill between the last stage and the report no agent is needed any more.
        let store = stage_store::StageStore::load(hub, report.work.job())?;
        if !store.is_finished(order, &report.work.sent_back()) {
            roles::require(hub, order)?;
        }
        for role in &order.stages {
            prompts::template(hub, order, role)?;
        }
    } else if order.commands.is_empty() {
        return Err(Refusal::guard("order.nothing_to_run", "the order has no commands")
            .because("an order that runs nothing completes nothing")
            .next("give its step commands or an agent, or set [commands] default in teof.toml")
            .into());
    }
    executor::check(hub)?;
    let rule = Rule { allow_stale: request.allow_stale_session, ..Rule::default() };
    if let Some(passed) = freshness::require(hub, &order.agent_id, rule, "foreman run")? {
        let mut transaction = crate::hub::Transaction::new("record a session override");
        passed.record(&mut transaction);
        hub.lock("foreman run")?.commit(transaction)?;
    }
    watch::own_claim(hub, report.work)?;
    if request.unattended {
        trust::require(hub, order)?;
    }
    Ok(())
}

/// Refuses an incomplete order and lists what is missing.
pub fn incomplete(missing: &[&str], path: &str) -> Refusal {
    Refusal::guard("order.incomplete", format!("the order lacks: {}", missing.join(", ")))
        .because("teof does not start work without a goal, acceptance, verification, risk limit, recovery and targets")
        .next("complete the plan step it was made from and assign it again")
        .next(format!("or run it anyway, as a person: teof foreman run {path} --execute --accept-gaps"))
        .with("missing", json!(missing))
}

/// Stops processes that an earlier attempt of the job left running; this run holds the task's run lock.
fn end_leftovers(hub: &Hub, work: &Work, grace: Duration, run: &str, say: &dyn Fn(&str)) -> Result<()> {
    let earlier = worktrees::last_run(hub, work.job());
    for run in earlier.iter().map(String::as_str).chain([run]) {
        let (ended, survivors) = exec::end_marked(runner::marks(hub, run), grace);
        if !ended.is_empty() {
            say(&format!("stopped {} left over from run {run}", crate::base::text::counted(ended.len(), "process")));
        }
        anyhow::ensure!(survivors.is_empty(), "cannot stop processes of run {run}: {survivors:?}");
        executor::remove_left(hub, run)?
            .iter()
            .for_each(|left| say(&format!("removed {left}, left over from run {run}")));
    }
    Ok(())
}

/// An engine that does not answer is an outage of all that needs it: the job waits, and no attempt has failed.
fn without_engine(hub: &Hub, error: &anyhow::Error) -> Option<Suspended> {
    let refusal = Refusal::of(error).filter(|refusal| ["docker.no_engine", "docker.lost"].contains(&refusal.code))?;
    let engine = hub.settings().map_or("docker", |settings| settings.worker.docker.engine.program());
    let reason = refusal.reason.as_deref().unwrap_or_default();
    let reason = secrets::redact(&format!("{refusal}: {reason}"));
    Some(Suspended { agent: engine.to_owned(), until: hub.now(), reason, outage: true })
}

/// Maps an error to the run's end. Before anything started, a refusal refuses the run. A full disk, a lock timeout, a
/// killed git or a missing image fails the attempt, because the next one may succeed.
fn failed(report: &Report, error: &anyhow::Error) -> End {
    let refusal = Refusal::of(error);
    let passes = |refusal: &Refusal| {
        let outside = ["disk.", "docker.", "tmux."].iter().any(|what| refusal.code.starts_with(what));
        refusal.exit == Exit::TimedOut || outside || refusal.code == git::KILLED
    };
    let passing = refusal.is_none_or(passes);
    let mut reason = format!("{error:#}");
    if let Some(why) = refusal.and_then(|refusal| refusal.reason.as_deref()) {
        reason = format!("{reason}: {why}");
    }
    let verdict = match (passing, refusal.map(|refusal| refusal.exit)) {
        _ if report.suspended.is_some() => Verdict::Paused,
        (true, _) => Verdict::Failed,
        (false, Some(Exit::Unattended)) => Verdict::Paused,
        (false, _) if report.has_begun() => Verdict::Blocked,
        (false, _) => Verdict::Refused,
    };
    End::new(verdict, reason)
}

/// What git's store lacks of the work, where a fault may come from that.
fn lost_objects(hub: &Hub, report: &Report, error: &anyhow::Error) -> Option<Finding> {
    if Refusal::of(error).is_some() {
        return None;
    }
    let order = &report.work.order;
    let (base, tip) = match &report.place {
        Some(place) => (place.base, place.tip()),
        // The fault came while the worktree was prepared.
        None => {
            let base = object_ids::parse(&order.base_commit).ok()?;
            (base, job_refs::newest(&Repository::open_bare(&hub.common_dir).ok()?, report.work.job()).unwrap_or(base))
        }
    };
    let carried = order.rework.as_ref().and_then(|rework| object_ids::parse(&rework.carry).ok());
    let tips = [Some(tip), carried].into_iter().flatten();
    tips.filter_map(|tip| object_store::missing(&hub.common_dir, base, tip).ok()?).next()
}

/// Whether a write failed because this user may not write there: a retry would fail again.
fn lacks_rights(error: &anyhow::Error) -> bool {
    Refusal::of(error).is_some_and(|refusal| refusal.code == "disk.read_only")
}

/// Retries while the bus lock times out, so that finished work is not lost to contention.
fn retry_while_locked<T>(mut transaction: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..PATIENCE {
        match transaction() {
            Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.exit == Exit::TimedOut) => {}
            done => return done,
        }
    }
    transaction()
}

/// A refusal as a finding with its fixes, for readers of the outcome.
fn advice(error: &anyhow::Error) -> Option<Finding> {
    let refusal = Refusal::of(error)?;
    Some(Finding::high(refusal.code, "", refusal.message.clone()).hint(refusal.next.join("; or: ")))
}

/// Writes the run into the record and returns its outcome.
fn finish(hub: &Hub, mut report: Report, mut end: End) -> Result<Outcome> {
    if end.verdict != Verdict::Succeeded {
        report.last_output = last_output::find(&report);
    }
    if matches!(end.verdict, Verdict::Failed | Verdict::Blocked) {
        end.reason = refused_write::explain(hub, &mut report, end.reason);
    }
    let written = match (report.has_begun(), end.verdict) {
        (true, _) => retry_while_locked(|| record::write(hub, &mut report, &end)).map(Some),
        (false, Verdict::Refused) => record::write_refusal(hub, &report, &end).map(|()| None),
        (false, _) => Ok(None),
    };
    match written {
        Ok(Some(outcome)) => Ok(outcome),
        Ok(None) => Ok(report.outcome(&end, None, hub.now())),
        // The next holder of the bus lock completes it, including the outcome; a second outcome must not be written.
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == "write.uncertain") => Err(e),
        Err(e) if report.has_begun() => {
            // Work without evidence does not count. It is committed, so the next attempt continues from there.
            let end = End::new(Verdict::Failed, format!("{}; cannot write the envelope: {e:#}", end.reason));
            report.needs_person |= lacks_rights(&e);
            report.receipts.clear();
            Ok(report.outcome(&end, None, hub.now()))
        }
        Err(e) => {
            tracing::debug!("cannot write the error log: {e:#}");
            Ok(report.outcome(&end, None, hub.now()))
        }
    }
}
