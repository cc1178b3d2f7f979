//! The ids that a value may have, by what its help calls it: JOB, TASK, PLAN, STEP, SEAT, CHANNEL.
//!
//! A person waits for it: of what grows with the age of a hub it reads the newest only.

use std::fs;
use std::time::SystemTime;

use super::candidate::Candidate;
use crate::base::Result;
use crate::bus::claims;
use crate::coordinator::state::{Ending, Job, Phase, store};
use crate::hub::{Hub, paths};
use crate::model::backlog::ItemStatus;
use crate::model::plan::Status;
use crate::model::{event, message};
use crate::plans::requests::{self, vault};
use crate::plans::{self, backlog};
use crate::seats;

/// How many of the newest plans, claims and jobs are read.
const NEWEST: usize = 200;

/// The ids that a value of that name may have as an argument of the command at `path`, after the positional
/// arguments `given`.
pub fn of(hub: &Hub, name: &str, path: &[&str], given: &[&str]) -> Result<Vec<Candidate>> {
    match (name, path) {
        ("JOB", _) | ("NAME", [.., "logs"]) => jobs(hub, path),
        ("TARGET", ["coordinator", ..]) => Ok([jobs(hub, path)?, queued(hub)?].concat()),
        ("TASK", ["coordinator", "explain"]) => Ok([jobs(hub, path)?, open(hub)?].concat()),
        ("TASK", ["coordinator", "resume"]) => skipped(hub),
        ("TASK", ["task", "add"]) => Ok(Vec::new()),
        ("TASK", ["bus", "claim"] | ["task", "pickup" | "assign"]) => free(hub),
        ("TASK", ["bus", "release" | "pause" | "takeover"]) => claimed(hub),
        ("TASK" | "TASKS" | "WHAT", _) => Ok([open(hub)?, claimed(hub)?].concat()),
        ("PLAN" | "PLANS" | "POINTER_PLAN", _) => Ok(plan_ids(hub)),
        ("STEP", _) => steps(hub, given),
        ("SEAT" | "AGENT", _) => seat_ids(hub),
        ("CHANNEL", _) => channels(hub),
        ("LABEL", _) => Ok(bare(seats::saved::labels(hub))),
        ("KIND", _) => Ok(bare(event::KNOWN.map(str::to_owned).to_vec())),
        ("TYPE", _) => Ok(bare(message::KNOWN.map(str::to_owned).to_vec())),
        _ => Ok(Vec::new()),
    }
}

fn bare(words: Vec<String>) -> Vec<Candidate> {
    words.into_iter().map(|word| Candidate::new(word, "")).collect()
}

/// The jobs that a command can do something with, newest first.
fn jobs(hub: &Hub, path: &[&str]) -> Result<Vec<Candidate>> {
    let state = store::load(hub)?;
    let is_over_as = |job: &Job, wanted: Ending| matches!(job.phase, Phase::Over { ending, .. } if ending == wanted);
    let fits = |job: &&Job| match path.last() {
        Some(&("approve" | "reject")) => job.is_under_review(),
        Some(&"retry") => {
            job.is_under_review() || is_over_as(job, Ending::Blocked) || is_over_as(job, Ending::Reverted)
        }
        Some(&"revert") => is_over_as(job, Ending::Done),
        Some(&("cancel" | "reassign")) => !job.is_over(),
        Some(&"answer") => job.asks(),
        _ => true,
    };
    let shown = state.jobs.iter().rev().filter(fits).take(NEWEST);
    Ok(shown.map(|job| Candidate::new(job.short(), format!("{}: {}", job.task, job.label()))).collect())
}

fn queued(hub: &Hub) -> Result<Vec<Candidate>> {
    let queued = store::load(hub)?.submissions;
    Ok(queued.into_iter().map(|one| Candidate::new(one.task, "queued")).collect())
}

