//! Claims, with the assignments and holds of their tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cached::{Documents, Timed, Version};
use crate::base::{Refusal, Result, Stamp, names, text};
use crate::bus::{claims, holds};
use crate::hub::{Hub, paths};
use crate::model::assignment::AssignmentFile;
use crate::model::claim::{ClaimFile, believed_lease};
use crate::model::message::is_task_channel;
use crate::seats::editing;

/// How old a hold may be shown that was lifted, or the other way round.
const HOLDS: Duration = Duration::from_secs(2);

/// A claim, of any status.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    pub task: String,
    pub seat: Option<String>,
    /// As the file says; `active` and `paused` are live.
    pub status: String,
    pub is_live: bool,
    pub plan: Option<String>,
    pub branch: Option<String>,
    pub claimed_at: Option<Stamp>,
    /// When the lease ends; `None`: it has none.
    pub lease_expires_at: Option<Stamp>,
    /// The fencing token.
    pub epoch: u64,
    pub notes: Option<String>,
    /// The seat that an assignment names.
    pub assigned_to: Option<String>,
    /// Why the task is on hold, if it is.
    pub hold: Option<String>,
    /// What its seat edits for it, as hooks told it within the last hour: `src/a.rs, src/b.rs`.
    #[serde(default)]
    pub editing: Option<String>,
}

impl Claim {
    /// As its file has it.
    fn of(task: &str, file: &ClaimFile) -> Claim {
        Claim {
            task: task.to_owned(),
            seat: file.agent_id().map(text::safe),
            status: text::safe(file.status_text().unwrap_or("unknown")),
            is_live: file.is_live(),
            plan: file.plan_id().map(text::safe),
            branch: file.branch().map(text::safe),
            claimed_at: file.claimed_at(),
            lease_expires_at: file.lease_expires_at(),
            epoch: file.epoch(),
            notes: file.notes().map(text::safe),
            assigned_to: None,
            hold: None,
            editing: None,
        }
    }

    /// Seconds until its lease ends, negative once it has; `None` without one.
    pub fn lease_left(&self, now: Stamp) -> Option<i64> {
        Some(self.lease_expires_at?.unix() - now.unix())
    }
}

/// A file of the record that cannot be used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unusable {
    /// Relative to the hub.
    pub path: String,
    pub why: String,
}

/// A file as read.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Read {
    Whole(Box<Claim>),
    Damaged(Unusable),
}

/// Relative to the machine-local folder.
const CACHE: &str = "cache/claims.json";

/// Claims and assignments as read last.
#[derive(Default)]
pub(super) struct Claims {
    files: Documents<Read>,
    is_begun: bool,
    assignments: Documents<(String, AssignmentFile)>,
    holds: Timed<HashMap<String, String>>,
    editing: Timed<HashMap<String, String>>,
    channels: Channels,
    /// Something changed that is not shown yet.
    is_behind: bool,
    shown: (Arc<Vec<Claim>>, Arc<Vec<Unusable>>),
    lost: Vec<Unusable>,
}

/// Why the task of a channel is on hold, if it is, as its file said in that version.
type Channels = HashMap<String, (Option<Version>, Option<String>)>;

/// Claims, what cannot be used, and whether either changed.
pub(super) type Listed = (Arc<Vec<Claim>>, Arc<Vec<Unusable>>, bool);

impl Claims {
    pub fn read(&mut self, hub: &Hub) -> Result<Listed> {
        let folder = [record_folder(hub, paths::CLAIMS)?];
        // What another process saved is new to this one.
        let mut is_new = !std::mem::replace(&mut self.is_begun, true);
        if is_new {
            self.files.load(&hub.local(CACHE));
        }
        is_new |= self.files.refresh(&folder, is_task_file, |path| {
            let task = path.file_stem()?.to_str()?;
            let read = names::check_id("task", task).and_then(|_| claims::read(hub, task));
            match read {
                Ok(found) => Some(Read::Whole(Box::new(Claim::of(task, &found?)))),
                Err(e) => Some(Read::Damaged(Unusable { path: paths::claim(task), why: why(&e) })),
            }
        });
        self.files.save(&hub.local(CACHE));
        if is_new {
            self.lost = self.lost(hub);
            self.is_behind = true;
        }
        let folder = [record_folder(hub, paths::ASSIGNMENTS)?];
        self.is_behind |= self.assignments.refresh(&folder, is_task_file, |path| {
            let task = path.file_stem()?.to_str()?;
            let raw = crate::base::json::read_object(path).ok()??;
            Some((task.to_owned(), AssignmentFile { raw }))
        });
        let (files, channels) = (&self.files, &mut self.channels);
        let known = self.holds.get(HOLDS, || held(hub, whole(files).filter(|claim| claim.is_live), channels))?;
        let is_other = |claim: &Claim| claim.is_live && claim.hold.as_ref() != known.get(&claim.task);
        self.is_behind |= self.shown.0.iter().any(is_other);
        let editing = self.editing.get(HOLDS, || Ok(editing::by_task(hub)))?;
        let is_other = |claim: &Claim| claim.is_live && claim.editing.as_ref() != editing.get(&claim.task);
        self.is_behind |= self.shown.0.iter().any(is_other);
        let is_changed = std::mem::take(&mut self.is_behind);
        if is_changed {
            self.show(&known, &editing, hub.now());
        }
        Ok((Arc::clone(&self.shown.0), Arc::clone(&self.shown.1), is_changed))
    }

