//! `teof do`: one piece of work from the words to the merge.

mod consent;
mod target;
mod work;

use std::process::ExitCode;

use serde_json::json;

use crate::cli::unattended::coordinator::objective::Details;
use crate::cli::unattended::coordinator::{commands, last_output, send};
use consent::OneJob;
use target::Target;

use crate::base::{Exit, Refusal, Result, text};
use crate::cli::App;
use crate::cli::review::{approve, decide};
use crate::cli::support::ask;
use crate::cli::support::command_line;
use crate::cli::support::help::MORE;
use crate::coordinator::process::{self, Ended};
use crate::coordinator::state::input::{Leave, LeftAs};
use crate::coordinator::state::{Ending, Job, Phase, State, store};
use crate::guard::operator;
use crate::hub::Hub;
use crate::plans;
use crate::review::approve::is_missing;
use crate::review::bundles;

/// Do one piece of work now: run it, show the result, ask to merge
///
/// Describe what you want in a sentence, or name one task. The work runs under the same rules as
/// `teof run`, and nothing else starts. On a terminal you are asked to allow the job, where no consent
/// covers it, and what to do with the result. A running
/// `teof run` takes it; beside another `teof do` it waits.
///
/// Exit codes: 0 merged, or the result waits for review; 1 blocked or rejected; 5 it waits: for an answer, for time,
/// for other work, or for whoever holds it; 6 consent is missing.
///
/// With --json: {task, job, short, phase, reason, review}; after --approve the document of `teof approve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof do \"Document the parser\" --test true --yes\n\
\x20 teof do QUEUE-001 --yes")]
pub struct Args {
    /// What you want, or the name of one task (then without --test, --notes and the like)
    what: String,
    /// A test command that must pass, besides those of the settings; repeatable
    #[arg(long = "test", value_name = "COMMAND", value_parser = command_line::parse)]
    tests: Vec<String>,
    /// More details for the agent
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// Allow this one job without asking; unfinished work of the same words is continued
    #[arg(long, short)]
    yes: bool,
    /// Merge the result without asking when it was tested and every check passed
    #[arg(long)]
    approve: bool,
    /// Name of the plan [default: made from your words]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    name: Option<String>,
    /// How to tell that it is done [default: your words]
    #[arg(long, value_name = "TEXT", help_heading = MORE)]
    acceptance: Option<String>,
    /// Most lines that may be added plus removed
    #[arg(long, value_name = "LINES", help_heading = MORE)]
    diff_limit: Option<u64>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    operator::run::refuse("start other work")?;
    if args.approve {
        operator::require("approve work")?;
    }
    let consent = OneJob::default();
    let done = submit_and_work(app, hub, &args, &consent);
    let taken_back = consent.take_back_unused(app, hub);
    let code = done?;
    taken_back.map(|()| code)
}

fn submit_and_work(app: &App, hub: &Hub, args: &Args, consent: &OneJob) -> Result<ExitCode> {
    let details = Details {
        name: args.name.clone(),
        acceptance: args.acceptance.clone(),
        tests: args.tests.clone(),
        diff_limit: args.diff_limit,
        notes: args.notes.clone(),
        priority: None,
    };
    let wanted = target::wanted(app, hub, &args.what, details, args.yes)?;
    check_breaker(hub, wanted.target())?;
    say_target(app, hub)?;
    consent.ask(app, hub, args.yes, wanted.target())?;
    let target = target::submit(app, hub, &args.what, wanted)?;
    loop {
        consent.take(app, hub, args.yes, &target)?;
        let ended = work::work(app, hub, &target)?;
        let state = store::load(hub)?;
        let Some(job) = target.newest(&state) else {
            // Another job may have used the last consent of a running coordinator.
            if consent::covers(hub, &target)? {
                check_breaker(hub, Some(&target))?;
                return Err(not_started(hub, &target, ended).into());
            }
            continue;
        };
        match &job.phase {
            Phase::Held | Phase::Waiting { .. }
                if ended.as_ref().is_some_and(|ended| ended.leave == Leave::Breaker) =>
            {
                return check_breaker(hub, Some(&target)).map(|()| ExitCode::from(5));
            }
            Phase::Review { .. } => match review(app, hub, job, args.approve)? {
                decide::Decided::SentBack => continue,
                decided => return finish(app, hub, &target, decided),
            },
            Phase::Question { .. } if ask::is_possible(app) => {
                if !answer(app, job)? {
                    return finish(app, hub, &target, decide::Decided::Later);
                }
            }
            _ => return finish(app, hub, &target, decide::Decided::Later),
        }
    }
}

/// Says where the work comes from and goes to, when the person is on another branch.
fn say_target(app: &App, hub: &Hub) -> Result<()> {
    let here = hub.here.branch().filter(|_| hub.here.root != hub.root);
    if let (Some(here), Some(target)) = (here, hub.target()?)
        && here != target
        && !app.json()
    {
        let (here, target) = (text::safe(&here), text::safe(&target));
        app.say(format!(
            "note: you are on {here}; the work starts from {target} and is merged to {target} (git.target)"
        ));
    }
    Ok(())
}

/// Refuses while the breaker is open and nothing would start; a result or a question of the work is there for a person.
///
/// # Errors
/// `do.breaker` (exit 6).
fn check_breaker(hub: &Hub, target: Option<&Target>) -> Result<()> {
    let state = store::load(hub)?;
    let Some(trip) = &state.breaker.open else { return Ok(()) };
    let job = target.and_then(|target| target.newest(&state));
    if process::holder(hub)?.is_some() || job.is_some_and(|job| job.is_under_review() || job.asks()) {
        return Ok(());
    }
    let refusal = Refusal::unattended("do.breaker", "not started: the breaker is open")
        .because(text::safe(&trip.reason))
        .next("after fixing the cause: teof coordinator reset-breaker");
    Err(match target {
        Some(target) => refusal.next(format!("then: teof do {}", text::shell_word(&target.name))),
        None => refusal.next("see what was blocked: teof status"),
    }
    .into())
}

