//! `teof review approve`

use std::process::ExitCode;

use serde_json::json;

use super::bulk::{self, Done, Words};
use super::notify::{commit_own_record, notify_coordinator};
use super::{list, shared};
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::findings;
use crate::cli::support::help::MORE;
use crate::cli::work::plan;
use crate::coordinator::state::{Ending, Job, Phase, State, store};
use crate::guard::operator;
use crate::hub::Hub;
use crate::model::priority::Priority;
use crate::model::run::job_name::distinct;
use crate::plans;
use crate::review::{Approval, Decision, Entry, JobState, NewerCommits, ReviewInput, lock, pull_request};

/// Merge the reviewed commit of one or more jobs
///
/// The merge is made and tested apart from any checkout; `bus verify` and the full preflight must find nothing.
/// Then the target branch moves. A checkout of the target keeps its staged and unstaged work, or the merge is
/// refused. A job in conflict goes back to the coder; if the job has ended, you merge by hand (exit code 1
/// either way). Only a person can approve.
///
/// Several jobs are approved one after the other. One that is refused does not stop the others; the exit code is the
/// highest of theirs.
///
/// With --json: {short, decision, before, coordinator: {ok, text} or null}; for several jobs a list of these, each
/// with name and ok, or with name, ok and error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review approve j1\n\
\x20 teof review approve j1 j2\n\
\x20 teof review approve --all-passing")]
pub struct Args {
    /// Jobs: j1, or a run or a task
    #[arg(required_unless_present = "all_passing", value_name = "JOB")]
    jobs: Vec<String>,
    /// Approve every waiting job that was tested, passed all checks, and has no findings
    #[arg(long, conflicts_with = "jobs")]
    all_passing: bool,
    /// A note to keep with the decision
    #[arg(long)]
    note: Option<String>,
    /// Also merge the commits made after the review, up to this one, the newest
    #[arg(long, value_name = "COMMIT", conflicts_with_all = ["without_newer", "all_passing"], help_heading = MORE)]
    with_newer: Option<String>,
    /// Merge only the reviewed commit although the branch has newer ones
    #[arg(long, help_heading = MORE)]
    without_newer: bool,
    /// Merge it only if a granted policy allows that; the coordinator does
    #[arg(long, hide = true, conflicts_with_all = ["all_passing", "note", "with_newer", "without_newer", "by"])]
    by_policy: bool,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    by: Option<String>,
}

impl Args {
    /// To approve a job as it was reviewed.
    pub fn of(job: &str) -> Args {
        let jobs = vec![job.to_owned()];
        Args {
            jobs,
            all_passing: false,
            note: None,
            with_newer: None,
            without_newer: false,
            by_policy: false,
            by: None,
        }
    }

    /// Whether a policy decides, and no person.
    pub fn is_by_policy(&self) -> bool {
        self.by_policy
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let code = approve(args, app)?;
    commit_own_record(app)?;
    Ok(code)
}

fn approve(args: Args, app: &App) -> Result<ExitCode> {
    if let (true, [job]) = (args.by_policy, args.jobs.as_slice()) {
        return Ok(bulk::single(app, printed(&args, app, job)?));
    }
    operator::require("approve work")?;
    let words = Words { doing: "Approving", done: "Approved" };
    if args.all_passing {
        let (passing, others) = passing(app.hub()?)?;
        if !others.is_empty() && !app.json() {
            others.iter().for_each(|(job, why)| app.say(format!("{job} is left to you: {why}")));
            let jobs: Vec<_> = others.iter().map(|(job, _)| job.as_str()).collect();
            app.say(format!("look at what is left, then decide: teof review {}", jobs.join(" ")));
        }
        if passing.is_empty() {
            app.result(&json!([]), || match others.is_empty() {
                true => "Nothing to approve: no result waits".to_owned(),
                false => "Nothing was approved: no waiting result passed every check without a finding".to_owned(),
            });
            return Ok(ExitCode::SUCCESS);
        }
        return Ok(bulk::several(app, &passing, &words, |job| printed(&args, app, job)));
    }
    match bulk::distinct(args.jobs.clone()).as_slice() {
        [job] => Ok(bulk::single(app, printed(&args, app, job)?)),
        jobs if args.with_newer.is_some() => Err(one_commit(jobs.len()).into()),
        jobs => Ok(bulk::several(app, jobs, &words, |job| printed(&args, app, job))),
    }
}

/// Approves a job and returns what happened, for screens; `progress` gets a line for each thing done.
///
/// # Errors
/// As the command.
pub fn decide(app: &App, job: &str, progress: &dyn Fn(&str)) -> Result<Vec<String>> {
    operator::require("approve work")?;
    let done = one(&Args::of(job), app, job, progress)?;
    commit_own_record(app)?;
    Ok(done.all_lines())
}

fn printed(args: &Args, app: &App, job: &str) -> Result<Done> {
    one(args, app, job, &shared::progress(app, &format!("Merging {job}")))
}

/// A job, and why a person has to look at it before it is approved.
type Left = (String, String);

/// The jobs that wait and passed everything, and those that wait and did not.
fn passing(hub: &Hub) -> Result<(Vec<String>, Vec<Left>)> {
    let waiting = list::pending(hub)?;
    let state = store::load(hub)?;
    let ids: Vec<_> = waiting.iter().map(|entry| entry.bundle.job.as_str()).collect();
    let (mut passing, mut others) = (Vec::new(), Vec::new());
    for (entry, name) in waiting.iter().zip(distinct(&ids)) {
        match obstacle(entry, state.job(&entry.bundle.job).is_some()) {
            None => passing.push(name.into_owned()),
            Some(why) => others.push((name.into_owned(), why)),
        }
    }
    Ok((passing, others))
}

/// Why a result is not approved without a look at it. `is_known`: the coordinator vouches for it.
fn obstacle(entry: &Entry, is_known: bool) -> Option<String> {
    let bundle = &entry.bundle;
    let failed = bundle.tests.iter().find(|test| !test.passed);
    let severest = bundle.findings.iter().min_by_key(|found| (!found.stops(), !found.needs_person()));
    if entry.altered.is_some() {
        Some("its bundle was altered".to_owned())
    } else if !is_known {
        Some("the coordinator does not know its job".to_owned())
    } else if let Some(test) = failed {
        Some(format!("a test failed: {}", text::safe(&test.command)))
    } else if let Some(found) = severest {
        let more = bundle.findings.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {})", text::counted(more, "more finding")) };
        Some(format!("{}: {}{more}", text::safe(&found.severity), findings::line(found)))
    } else {
        bundle.tests.is_empty().then(|| "no test ran".to_owned())
    }
}