    /// The assignments by task.
    pub fn assignments(&self) -> impl Iterator<Item = (&str, &AssignmentFile)> {
        self.assignments.values().map(|(task, assignment)| (task.as_str(), assignment))
    }

    /// Claims that were acknowledged and have no file.
    fn lost(&self, hub: &Hub) -> Vec<Unusable> {
        let there: std::collections::HashSet<&str> = self.files.values().map(Read::task).collect();
        let acknowledged = hub.watermarks().claimed_tasks();
        let lost = acknowledged.iter().filter(|task| !there.contains(task.as_str()));
        let why = |task: &String| claims::load(hub, task).err().map(|e| why(&e));
        lost.filter_map(|task| Some(Unusable { path: paths::claim(task), why: why(task)? })).collect()
    }

    fn show(&mut self, holds: &HashMap<String, String>, editing: &HashMap<String, String>, now: Stamp) {
        let assigned: HashMap<&str, &str> =
            self.assignments().filter_map(|(task, found)| Some((task, found.engineer()?))).collect();
        let claims = whole(&self.files).map(|claim| Claim {
            lease_expires_at: believed_lease(claim.lease_expires_at, now),
            assigned_to: assigned.get(claim.task.as_str()).map(|seat| text::safe(seat)),
            hold: holds.get(&claim.task).cloned(),
            editing: editing.get(&claim.task).filter(|_| claim.is_live).cloned(),
            ..claim.clone()
        });
        let claims = claims.collect();
        let damaged = self.files.values().filter_map(|read| match read {
            Read::Whole(_) => None,
            Read::Damaged(damaged) => Some(damaged.clone()),
        });
        let unusable = damaged.chain(self.lost.iter().cloned()).collect();
        self.shown = (Arc::new(claims), Arc::new(unusable));
    }
}

impl Read {
    fn task(&self) -> &str {
        match self {
            Read::Whole(claim) => &claim.task,
            Read::Damaged(damaged) => {
                let name = damaged.path.rsplit('/').next().unwrap_or_default();
                name.strip_suffix(".json").unwrap_or(name)
            }
        }
    }
}

fn whole(files: &Documents<Read>) -> impl Iterator<Item = &Claim> {
    files.values().filter_map(|read| match read {
        Read::Whole(claim) => Some(claim.as_ref()),
        Read::Damaged(_) => None,
    })
}

fn is_task_file(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(is_task_channel)
}

/// A folder of the record, after checking that it is no link.
fn record_folder(hub: &Hub, folder: &str) -> Result<std::path::PathBuf> {
    let inside = hub.path(&format!("{folder}/x"))?;
    Ok(inside.parent().map_or_else(|| hub.root.join(folder), std::path::Path::to_owned))
}

/// Why each of the tasks is on hold that is. Only channels that changed are read.
fn held<'a>(
    hub: &Hub,
    claims: impl Iterator<Item = &'a Claim>,
    channels: &mut Channels,
) -> Result<HashMap<String, String>> {
    let mut before = std::mem::take(channels);
    let mut held = HashMap::new();
    for claim in claims {
        let version = Version::of(&hub.path(&paths::channel(&claim.task))?);
        let hold = match before.remove(&claim.task) {
            Some((known, hold)) if known == version => hold,
            _ => holds::on(hub, &claim.task)?.map(|hold| text::safe(&hold.summary)),
        };
        held.extend(hold.clone().map(|why| (claim.task.clone(), why)));
        channels.insert(claim.task.clone(), (version, hold));
    }
    Ok(held)
}

/// One line for people.
fn why(error: &anyhow::Error) -> String {
    match Refusal::of(error) {
        Some(Refusal { message, reason: Some(reason), .. }) => text::safe(&format!("{message}: {reason}")),
        _ => text::safe(&format!("{error:#}")),
    }
}