fn not_started(hub: &Hub, target: &Target, ended: Option<Ended>) -> Refusal {
    let task = &target.name;
    // A plan is passed over as its next step.
    let plan = plans::find(hub, task).ok();
    let is_its_step = |passed: &str| {
        let named = |found: &plans::PlanFile| {
            found
                .plan
                .steps()
                .iter()
                .any(|step| step.id().is_some_and(|id| found.plan.task_of(found.id(), id) == passed))
        };
        plan.as_ref().is_some_and(named)
    };
    let is_meant = |passed: &str| passed == task || passed == target.names().0 || is_its_step(passed);
    let all = ended.iter().flat_map(|ended| ended.passed.iter().chain(&ended.uncounted));
    let passed = all.into_iter().find(|passed| is_meant(&passed.task));
    let why = passed.map(|passed| passed.why.clone()).or_else(|| ended.as_ref().and_then(|ended| ended.why.clone()));
    let exit = match passed.map(|passed| passed.left) {
        None | Some(LeftAs::NotAllowed) => Exit::Unattended,
        Some(LeftAs::Blocked) => Exit::Refused,
        Some(_) => Exit::TimedOut,
    };
    let refusal = Refusal::new(exit, "do.not_started", format!("{} was not started", text::safe(task)))
        .because(why.unwrap_or_else(|| "the coordinator ended before it could".to_owned()));
    match process::holder(hub) {
        Ok(Some(_)) => refusal.next("see how things stand: teof status"),
        _ => refusal.next(format!("see why: teof coordinator explain {}", text::safe(task))),
    }
    .next(format!("it stays queued; start it: teof do {}", text::safe(task)))
}

/// Has a person decide about the result, or approves it as they said before.
fn review(app: &App, hub: &Hub, job: &Job, approve_passing: bool) -> Result<decide::Decided> {
    let entry = bundles::find(hub, &job.id)?;
    let say_summary = || {
        if !app.json() {
            app.say(decide::summary(&entry));
        }
    };
    if approve_passing && entry.bundle.is_passing() {
        say_summary();
        approve::run(approve::Args::of(&job.id), app)?;
        return Ok(decide::Decided::Approved);
    }
    if ask::is_possible(app) && operator::require("decide about work").is_ok() {
        return decide::ask(app, hub, &job.id);
    }
    say_summary();
    Ok(decide::Decided::Later)
}

/// Shows the question of the job's agent and sends what the person answers; false when they say nothing.
fn answer(app: &App, job: &Job) -> Result<bool> {
    last_output::output(job, "").iter().for_each(|line| app.say(line));
    let Some(said) = ask::line("Your answer:")?.filter(|said| !said.is_empty()) else { return Ok(false) };
    let command = commands::allowed_answer(job.task.clone(), &said)?;
    let sent = send::have_done(app, &app.speaker()?, command, None)?;
    Ok(sent.is_none_or(|sent| sent.ok))
}

/// Says how the work stands, and what a person can do next.
fn finish(app: &App, hub: &Hub, target: &Target, decided: decide::Decided) -> Result<ExitCode> {
    let state = store::load(hub)?;
    let Some(job) = target.newest(&state) else { return Err(not_started(hub, target, None).into()) };
    let reason = job.last.as_ref().map(|last| last.reason.clone());
    let code = match &job.phase {
        Phase::Review { .. } => 0,
        Phase::Over { ending: Ending::Done, .. } | Phase::Finalizing { ending: Ending::Done } => 0,
        Phase::Over { .. } | Phase::Finalizing { .. } => 1,
        _ => 5,
    };
    if app.json() {
        let document = json!({
            "task": job.task, "job": job.id, "short": job.short(), "phase": job.phase, "reason": reason, "review": job.is_under_review(),
        });
        // The decision printed its own document.
        if decided != decide::Decided::Approved {
            app.result(&document, String::new);
        }
        return Ok(ExitCode::from(code));
    }
    say_end(app, hub, &state, job);
    if matches!(job.phase, Phase::Held | Phase::Waiting { .. }) {
        app.say(format!("Continue it: teof do {}", text::safe(&target.name)));
    }
    Ok(ExitCode::from(code))
}

/// What became of the job, what it cost, and what is next.
fn say_end(app: &App, hub: &Hub, state: &State, job: &Job) {
    let name = text::safe(&format!("{} {}", job.short(), job.title));
    match &job.phase {
        // What it cost stands in the summary above.
        Phase::Review { .. } => return app.say(format!("Waiting for review: {name}. Decide: teof review")),
        Phase::Over { ending: Ending::Done, .. } | Phase::Finalizing { ending: Ending::Done } => {
            let open = bundles::find(hub, &job.id).ok().filter(|entry| entry.is_pending());
            if open.is_some_and(|entry| is_missing(hub, &entry)) {
                app.say(format!("Done, not merged: {name}. Merge it: teof approve {}", job.short()));
            }
        }
        _ => last_output::describe(hub, state, job).iter().for_each(|line| app.say(line)),
    }
    let used = job.used();
    if used.tokens() > 0 {
        let cost = used.cost_usd.map(|cost| format!(", ${cost:.2}")).unwrap_or_default();
        app.say(format!("Used {}{cost}", text::counted(used.tokens(), "token")));
    }
}
