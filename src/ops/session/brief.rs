//! What a seat should know before it works on a task: its claim and latest lines; and the operator's checklist (the
//! playbook: session_brief).

use std::fs;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::{Result, Stamp, files, text};
use crate::bus::claims;
use crate::bus::log::Log;
use crate::guard::operator::OPERATOR;
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimFile;
use crate::model::event::EventView;
use crate::ops::evidence::hygiene;
use crate::seats::freshness::{self, Freshness};

/// The result of a check; the worst one is the checklist's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Pass,
    Warn,
    Fail,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub id: &'static str,
    pub title: &'static str,
    pub status: Level,
    /// What was found, and what to do about it.
    pub detail: String,
    /// The files that it looked at.
    pub paths: Vec<String>,
}

/// The checklist of the preset `operator`.
#[derive(Clone, Debug, Serialize)]
pub struct Checklist {
    pub preset: &'static str,
    pub generated_at: Stamp,
    pub agent_id: String,
    pub task: String,
    pub claim_status: Option<String>,
    pub checklist: Vec<Check>,
    pub summary: Level,
}

impl Checklist {
    /// The checklist as the payload of a receipt.
    pub fn payload(&self) -> Map<String, Value> {
        json!(self).as_object().cloned().unwrap_or_default()
    }
}

/// The claim of a task, and the latest events and messages about it, newest first.
#[derive(Clone, Debug, Serialize)]
pub struct Brief {
    pub task: String,
    pub claim: Option<Value>,
    /// Events and messages as they stand in the log and in the task's channel.
    pub latest: Vec<Value>,
}

/// # Errors
/// When the task's name is none, or a store cannot be read.
pub fn read(hub: &Hub, task: &str, limit: usize) -> Result<Brief> {
    let claim = claims::load(hub, task)?.map(|found| Value::Object(found.file.raw));
    let about = |view: &EventView<'_>| view.task_id.as_deref() == Some(task);
    let mut latest: Vec<Value> = Log::read(hub)?
        .latest(None, limit, about)?
        .iter()
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    latest.extend(crate::bus::messages::tail(hub, task, limit)?.into_iter().map(|line| Value::Object(line.raw)));
    latest.sort_by_key(|line| std::cmp::Reverse(line["ts"].as_str().and_then(Stamp::parse)));
    if limit > 0 {
        latest.truncate(limit);
    }
    Ok(Brief { task: task.to_owned(), claim, latest })
}

/// Checks what an operator wants before a session works on the task.
///
/// # Errors
/// When the task's name is none, or a store cannot be read. A file that is damaged is a failed check.
pub fn checklist(hub: &Hub, agent: &str, task: &str) -> Result<Checklist> {
    let claim = claims::load(hub, task)?.map(|found| found.file);
    let checklist = vec![
        manager_tail(hub, agent)?,
        planner_validate(hub),
        quickstart_receipts(hub, agent),
        claim_seed(agent, task, claim.as_ref()),
        task_sync(hub, agent),
        receipts_index(hub),
        receipts_hygiene(hub),
    ];
    Ok(Checklist {
        preset: "operator",
        generated_at: hub.now(),
        agent_id: agent.to_owned(),
        task: task.to_owned(),
        claim_status: claim.as_ref().and_then(ClaimFile::status_text).map(str::to_owned),
        summary: checklist.iter().map(|check| check.status).max().unwrap_or(Level::Pass),
        checklist,
    })
}

fn check(id: &'static str, title: &'static str, found: (Level, String), paths: Vec<String>) -> Check {
    Check { id, title, status: found.0, detail: found.1, paths }
}

fn manager_tail(hub: &Hub, agent: &str) -> Result<Check> {
    let path = freshness::receipt(agent);
    let found = match freshness::check(hub, agent, None)? {
        Freshness::Fresh { .. } => (Level::Pass, "the session is fresh".to_owned()),
        Freshness::Stale { .. } => (Level::Warn, format!("it is old: teof session-boot --agent {agent}")),
        Freshness::Missing if agent == OPERATOR => (Level::Pass, "a person needs no session".to_owned()),
        Freshness::Missing => (Level::Fail, format!("there is none: teof session-boot --agent {agent}")),
        Freshness::Invalid(why) => (Level::Fail, format!("{why}: teof session-boot --agent {agent}")),
    };
    Ok(check("manager_tail", "Tail of manager-report", found, vec![path]))
}