fn one_commit(jobs: usize) -> Refusal {
    Refusal::usage("review.one_commit", "--with-newer is for one job")
        .because(format!("it names one commit, and {jobs} jobs are named"))
        .next("approve that job alone, and the others without --with-newer")
}

fn one(args: &Args, app: &App, job: &str, progress: &dyn Fn(&str)) -> Result<Done> {
    let hub = app.hub()?;
    let entry = shared::entry(hub, job)?;
    is_the_result(hub, &entry)?;
    let state = store::load(hub)?;
    let known = state.job(&entry.bundle.job);
    let job_state = match known {
        Some(job) if job.is_over() => JobState::Finished,
        Some(job) if goes_on_from(job, &entry) => JobState::Continues,
        Some(_) => JobState::Open,
        None => JobState::Finished,
    };
    is_not_done_again(&state, &entry)?;
    known.map_or_else(Vec::new, |job| ended_before(job, &entry)).iter().for_each(|line| progress(line));
    let newer = match (&args.with_newer, args.without_newer) {
        (Some(commit), _) => NewerCommits::Include(commit.clone()),
        (None, true) => NewerCommits::Leave,
        (None, false) => NewerCommits::Ask,
    };
    let who = match args.by_policy {
        true => shared::policy(hub, known.map_or(Priority::HIGH, |job| job.priority))?,
        false => shared::input(app, args.by.clone(), args.note.clone())?,
    };
    let input = ReviewInput { job: job_state, newer, ..who };
    let merge = || crate::review::approve(hub, &entry, &input, progress);
    // The coordinator asks again at its next observation.
    let merged = if args.by_policy { merge() } else { lock::when_free(hub, progress, merge) };
    let (decision, before) = match merged? {
        Approval::Merged(decision) => (decision, false),
        Approval::Before(decision) => (decision, true),
        Approval::Conflict(decision) => {
            notify_coordinator(app, &decision)?;
            return Err(conflict(&decision).into());
        }
    };
    let coordinator = notify_coordinator(app, &decision)?;
    let remote = pull_request::of_job(hub, &decision.job)?;
    let short = decision.short();
    // The coordinator has set the step; an unreadable plan has nothing to say.
    let plan = decision.plan_id.as_deref().and_then(|plan| plans::find(hub, plan).ok());
    let to_close = plan.and_then(|plan| Some(format!("{}: {}", text::safe(plan.id()), plan::shared::to_close(&plan)?)));
    Ok(Done {
        document: json!({"short": short, "decision": decision, "before": before, "coordinator": coordinator}),
        lines: lines(&shared::name(&entry), &decision, before, remote).into_iter().chain(to_close).collect(),
        hint: decision.merge_commit.as_ref().map(|_| format!("undo: teof review revert {}", text::safe(&short))),
    })
}

