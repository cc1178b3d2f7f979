//! The routines: status, scan and tasks. A worker runs them before and after its work; a person runs them by name.
//!
//! They read the stores; the only thing they write is the result of the last scan.

pub mod companion;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Result, Stamp, text};
use crate::bus::Listing;
use crate::bus::{assignments, claims};
use crate::guard::sentinels::{self, watch};
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimFile;
use crate::model::plan::Status as StepStatus;
use crate::model::run::order::Order;
use crate::model::run::outcome::Finding;
use crate::plans::{PlanFile, backlog, store};
use crate::receipts::seen::Seen;

/// How old a scan may be that stands for one before the work.
const JUST_NOW: Duration = Duration::from_secs(1);

/// The results of one round of all three.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Round {
    pub status: Status,
    pub tasks: Counts,
    /// The findings stay out of the envelope, which has their number and the new ones.
    #[serde(skip)]
    pub scan: Vec<Finding>,
    /// The scan is another run's.
    #[serde(skip)]
    is_of_another: bool,
}

/// The round before a worker's work. Another run's scan that ended just now stands for one: where many short jobs run,
/// each would look at what the others have just seen.
pub fn first_round(hub: &Hub, with_scan: bool, seen: &mut Seen) -> Result<Round> {
    match watch::ended_within(hub, JUST_NOW).filter(|_| with_scan) {
        Some(last) => Ok(Round { is_of_another: true, ..round(hub, last.findings)? }),
        None if with_scan => round(hub, scan(hub, seen)?),
        None => round(hub, Vec::new()),
    }
}

/// The round after the work of the run that holds the run lock of `task`.
pub fn last_round(hub: &Hub, with_scan: bool, seen: &mut Seen, task: &str, first: Option<&mut Round>) -> Result<Round> {
    if !with_scan {
        return round(hub, Vec::new());
    }
    let found = scan(hub, seen)?;
    if let Err(e) = seen.save(hub) {
        tracing::debug!("cannot save what was seen: {e:#}");
    }
    if let Some(first) = first.filter(|first| first.is_of_another) {
        add_what_was_there(hub, task, &mut first.scan, &found);
    }
    round(hub, found)
}

fn round(hub: &Hub, scan: Vec<Finding>) -> Result<Round> {
    let listed = Listed::read(hub)?;
    let (status, tasks) = (status_of(hub, &listed), tasks_of(hub, &listed)?.summary);
    Ok(Round { status, tasks, scan, is_of_another: false })
}

/// Adds what another run's scan could not see and was there when the run of `task` began, of what is found `now`:
/// findings about files that have not changed since the run lock was taken.
fn add_what_was_there(hub: &Hub, task: &str, before: &mut Vec<Finding>, now: &[Finding]) {
    let changed = |path: &Path| fs::symlink_metadata(path).map(|file| (file.ctime(), file.ctime_nsec())).ok();
    let began = changed(&hub.local(&paths::run_lock(task)));
    let was_there = |found: &Finding| {
        let file = found.path.as_deref().and_then(|path| changed(&hub.root.join(path)));
        file.zip(began).is_some_and(|(file, began)| file < began)
    };
    let missed: Vec<_> =
        sentinels::new_since(before, now).into_iter().filter(|found| was_there(found)).cloned().collect();
    before.extend(missed);
}

/// Runs the sentinels on the record. What was seen in files that have not changed is not looked at again.
pub fn scan(hub: &Hub, seen: &mut Seen) -> Result<Vec<Finding>> {
    sentinels::scan_and_remember(hub, &watch::PREFIXES.map(str::to_owned), seen)
}

/// Whether a scan finding is about this work, not about other work that runs at the same time.
pub fn concerns(found: &Finding, order: &Order) -> bool {
    let Some(path) = found.path.as_deref() else { return false };
    let own = paths::agent(&order.agent_id);
    let plan = order.plan_id.as_ref().map(|plan| format!("_plans/{plan}."));
    path.starts_with(&format!("{own}/"))
        || path == paths::claim(&order.task_id)
        || plan.is_some_and(|plan| path.starts_with(&plan))
}