fn planner_validate(hub: &Hub) -> Check {
    const FOLDER: &str = "_report/planner/validate";
    let fix = format!("teof plan validate --strict --output {FOLDER}/summary-latest.json");
    let newest = named(hub, FOLDER, "summary-", ".json")
        .into_iter()
        .map(|path| {
            let summary = document(hub, &path);
            let at = summary.as_ref().and_then(|summary| summary["generated_at"].as_str().and_then(Stamp::parse));
            (at, path, summary)
        })
        .max_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let (found, paths) = match newest {
        None => ((Level::Warn, format!("the plans were not validated: {fix}")), Vec::new()),
        Some((_, path, None)) => ((Level::Fail, format!("it is not JSON: {fix}")), vec![path]),
        Some((_, path, Some(summary))) => {
            let failed =
                summary["plans"].as_array().map_or(0, |plans| plans.iter().filter(|p| p["ok"] == false).count());
            let found = match (summary["exit_code"].as_u64(), failed) {
                (Some(0) | None, 0) => (Level::Pass, "all plans are valid".to_owned()),
                (_, failed) => (Level::Warn, format!("{} failed: teof plan validate", text::counted(failed, "plan"))),
            };
            (found, vec![path])
        }
    };
    check("planner_validate", "Plans validated", found, paths)
}

/// The playbook's quickstart leaves a brief; a session of teof leaves its snapshots.
fn quickstart_receipts(hub: &Hub, agent: &str) -> Check {
    const BRIEF: &str = "artifacts/systemic_out/latest/brief.json";
    let mut paths = named(hub, &format!("{}/session_boot", paths::agent(agent)), "", "");
    paths.extend(hub.path(BRIEF).is_ok_and(|path| path.is_file()).then(|| BRIEF.to_owned()));
    let found = match paths.last() {
        Some(path) => (Level::Pass, format!("the last one is {path}")),
        None => (Level::Warn, format!("there are none: teof session-boot --agent {agent} --with-status")),
    };
    check("quickstart_receipts", "Receipts of the start", found, paths.into_iter().next_back().into_iter().collect())
}

fn claim_seed(agent: &str, task: &str, claim: Option<&ClaimFile>) -> Check {
    let holder = claim.and_then(ClaimFile::agent_id).unwrap_or("nobody");
    let found = match claim {
        None => (Level::Fail, format!("{task} is not claimed: teof task pickup {task}")),
        Some(claim) if !claim.is_live() => {
            let status = claim.status_text().unwrap_or("of no status");
            (Level::Warn, format!("the claim of {holder} is {status}"))
        }
        Some(_) if holder != agent => (Level::Warn, format!("{holder} holds it, not {agent}")),
        Some(claim) => (Level::Pass, format!("{holder} holds it ({})", claim.status_text().unwrap_or_default())),
    };
    check("claim_seed", "Claim of the task", found, vec![paths::claim(task)])
}

fn task_sync(hub: &Hub, agent: &str) -> Check {
    let paths = named(hub, &format!("{}/task_sync", paths::agent(agent)), "", "");
    let found = match paths.last() {
        Some(path) => (Level::Pass, format!("the last one is {path}")),
        None => (Level::Warn, "there is none: teof task sync".to_owned()),
    };
    check("task_sync", "Task sync", found, paths.into_iter().next_back().into_iter().collect())
}

fn receipts_index(hub: &Hub) -> Check {
    let paths = named(hub, hygiene::FOLDER, "receipts-index", ".jsonl");
    let found = match paths.is_empty() {
        false => (Level::Pass, format!("{} found", text::counted(paths.len(), "file"))),
        true => (Level::Warn, "there is none: teof receipts hygiene --keep".to_owned()),
    };
    check("receipts_index", "Index of receipts", found, paths)
}

fn receipts_hygiene(hub: &Hub) -> Check {
    let path = format!("{}/{}", hygiene::FOLDER, hygiene::FILES[2]);
    let exists = hub.path(&path).is_ok_and(|path| path.exists());
    let found = match document(hub, &path) {
        None if !exists => (Level::Warn, "there is no summary: teof receipts hygiene --keep".to_owned()),
        None => (Level::Fail, "the summary is not JSON: teof receipts hygiene --keep".to_owned()),
        Some(summary) => {
            let plans = summary["metrics"]["plans_missing_receipts"].as_u64().unwrap_or(0);
            match plans {
                0 => (Level::Pass, "no plan misses a receipt".to_owned()),
                n => {
                    (Level::Warn, format!("{} with missing receipts: teof receipts hygiene", text::counted(n, "plan")))
                }
            }
        }
    };
    check("receipts_hygiene", "Hygiene of receipts", found, vec![path])
}

/// The files of a folder of the hub, sorted.
fn named(hub: &Hub, folder: &str, start: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(hub.root.join(folder)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<_> = names
        .filter(|name| name.starts_with(start) && name.ends_with(ending) && !name.starts_with('.'))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    found.sort();
    found
}

/// `None` when it is not there or not a JSON object.
fn document(hub: &Hub, path: &str) -> Option<Value> {
    let bytes = files::read(&hub.path(path).ok()?, files::MAX_DOCUMENT).ok()??;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}
