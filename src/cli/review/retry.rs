//! `teof review retry`

use std::process::ExitCode;

use serde_json::json;

use super::bulk::{self, Done, Words};
use super::notify::notify_coordinator;
use super::shared;
use super::show;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::cli::unattended::coordinator::{send, start, submit, submit_names};
use crate::coordinator::state::submission::Submission;
use crate::coordinator::state::{Ending, Job, Phase, State, Word, store};
use crate::foreman::calls::notes;
use crate::guard::operator;
use crate::hub::Hub;
use crate::model::run::bundle::Bundle;
use crate::review::decision::{self, Kind};
use crate::review::{Decision, Entry, ReviewInput, bundles};

/// Send jobs back to the coder, or queue blocked work again
///
/// A job under review goes back: the coder continues from the reviewed commit, on the current target, with your note
/// as a finding and a fresh number of passes. Until the coder has begun, a further retry adds its note. Work that is
/// blocked or reverted is opened and queued again, as `teof coordinator submit` does it; it gets a new job.
///
/// One job that is refused does not stop the others; the exit code is the highest of theirs.
///
/// With --json: {short, decision, coordinator: {ok, text} or null}, for blocked work with task; for several jobs a
/// list of these, each with name and ok, or with name, ok and error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review retry j1 --note \"Handle the empty list\"\n\
\x20 teof review retry --all-blocked")]
pub struct Args {
    /// Jobs: j1, or a run or a task
    #[arg(required_unless_present = "all_blocked", value_name = "JOB")]
    jobs: Vec<String>,
    /// Queue all blocked work again, except what a person rejected or reverted
    #[arg(long, conflicts_with = "jobs")]
    all_blocked: bool,
    /// What to do; a job under review needs it
    #[arg(long)]
    note: Option<String>,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    by: Option<String>,
    /// The caller continues the job, or says how.
    #[arg(skip)]
    is_continued: bool,
}

impl Args {
    /// To send a job back.
    pub fn of(job: &str, note: String) -> Args {
        Args { jobs: vec![job.to_owned()], all_blocked: false, note: Some(note), by: None, is_continued: true }
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    notes::check("note", args.note.as_deref().unwrap_or_default())?;
    let words = Words { doing: "Retrying", done: "Retried" };
    if args.all_blocked {
        let blocked = all_blocked(app.hub()?)?;
        if blocked.is_empty() {
            app.result(&json!([]), || "Nothing to retry: no work is blocked".to_owned());
            return Ok(ExitCode::SUCCESS);
        }
        return Ok(bulk::several(app, &blocked, &words, |name| one(&args, app, name)));
    }
    match bulk::distinct(args.jobs.clone()).as_slice() {
        [job] => Ok(bulk::single(app, one(&args, app, job)?)),
        jobs => Ok(bulk::several(app, jobs, &words, |job| one(&args, app, job))),
    }
}

/// Sends a job back, or queues blocked work again, and returns what happened, for screens.
///
/// # Errors
/// As the command.
pub fn decide(app: &App, job: &str, note: String) -> Result<Vec<String>> {
    operator::require("decide about work")?;
    Ok(one(&Args::of(job, note), app, job)?.all_lines())
}

fn one(args: &Args, app: &App, name: &str) -> Result<Done> {
    let hub = app.hub()?;
    let state = store::load(hub)?;
    if let Some((task, job)) = blocked(hub, &state, name)? {
        return queue_again(args, app, &state, &task, job);
    }
    let entry = shared::entry(hub, name)?;
    can_go_on(&state, &entry)?;
    let input = shared::input(app, args.by.clone(), args.note.clone())?;
    let left_behind = show::left_behind(hub, &entry);
    let decision = shared::when_free(app, || crate::review::retry(hub, &entry, &input))?;
    let coordinator = notify_coordinator(app, &decision)?;
    if coordinator["ok"] == false {
        return Err(send::refused(coordinator["text"].as_str().unwrap_or_default())
            .because("the note is recorded: the coder gets it when the work is sent back again")
            .into());
    }
    // The coordinator may know better: that it comes later, or cannot be.
    let other = coordinator["text"].as_str().filter(|said| !said.contains("goes back to"));
    let line = other.map_or_else(|| format!("{} goes back to the coder", shared::name(&entry)), text::safe);
    Ok(Done {
        document: json!({"short": decision.short(), "decision": decision, "coordinator": coordinator}),
        lines: [line].into_iter().chain(left_behind).collect(),
        hint: if args.is_continued { None } else { continued_by(hub, &[&entry.bundle])?.pop() },
    })
}

/// What continues work that was sent back, by its jobs: `j3, j4 go on with: teof run --until-idle`. Empty: a
/// coordinator runs.
///
/// # Errors
/// When the state or consent cannot be read.
pub fn continued_by(hub: &Hub, sent_back: &[&Bundle]) -> Result<Vec<String>> {
    let state = store::load(hub)?;
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for bundle in sent_back {
        let Some(command) = start::command(hub, &state, &bundle.task_id)? else { continue };
        let short = text::safe(&bundle.short());
        match commands.iter_mut().find(|(known, _)| *known == command) {
            Some((_, jobs)) => jobs.push(short),
            None => commands.push((command, vec![short])),
        }
    }
    let line = |(command, jobs): (String, Vec<String>)| {
        format!("{} {} on with: {command}", jobs.join(", "), if jobs.len() == 1 { "goes" } else { "go" })
    };
    Ok(commands.into_iter().map(line).collect())
}

/// The blocked task that a name means, with its job where one is remembered; `None` when it means none.
fn blocked<'a>(hub: &Hub, state: &'a State, name: &str) -> Result<Option<(String, Option<&'a Job>)>> {
    if let Ok(job) = state.find(name) {
        return Ok(is_blocked(job).then(|| (job.task.clone(), Some(job))));
    }
    if let Ok(entry) = bundles::find(hub, name) {
        let last = decision::of_bundle(hub, &entry.bundle.job, &entry.path)?.map(|decision| decision.decision);
        return Ok((last == Some(Kind::Reverted)).then_some((entry.bundle.task_id, None)));
    }
    let known = crate::conductor::blocked(hub)?;
    Ok(known.into_iter().find(|task| task == name).map(|task| (task, None)))
}