fn skipped(hub: &Hub) -> Result<Vec<Candidate>> {
    Ok(store::load(hub)?.skips.into_keys().map(|task| Candidate::new(task, "skipped")).collect())
}

/// What is not done: items, steps of the newest plans, and requests. A store that cannot be read has none.
fn open(hub: &Hub) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    if let Ok(backlog) = backlog::read(hub) {
        let items = backlog.items();
        let open = items.iter().filter(|item| item.status() != Some(ItemStatus::Done));
        found.extend(open.filter_map(|item| Some(Candidate::new(item.id()?, item.title().unwrap_or_default()))));
    }
    for path in plans::store::paths(&hub.root).iter().rev().take(NEWEST) {
        let Ok(file) = plans::find(hub, path) else { continue };
        let is_done = file.plan.status() == Some(Status::Done);
        for step in file.plan.steps().iter().filter(|step| !is_done && step.status() != Some(Status::Done)) {
            let Some(id) = step.id() else { continue };
            found.push(Candidate::new(file.plan.task_of(file.id(), id), step.title().unwrap_or_default()));
        }
    }
    let queue = &hub.settings()?.sources.queue_folder;
    let entries = [vault::planned(hub), requests::list(hub, requests::QUEUE, queue)].into_iter().flatten().flatten();
    found.extend(entries.map(|entry| {
        let title = entry.request.map(|request| request.title).unwrap_or_default();
        Candidate::new(entry.task, title)
    }));
    Ok(found)
}

/// Open tasks without a live claim.
fn free(hub: &Hub) -> Result<Vec<Candidate>> {
    let mut found = open(hub)?;
    found
        .retain(|one| !claims::load(hub, &one.word).is_ok_and(|claim| claim.is_some_and(|found| found.file.is_live())));
    Ok(found)
}

/// The tasks of the newest live claims.
fn claimed(hub: &Hub) -> Result<Vec<Candidate>> {
    let entries = fs::read_dir(hub.path(paths::CLAIMS)?).into_iter().flatten().flatten();
    let changed =
        |entry: &fs::DirEntry| entry.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut files: Vec<_> = entries.map(|entry| (changed(&entry), entry.file_name())).collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    let tasks = files.iter().take(NEWEST).filter_map(|(_, name)| name.to_str()?.strip_suffix(".json"));
    let live = tasks.filter_map(|task| {
        let claim = claims::load(hub, task).ok()??.file;
        claim
            .is_live()
            .then(|| Candidate::new(task, format!("held by {}", claim.agent_id().unwrap_or("an unknown seat"))))
    });
    Ok(live.collect())
}

fn plan_ids(hub: &Hub) -> Vec<Candidate> {
    let paths = plans::store::paths(&hub.root);
    let newest = paths.iter().rev().take(5 * NEWEST);
    bare(newest.map(|path| plans::store::id_of(path).to_owned()).collect())
}

fn steps(hub: &Hub, given: &[&str]) -> Result<Vec<Candidate>> {
    let Some(plan) = given.first() else { return Ok(Vec::new()) };
    let plan = plans::find(hub, plan)?.plan;
    let steps = plan.steps();
    let named = steps.iter().filter_map(|step| Some(Candidate::new(step.id()?, step.title().unwrap_or_default())));
    Ok(named.collect())
}

fn seat_ids(hub: &Hub) -> Result<Vec<Candidate>> {
    let seats = seats::manifest::all(hub)?;
    let manifests = seats.iter().map(|seat| Candidate::new(seat.agent(), seat.seat.desired_roles().join(", ")));
    Ok(manifests.chain(bare(seats::session::agents(hub))).collect())
}

fn channels(hub: &Hub) -> Result<Vec<Candidate>> {
    let mut found = bare(vec!["manager-report".to_owned()]);
    found.extend(seat_ids(hub)?.into_iter().map(|seat| Candidate::new(format!("agent-{}", seat.word), seat.about)));
    Ok([found, open(hub)?, claimed(hub)?].concat())
}
