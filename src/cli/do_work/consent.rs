//! Consent to exactly the one job that `teof do` was called for: asked for where none stands, and taken back when no
//! job has used it.

use std::cell::{Cell, RefCell};

use super::target::Target;
use crate::base::{Refusal, Result, Stamp, text};
use crate::cli::App;
use crate::cli::support::ask;
use crate::coordinator::state::{State, store};
use crate::guard::consent::{self, Action, Actor, Cycle, Doubt, Standing};
use crate::guard::operator;
use crate::hub::Hub;
use crate::ops::consent::{self as ops, Changes, grant};

/// The consent that one call of `teof do` was given.
#[derive(Default)]
pub struct OneJob {
    /// A person allowed the job; nothing is granted yet.
    is_allowed: Cell<bool>,
    taken: RefCell<Option<(Target, Stamp)>>,
}

impl OneJob {
    /// Asks for consent where none covers the work; `None`: it has no name yet. Nothing is granted.
    ///
    /// # Errors
    /// `do.consent` (exit 6) when the person says no, or cannot be asked.
    pub fn ask(&self, app: &App, hub: &Hub, yes: bool, target: Option<&Target>) -> Result<()> {
        if self.is_allowed.get() {
            return Ok(());
        }
        let Err(missing) = allows(hub, target)? else { return Ok(()) };
        let question =
            "Allow this one job and start it now? It works in a worktree of its own; nothing is merged without you.";
        let can_ask = ask::is_possible(app) && operator::require("grant consent").is_ok();
        match yes {
            true => drop(operator::require("grant consent")?),
            false if !can_ask => return Err(no_consent(&missing).into()),
            false if !ask::yes(question, true)? => {
                return Err(Refusal::unattended("do.consent", "not started: you said no").into());
            }
            false => {}
        }
        self.is_allowed.set(true);
        Ok(())
    }

    /// Grants consent to this work alone where none covers it, after asking.
    ///
    /// # Errors
    /// As [`OneJob::ask`].
    pub fn take(&self, app: &App, hub: &Hub, yes: bool, target: &Target) -> Result<()> {
        if covers(hub, target)? {
            return Ok(());
        }
        self.ask(app, hub, yes, Some(target))?;
        if let Some(note) = replaced(hub)?.filter(|_| !app.json()) {
            app.say(note);
        }
        // The limits of the file stay as they are for the next grant of all tasks.
        let once = Changes { only: Some(one_job(hub, target)?), ..Changes::default() };
        grant(hub, &operator::name(hub, None)?, &once)?;
        // Who revokes it meanwhile is asked again.
        self.is_allowed.set(false);
        self.taken.replace(Some((target.clone(), app.now())));
        Ok(())
    }

    /// Takes the consent back when no job has started under it.
    ///
    /// # Errors
    /// When the state or the trust file cannot be read or written.
    pub fn take_back_unused(&self, app: &App, hub: &Hub) -> Result<()> {
        let Some((target, at)) = self.taken.take() else { return Ok(()) };
        let used = |state: &State| {
            state.jobs.iter().any(|job| target.is_done_by(job) && (!job.is_over() || job.chosen_at >= at))
        };
        if used(&store::load(hub)?) {
            return Ok(());
        }
        ops::take_back(hub, &app.speaker()?, &target.name)?;
        if !app.json() {
            app.say("Revoked the consent again: no job used it.");
        }
        Ok(())
    }
}

/// What the consent to one job replaces: a grant of all tasks that waits for a person since a file of it was changed.
fn replaced(hub: &Hub) -> Result<Option<String>> {
    let (standing, state) = (consent::standing(hub)?, store::load(hub)?);
    let (Some(Doubt::Changed(file)), Some(grant), Some(written)) =
        (&standing.doubt, &standing.grant, &standing.written)
    else {
        return Ok(None);
    };
    if grant.only.is_some() {
        return Ok(None);
    }
    let (left, again) = match written.continuous {
        true => ("no limit of jobs".to_owned(), "--continuous".to_owned()),
        false => match written.max_iterations.saturating_sub(started(&state, &standing)) {
            0 => return Ok(None),
            left => (format!("{} left", text::counted(left, "job")), format!("--max-jobs {left}")),
        },
    };
    Ok(Some(format!(
        "note: {file} changed since consent was granted ({left}); only this one job is allowed now; to allow the others \
         again: teof consent grant {again}"
    )))
}

/// Whether the consent that stands covers the work.
///
/// # Errors
/// When the state or the trust file cannot be read.
pub fn covers(hub: &Hub, target: &Target) -> Result<bool> {
    Ok(allows(hub, Some(target))?.is_ok())
}

/// The inner error says why the consent that stands does not cover the work.
fn allows(hub: &Hub, target: Option<&Target>) -> Result<Result<()>> {
    let (standing, state) = (consent::standing(hub)?, store::load(hub)?);
    let (task, plan, step) = target.map_or(("", None, None), Target::names);
    let allowed = standing.require_job(task, plan, step);
    match target.and_then(|target| target.job(&state)) {
        // Nothing has to run before a person decides about its result.
        Some(job) if job.is_under_review() => return Ok(Ok(())),
        Some(_) => return Ok(allowed),
        None => {}
    }
    if let (Some(only), Some(grant)) = (standing.only(), &standing.grant)
        && allowed.is_ok()
        && !state.has_job_left(only, grant.at, task, plan, step)
    {
        let used = Refusal::unattended("consent.refused", "consent does not allow another job of this work");
        return Ok(Err(used.because("one job of it was allowed, and has started").into()));
    }
    let cycle = Cycle { done: started(&state, &standing), ..Cycle::default() };
    Ok(allowed.and_then(|()| standing.require(Actor::Coordinator, Action::Cycle(cycle))))
}

/// What to grant: one job of this work, besides what may go on already.
fn one_job(hub: &Hub, target: &Target) -> Result<ops::OneJob> {
    let (standing, state) = (consent::standing(hub)?, store::load(hub)?);
    let is_live = |task: &String| state.live_jobs().any(|job| job.is_called(task));
    let spent =
        standing.only().filter(|only| started(&state, &standing) >= only.jobs && !only.tasks.iter().any(is_live));
    let is_general = standing.only().is_none() && standing.require(Actor::Coordinator, Action::Execute).is_ok();
    let going_on = state.live_jobs().filter(|_| is_general).map(|job| job.task.clone());
    Ok(ops::OneJob {
        name: target.name.clone(),
        going_on: going_on.collect(),
        spent: spent.and(standing.grant.as_ref()).map(|grant| grant.at),
    })
}

/// How many jobs have started under the consent that stands.
fn started(state: &State, standing: &Standing) -> u64 {
    let is_counted = standing.grant.as_ref().zip(state.grant.as_ref()).is_some_and(|(one, other)| one.at == other.at);
    if is_counted { state.chosen_since_grant() } else { 0 }
}

fn no_consent(missing: &anyhow::Error) -> Refusal {
    let why = Refusal::of(missing).and_then(|refusal| refusal.reason.clone());
    Refusal::unattended("do.consent", "no consent to run this job unattended")
        .because(why.unwrap_or_else(|| missing.to_string()))
        .next("allow this one job: add --yes")
}