/// The state of the repository and its record.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Status {
    pub generated_at: Stamp,
    pub branch: Option<String>,
    pub commit: Option<String>,
    /// Active and paused claims.
    pub claims: Vec<ClaimRow>,
    pub plans: PlanCounts,
    /// Unreadable files of the record.
    pub damaged: Vec<String>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ClaimRow {
    pub task: String,
    pub agent: String,
    pub status: String,
    pub branch: String,
    pub lease_expires_at: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PlanCounts {
    pub open: usize,
    pub closed: usize,
}

pub fn status(hub: &Hub) -> Result<Status> {
    Ok(status_of(hub, &Listed::read(hub)?))
}

/// The stores that both routines read.
struct Listed {
    claims: Listing<ClaimFile>,
    plans: Vec<(String, Result<PlanFile>)>,
}

impl Listed {
    fn read(hub: &Hub) -> Result<Listed> {
        Ok(Listed { claims: claims::list(hub)?, plans: store::all(hub) })
    }
}

fn status_of(hub: &Hub, listed: &Listed) -> Status {
    let mut damaged: Vec<_> = listed.claims.damaged.iter().map(|found| found.path.clone()).collect();
    let mut plans = PlanCounts::default();
    for (path, plan) in &listed.plans {
        match plan {
            Ok(found) if found.plan.is_open() => plans.open += 1,
            Ok(_) => plans.closed += 1,
            Err(_) => damaged.push(path.clone()),
        }
    }
    let rows = listed.claims.whole.iter().filter(|(_, claim)| claim.is_live()).map(|(task, claim)| ClaimRow {
        task: task.clone(),
        agent: claim.agent_id().unwrap_or("?").to_owned(),
        status: claim.status_text().unwrap_or("?").to_owned(),
        branch: claim.branch().unwrap_or("?").to_owned(),
        lease_expires_at: claim.lease_expires_at(),
    });
    Status {
        generated_at: hub.now(),
        branch: hub.worktree().branch(),
        commit: head(hub),
        claims: rows.collect(),
        plans,
        damaged,
    }
}

fn head(hub: &Hub) -> Option<String> {
    let repo = git2::Repository::open(&hub.git_dir).ok()?;
    repo.head().ok()?.target().map(|id| id.to_string())
}

/// The open work and who does it.
#[derive(Clone, Debug, Serialize)]
pub struct Tasks {
    pub tasks: Vec<TaskRow>,
    pub summary: Counts,
}

#[derive(Clone, Debug, Serialize)]
pub struct TaskRow {
    pub task: String,
    pub title: String,
    pub status: String,
    pub priority: String,
    pub source: &'static str,
    pub plan: Option<String>,
    /// The seat that claimed it, else the one it is assigned to.
    pub agent: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Counts {
    pub total: usize,
    pub assignments: usize,
    pub claims: usize,
    pub open_unowned: usize,
}

/// Open backlog items and the open steps of open plans, with their owners.
pub fn tasks(hub: &Hub) -> Result<Tasks> {
    tasks_of(hub, &Listed::read(hub)?)
}

fn tasks_of(hub: &Hub, Listed { claims, plans }: &Listed) -> Result<Tasks> {
    let assignments = assignments::list(hub)?;
    let owner = |task: &str| {
        let claimed = claims.get(task).filter(|claim| claim.is_live()).and_then(|claim| claim.agent_id());
        claimed.or_else(|| assignments.get(task).and_then(|found| found.engineer())).map(str::to_owned)
    };
    let mut rows = Vec::new();
    for item in backlog::read(hub)?.items() {
        let Some(id) = item.id() else { continue };
        let status = item.status().map_or("?", |status| status.as_str());
        if status != "done" {
            rows.push(TaskRow {
                task: id.to_owned(),
                title: item.title().unwrap_or_default().to_owned(),
                status: status.to_owned(),
                priority: item.priority().to_string(),
                source: "backlog",
                plan: item.plan().map(str::to_owned),
                agent: owner(id),
            });
        }
    }
    for found in plans.iter().filter_map(|(_, plan)| plan.as_ref().ok()) {
        let steps = if found.plan.is_open() { found.plan.steps() } else { Vec::new() };
        for step in steps.iter().filter(|step| step.status() != Some(StepStatus::Done)) {
            let task = format!("{}-{}", found.id(), step.id().unwrap_or("?"));
            rows.push(TaskRow {
                title: step.title().unwrap_or_default().to_owned(),
                status: step.status().map_or("?", |status| status.as_str()).to_owned(),
                priority: found.plan.priority().to_string(),
                source: "plan",
                plan: Some(found.id().to_owned()),
                agent: owner(&task),
                task,
            });
        }
    }
    let summary = Counts {
        total: rows.len(),
        assignments: assignments.whole.len(),
        claims: claims.whole.iter().filter(|(_, claim)| claim.is_live()).count(),
        open_unowned: rows.iter().filter(|row| row.agent.is_none()).count(),
    };
    Ok(Tasks { tasks: rows, summary })
}

impl Status {
    pub fn describe(&self) -> String {
        let mut out = String::new();
        let branch = self.branch.as_deref().unwrap_or("(detached)");
        let commit = self.commit.as_deref().map_or("no commit", |id| &id[..id.len().min(12)]);
        let _ = writeln!(out, "{branch} at {commit}; plans: {} open, {} closed", self.plans.open, self.plans.closed);
        if self.claims.is_empty() {
            let _ = writeln!(out, "no live claims");
        }
        for claim in &self.claims {
            let until = claim.lease_expires_at.map(|at| format!(" until {at}")).unwrap_or_default();
            let line = format!("{} [{}] {} on {}{until}", claim.task, claim.status, claim.agent, claim.branch);
            let _ = writeln!(out, "{}", text::safe(&line));
        }
        for path in &self.damaged {
            let _ = writeln!(out, "unreadable: {}", text::safe(path));
        }
        out.trim_end().to_owned()
    }
}

impl Tasks {
    pub fn describe(&self) -> String {
        let mut out = String::new();
        for row in &self.tasks {
            let agent = row.agent.as_deref().unwrap_or("nobody");
            let line = format!("{} [{}, {}] {agent}: {}", row.task, row.status, row.priority, row.title);
            let _ = writeln!(out, "{}", text::clip(&text::safe(&line), 160));
        }
        let Counts { total, assignments, claims, open_unowned } = self.summary;
        let _ = write!(
            out,
            "{total} open, {open_unowned} without an owner; {claims} live claims, {assignments} assignments"
        );
        out
    }
}

/// One line per finding, worst first, then the counts.
pub fn describe_findings(findings: &[Finding]) -> String {
    let count = |severity: &str| findings.iter().filter(|found| found.severity == severity).count();
    let mut out = String::new();
    for severity in ["high", "medium", "low"] {
        for found in findings.iter().filter(|found| found.severity == severity) {
            let path = found.path.as_deref().unwrap_or("-");
            let _ =
                writeln!(out, "{severity:6} {} {}: {}", found.code, text::safe(path), text::safe(&found.describe()));
        }
    }
    let _ = write!(out, "{} high, {} medium, {} low", count("high"), count("medium"), count("low"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    fn hub() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        git2::Repository::init(dir.path()).unwrap();
        paths::OWNED.iter().for_each(|folder| fs::create_dir(dir.path().join(folder)).unwrap());
        let hub = Hub::find(Some(dir.path()), Clock::Machine).unwrap();
        (dir, hub)
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // The clock of the file system ticks between two of them.
        let ctime = |path: &Path| fs::metadata(path).map(|file| (file.ctime(), file.ctime_nsec())).ok();
        let other = path.with_file_name("tick");
        fs::write(&other, "").unwrap();
        fs::write(path, text).unwrap();
        while ctime(path) == ctime(&other) {
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn of_another_runs_scan_only_what_the_work_changed_is_new() {
        const KEY: &str =
            "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY aws_access_key_id = AKIAZ7QWERTYUIOPASDF";
        let (_dir, hub) = hub();
        let file = |name: &str| hub.root.join("_report/agent/worker-1").join(name);
        scan(&hub, &mut Seen::default()).unwrap();
        // The end of the run before wrote this after its own scan.
        write(&file("earlier.txt"), KEY);
        write(&hub.local(&paths::run_lock("T-1")), "");
        let mut seen = Seen::load(&hub);
        let mut first = first_round(&hub, true, &mut seen).unwrap();
        assert!(first.is_of_another && first.scan.is_empty(), "{:?}", first.scan);
        write(&file("own.txt"), KEY);
        let last = last_round(&hub, true, &mut seen, "T-1", Some(&mut first)).unwrap();
        assert!(last.scan.iter().any(|found| found.path.as_deref() == Some("_report/agent/worker-1/earlier.txt")));
        let new = sentinels::new_since(&first.scan, &last.scan);
        assert!(
            !new.is_empty() && new.iter().all(|found| found.path.as_deref().unwrap().ends_with("own.txt")),
            "{new:?}"
        );
    }

    #[test]
    fn an_older_scan_stands_for_none() {
        let (_dir, hub) = hub();
        let mut seen = Seen::load(&hub);
        assert!(!first_round(&hub, true, &mut seen).unwrap().is_of_another, "nobody scanned");
        let saved = fs::File::options().write(true).open(hub.local("cache/scan.json")).unwrap();
        let now = saved.metadata().unwrap().modified().unwrap();
        for moved in [now - Duration::from_secs(2), now + Duration::from_secs(60)] {
            saved.set_modified(moved).unwrap();
            assert!(watch::ended_within(&hub, JUST_NOW).is_none());
        }
        saved.set_modified(now).unwrap();
        assert!(watch::ended_within(&hub, Duration::from_secs(3600)).is_some());
        assert!(!first_round(&hub, false, &mut seen).unwrap().is_of_another, "no scan is wanted");
    }
}