fn is_blocked(job: &Job) -> bool {
    matches!(job.phase, Phase::Over { ending: Ending::Blocked | Ending::Reverted, .. })
}

/// All blocked work except what a person rejected or reverted, by the short id of its newest job or by its task.
fn all_blocked(hub: &Hub) -> Result<Vec<String>> {
    let state = store::load(hub)?;
    let decided = decision::history(hub)?;
    let mut found = Vec::new();
    for task in crate::conductor::blocked(hub)? {
        let job = state.jobs.iter().rfind(|job| job.is_called(&task));
        let is_rejected = match job {
            Some(job) => job.decision.is_some(),
            None => {
                let last = decided.iter().rfind(|decision| decision.task_id == task);
                last.is_some_and(|decision| matches!(decision.decision, Kind::Rejected | Kind::Reverted))
            }
        };
        if !is_rejected {
            found.push(job.filter(|job| is_blocked(job)).map_or(task, Job::short));
        }
    }
    // A request that was blocked before it got a plan is no longer `planned`; only its job names it.
    for job in state.jobs.iter().filter(|job| is_blocked(job) && job.decision.is_none()) {
        let is_newest = state.jobs.iter().rfind(|other| other.task == job.task) == Some(job);
        let is_listed = found.contains(&job.short()) || found.contains(&job.task);
        let is_request = |asked: submit_names::Asked| asked.request.is_some() && asked.plan.is_none();
        if is_newest && !is_listed && submit_names::resolve(hub, &job.task).is_ok_and(is_request) {
            found.push(job.short());
        }
    }
    Ok(found)
}