/// Whether the coordinator, when it knows the job, knows this as its result: the commit that the worker
/// reported is the one that is merged, whatever a bundle says.
fn is_the_result(hub: &Hub, entry: &Entry) -> Result<()> {
    let state = store::load(hub)?;
    let Some(job) = state.job(&entry.bundle.job) else { return Ok(()) };
    let (run, commit) = (entry.bundle.run.as_str(), entry.bundle.commit.as_str());
    let known = job.last.as_ref().filter(|last| last.run == run);
    let differs = match known.and_then(|last| last.commit.as_deref()) {
        // It was sent back, and that came to nothing, or waits.
        _ if goes_on_from(job, entry) && job.rests() => false,
        Some(known) => known != commit,
        // It may have ended a moment ago; the bundle is written before its last word.
        None => job.run_id() != run,
    };
    if !differs {
        return Ok(());
    }
    if goes_on_from(job, entry) {
        let short = job.short();
        return Err(Refusal::guard("review.under_way", format!("the coder of {short} works on this result again"))
            .because("its next result would be merged, too")
            .next(format!("wait for it, then: teof review {short}"))
            .next(format!("or stop it first: teof coordinator cancel {short}"))
            .into());
    }
    let last = job.last.as_ref().map_or_else(|| job.run_id(), |last| last.run.clone());
    let result = job.commit().map_or_else(|| "no commit".to_owned(), |commit| format!("commit {commit}"));
    Err(Refusal::guard("review.not_the_result", format!("{} is not the result of {}", entry.path, job.short()))
        .because(format!("it names commit {commit} of {run}; the coordinator knows {result} of {last}"))
        .next(format!("see what it did: teof status; teof review show {}", job.short()))
        .into())
}

/// Whether the job was sent back with this result, and remembers it.
fn goes_on_from(job: &Job, entry: &Entry) -> bool {
    job.run_id() != entry.bundle.run && job.rework.as_ref().is_some_and(|rework| rework.carry == entry.bundle.commit)
}

/// Refuses the result of a job that is over while another job does the same work.
fn is_not_done_again(state: &State, entry: &Entry) -> Result<()> {
    let bundle = &entry.bundle;
    let is_same = |job: &&Job| {
        job.task == bundle.task_id || (job.plan.is_some() && job.plan == bundle.plan_id && job.step == bundle.step_id)
    };
    let own = state.live_jobs().any(|job| job.id == bundle.job);
    let Some(other) = state.live_jobs().find(is_same).filter(|_| !own) else { return Ok(()) };
    let (job, other, label) = (bundle.short(), other.short(), other.label());
    Err(Refusal::guard("review.done_again", format!("{other} does the work of {job} again ({label})"))
        .because("both results would be merged")
        .next(format!("to merge the earlier one, cancel the new job first: teof coordinator cancel {other}"))
        .next(format!("or decide about the new one when it is ready: teof review show {other}"))
        .into())
}

/// What a person has to know about a result whose job ended otherwise: how, and what was found in this result.
fn ended_before(job: &Job, entry: &Entry) -> Vec<String> {
    let Phase::Over { ending: Ending::Blocked | Ending::Cancelled | Ending::Dropped, .. } = job.phase else {
        return Vec::new();
    };
    let bundle = &entry.bundle;
    let label = job.label();
    let why = job.reason().map(|why| text::clip(&text::safe(&why), 200));
    let how = match why {
        Some(why) if why.starts_with(label) => why,
        Some(why) => format!("{label} ({why})"),
        None => label.to_owned(),
    };
    let commit = text::safe(bundle.commit.get(..12).unwrap_or(&bundle.commit));
    let told = format!("{} ended before: {how}; this merges its result {commit}", job.short());
    [told].into_iter().chain(bundle.findings.iter().map(findings::line)).collect()
}

fn lines(name: &str, decision: &Decision, before: bool, remote: Option<u64>) -> Vec<String> {
    let commit = decision.merge_commit.as_deref().unwrap_or(&decision.reviewed_commit);
    let commit = text::safe(commit.get(..12).unwrap_or(commit));
    let target = text::safe(&decision.target_branch);
    let how = match (before, &decision.merge_commit, &decision.target_before) {
        (true, ..) => "was merged already",
        (false, None, Some(_)) => "adds nothing",
        _ => "is merged",
    };
    let mut lines = vec![format!("{name} {how} to {target}: {commit}")];
    if let Some(number) = remote {
        lines.push(format!("by pull request {number}; update your branch: git pull"));
    }
    lines.extend(decision.findings.iter().map(|found| format!("{}: {}", found.severity, findings::line(found))));
    lines
}

fn conflict(decision: &Decision) -> Refusal {
    let files: Vec<_> = decision.findings.iter().filter_map(|finding| finding.path.clone()).collect();
    let head = decision.target_before.as_deref().unwrap_or_default();
    Refusal::guard("review.conflict", format!("{} is in conflict with {}", decision.short(), decision.target_branch))
        .because(format!(
            "both changed {} (target at {head}); nothing was merged, and the job goes back to the coder",
            text::clip(&files.join(", "), 600)
        ))
        .next("start the coordinator unless it is running: teof run --until-idle")
        .with("files", files)
}