/// Opens blocked work and queues it ahead of the backlog.
fn queue_again(args: &Args, app: &App, state: &State, task: &str, job: Option<&Job>) -> Result<Done> {
    let hub = app.hub()?;
    let asked = submit_names::resolve(hub, task)?;
    submit::check_room(hub, 1)?;
    let input = shared::input(app, args.by.clone(), args.note.clone())?;
    check_queue(app, state, &asked, &input)?;
    let command = submit::task(app, hub, asked, None)?;
    let decision = job.map_or(Ok(None), |job| tell_coder(app, job, &input))?;
    let answer = send::have_done(app, &input.by, command, input.note)?;
    if let Some(answer) = answer.as_ref().filter(|answer| !answer.ok) {
        return Err(send::refused(answer.text.as_str()).into());
    }
    let short = job.map(Job::short);
    let said = match &answer {
        Some(answer) => text::safe(&answer.text),
        None => format!("{} is sent to the coordinator, which is busy", text::safe(task)),
    };
    let hint = start::command(hub, &store::load(hub)?, task)?.map(|command| format!("start it: {command}"));
    Ok(Done {
        document: json!({"short": short, "task": task, "decision": decision, "coordinator": answer}),
        lines: vec![said],
        hint,
    })
}

/// Refuses what the coordinator would refuse, before the decision is recorded: else the record would hold a retry that
/// never starts.
fn check_queue(app: &App, state: &State, asked: &submit_names::Asked, input: &ReviewInput) -> Result<()> {
    let word = Word { by: input.by.clone(), at: app.now(), recognised: input.recognised, note: input.note.clone() };
    let submission = Submission {
        task: asked.task.clone(),
        plan: asked.plan.clone(),
        step: asked.step.clone(),
        priority: None,
        word,
    };
    let most = app.hub()?.settings()?.coordinator.queue;
    Ok(state.check_submission(&submission, most).map_err(|why| send::refused(&why))?)
}

/// Records the note as a decision about the job's last result; the next coder gets it.
fn tell_coder(app: &App, job: &Job, input: &ReviewInput) -> Result<Option<Decision>> {
    let hub = app.hub()?;
    let Some(bundle) = job.last.as_ref().and_then(|last| last.bundle.as_deref()) else { return Ok(None) };
    match bundles::at(hub, bundle) {
        Ok(entry) if input.note.is_some() && entry.is_pending() && entry.altered.is_none() => {
            shared::when_free(app, || crate::review::retry(hub, &entry, input)).map(Some)
        }
        _ => Ok(None),
    }
}

/// Refuses a retry that no agent can do, before the decision is recorded.
pub(super) fn can_go_on(state: &State, entry: &Entry) -> Result<()> {
    let bundle = &entry.bundle;
    let job = state.job(&bundle.job);
    let why = match job.map(|job| &job.phase) {
        Some(Phase::Over { ending: Ending::Cancelled | Ending::Dropped, .. }) => {
            let task = text::shell_word(&bundle.task_id);
            return Err(Refusal::guard("review.over", format!("{} was cancelled", bundle.short()))
                .because("its task is open again, and no agent continues its result")
                .next(format!("queue the task again: teof coordinator submit {task}"))
                .next(format!("or merge the result after all: teof approve {}", bundle.short()))
                .into());
        }
        Some(Phase::Over { ending, .. } | Phase::Finalizing { ending }) => format!("it is over: {}", ending.as_str()),
        Some(_) if entry.is_pending() && job.is_some_and(|job| job.run_id() != bundle.run) => {
            let short = bundle.short();
            let next = match job.is_some_and(Job::asks) {
                true => shared::answer_it(&short),
                false => format!("see its newest result: teof review show {short}"),
            };
            let what = format!("{short} has continued since this result");
            return Err(Refusal::guard("review.over", what).next(next).into());
        }
        Some(_) if job.is_some_and(|job| job.run_id() != bundle.run && !job.takes_notes()) => {
            return Err(under_way(job.is_some_and(Job::asks), &bundle.short()).into());
        }
        Some(_) => return Ok(()),
        None => "the coordinator does not know the job: it was run by hand, or long ago".to_owned(),
    };
    Err(Refusal::guard("review.over", format!("no agent can continue {}", bundle.short()))
        .because(why)
        .next("submit it as new work: teof do \"…\"")
        .into())
}

/// Refuses a note for a coder that has already begun: no prompt would have it.
fn under_way(asks: bool, short: &str) -> Refusal {
    let refusal = Refusal::guard("review.under_way", format!("the coder of {short} has already begun"))
        .because("it was sent back before, and a further note would not reach it");
    match asks {
        true => refusal.next(format!("answer its question instead: teof coordinator answer {short} \"…\"")),
        false => refusal.next(format!("wait for its result, then: teof review retry {short} --note \"…\"")),
    }
}
