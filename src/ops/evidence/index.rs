//! The index of receipts: each with whether it exists, whether git has it, its digest, and who names it (the playbook:
//! receipts_index).
//!
//! Digests are cached by size, times and inode, so that a second index reads only what changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::references::{self, Reference, References};
use crate::base::files::StatCache;
use crate::base::{Refusal, Result, Stamp, digest, files, json, parallel};
use crate::bus::messages;
use crate::hub::{Hub, Tracked, paths};
use crate::model::message::{MANAGER_REPORT, MessageLine};
use crate::model::plan::Plan;
use crate::model::texts;
use crate::plans::{self, PlanFile};
use crate::receipts::{entry, ledger};

/// The index, as it is written: the summary first, then plans, receipts and manager messages.
#[derive(Debug)]
pub struct Index {
    pub summary: Summary,
    pub plans: Vec<PlanRow>,
    pub receipts: Vec<Receipt>,
    pub messages: Vec<MessageRow>,
}

/// How many there are of each.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub generated_at: Stamp,
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    pub plans: usize,
    pub receipts: usize,
    pub manager_messages: usize,
    /// Receipts that something names and that do not exist.
    pub missing: usize,
    /// Existing receipts that neither git nor the ledger has.
    pub untracked: usize,
    /// Files under `_report/` that nothing names.
    pub unreferenced: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct PlanRow {
    pub plan_id: String,
    pub path: String,
    pub actor: Option<String>,
    pub created: Option<Stamp>,
    pub status: Value,
    pub checkpoint_status: Option<String>,
    /// When the file was last written.
    pub updated: Option<Stamp>,
    pub receipts: Vec<Named>,
    pub steps: Vec<StepRow>,
    /// Absent or untracked ones of the plan and its steps, sorted.
    pub missing_receipts: Vec<String>,
    pub links: Value,
}

#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    pub id: Option<String>,
    pub title: Option<String>,
    pub status: Value,
    pub receipts: Vec<Named>,
}

/// A receipt in a plan's list.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    pub path: String,
    pub exists: bool,
    pub tracked: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Relative to the hub.
    pub path: String,
    /// The folder below `_report/`.
    pub category: Option<String>,
    pub exists: bool,
    /// Whether git has it, in the index or in HEAD.
    pub tracked: bool,
    /// Whether the ledger lists it.
    pub in_ledger: bool,
    /// Whether it was retired: it may be missing.
    pub retired: bool,
    pub size: Option<u64>,
    pub mtime: Option<Stamp>,
    pub sha256: Option<String>,
    pub referenced_by: Vec<Reference>,
}

impl Receipt {
    /// Something relies on it, and it does not exist.
    pub fn is_missing(&self) -> bool {
        !self.exists && !self.retired
    }

    /// Something names it, and a clone would not have it.
    pub fn is_untracked(&self) -> bool {
        self.exists && !self.tracked && !self.in_ledger && !self.referenced_by.is_empty()
    }

    /// A file under `_report/` that nothing names and that the ledger does not list; teof's own working files are
    /// none.
    pub fn is_unreferenced(&self) -> bool {
        self.exists && self.referenced_by.is_empty() && !self.in_ledger && !entry::is_rewritten(&self.path)
    }
}

/// A line of manager-report.
#[derive(Clone, Debug, Serialize)]
pub struct MessageRow {
    pub path: String,
    /// Its number among the messages, from 1.
    pub index: usize,
    pub timestamp: Option<Stamp>,
    pub author: Option<String>,
    pub message_type: Option<String>,
    pub task_id: Option<String>,
    pub plan_id: Option<String>,
    pub summary: Option<String>,
    pub receipts: Vec<String>,
    pub missing_receipts: Vec<String>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Summary(&'a Summary),
    Plan(&'a PlanRow),
    Receipt(&'a Receipt),
    ManagerMessage(&'a MessageRow),
}

impl Index {
    /// One JSON object per line; `kind` says what it is.
    pub fn to_jsonl(&self) -> String {
        let summary = std::iter::once(Line::Summary(&self.summary));
        let plans = self.plans.iter().map(Line::Plan);
        let receipts = self.receipts.iter().map(Line::Receipt);
        let messages = self.messages.iter().map(Line::ManagerMessage);
        let lines = summary.chain(plans).chain(receipts).chain(messages);
        lines.map(|line| json::compact(&line) + "\n").collect()
    }
}

/// Reads the index. A plan that cannot be read is left out; `plan validate` names it.
///
/// # Errors
/// When the bus or the ledger cannot be read.
pub fn read(hub: &Hub) -> Result<Index> {
    let plans: Vec<PlanFile> = plans::all(hub).into_iter().filter_map(|(_, found)| found.ok()).collect();
    let mut references = References::new();
    references::of_plans(&plans, &mut references);
    references::of_bus(hub, &mut references)?;
    let receipts = receipts(hub, references)?;
    let known: HashMap<&str, &Receipt> = receipts.iter().map(|receipt| (receipt.path.as_str(), receipt)).collect();
    let plan_rows: Vec<_> = plans.iter().map(|file| plan_row(hub, file, &known)).collect();
    let messages = message_rows(hub, &known)?;
    let count = |is: fn(&Receipt) -> bool| receipts.iter().filter(|receipt| is(receipt)).count();
    let counts = Counts {
        plans: plan_rows.len(),
        receipts: receipts.len(),
        manager_messages: messages.len(),
        missing: count(Receipt::is_missing),
        untracked: count(Receipt::is_untracked),
        unreferenced: count(Receipt::is_unreferenced),
    };
    let summary = Summary { generated_at: hub.now(), counts };
    Ok(Index { summary, plans: plan_rows, receipts, messages })
}

/// Every file under `_report/`, and whatever else is named as evidence, by path.
fn receipts(hub: &Hub, mut references: References) -> Result<Vec<Receipt>> {
    let listed = ledger::listed(&hub.root)?;
    let retired = ledger::retired(&hub.root)?;
    let tracked = Tracked::open(&hub.git_dir)?;
    let mut all: BTreeSet<String> = under_report(&hub.root).into_iter().collect();
    all.extend(references.keys().cloned());
    all.extend(listed.keys().cloned());
    let found: Vec<(String, Option<Metadata>)> =
        all.into_iter().map(|path| (path.clone(), metadata(hub, &path))).collect();
    let digests = digests(hub, &found);
    let row = |(path, meta): (String, Option<Metadata>)| Receipt {
        category: path.strip_prefix("_report/").and_then(|rest| Some(rest.split_once('/')?.0.to_owned())),
        exists: meta.is_some(),
        tracked: tracked.has(&path),
        in_ledger: listed.contains_key(&path),
        retired: retired.contains(&path),
        size: meta.as_ref().map(Metadata::len),
        mtime: meta.as_ref().map(|meta| Stamp::from_unix(meta.mtime())),
        sha256: digests.get(&path).cloned(),
        referenced_by: references.remove(&path).unwrap_or_default(),
        path,
    };
    Ok(found.into_iter().map(row).collect())
}

/// The files under `_report/`. Links are not followed, teof's temporary files and git's rules are left out.
fn under_report(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec!["_report".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{folder}/{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() && !name.starts_with('.') => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// A path that leaves the tree, or a link, is not there.
fn metadata(hub: &Hub, path: &str) -> Option<Metadata> {
    let meta = fs::symlink_metadata(hub.path(path).ok()?).ok()?;
    (meta.is_file() || meta.is_dir()).then_some(meta)
}

/// The digests of the regular files.
fn digests(hub: &Hub, found: &[(String, Option<Metadata>)]) -> BTreeMap<String, String> {
    let mut cache = StatCache::<String>::open(hub.local("cache/receipts.json"));
    let mut known = BTreeMap::new();
    let mut unknown = Vec::new();
    for (path, meta) in found {
        let Some(meta) = meta.as_ref().filter(|meta| meta.is_file()) else { continue };
        match cache.unchanged(path.as_bytes(), meta) {
            Some(sha256) => drop(known.insert(path.clone(), sha256)),
            None => unknown.push(path),
        }
    }
    let hash = |path: &&String| -> Option<(String, String)> {
        let file = files::open_regular(&hub.path(path).ok()?).ok()??;
        Some(((*path).clone(), digest::sha256_reader(file).ok()?))
    };
    known.extend(parallel::map(&unknown, hash).into_iter().flatten());
    let value = |path: &[u8]| known.get(std::str::from_utf8(path).ok()?).cloned();
    if let Err(e) = cache.save(value) {
        tracing::debug!("cannot write the cache: {e:#}");
    }
    known
}

fn plan_row(hub: &Hub, file: &PlanFile, known: &HashMap<&str, &Receipt>) -> PlanRow {
    let plan = &file.plan;
    let named = |path: &str| {
        let receipt = known.get(path.trim());
        let is_address = path.contains("://");
        Named {
            path: path.to_owned(),
            exists: is_address || receipt.is_some_and(|receipt| receipt.exists),
            tracked: is_address || receipt.is_some_and(|receipt| receipt.tracked || receipt.in_ledger),
        }
    };
    let list = |paths: Vec<&str>| paths.into_iter().map(named).collect::<Vec<_>>();
    let receipts = list(plan.receipts());
    let steps: Vec<StepRow> = plan
        .steps()
        .iter()
        .map(|step| StepRow {
            id: step.id().map(str::to_owned),
            title: step.title().map(str::to_owned),
            status: step.raw.get("status").cloned().unwrap_or_default(),
            receipts: list(step.receipts()),
        })
        .collect();
    let all = receipts.iter().chain(steps.iter().flat_map(|step| &step.receipts));
    let missing: BTreeSet<String> =
        all.filter(|named| !named.exists || !named.tracked).map(|named| named.path.clone()).collect();
    PlanRow {
        plan_id: file.id().to_owned(),
        path: file.path.clone(),
        actor: plan.actor().map(str::to_owned),
        created: plan.created(),
        status: raw(plan, "status"),
        checkpoint_status: plan.checkpoint().status().map(str::to_owned),
        updated: metadata(hub, &file.path).map(|meta| Stamp::from_unix(meta.mtime())),
        receipts,
        steps,
        missing_receipts: missing.into_iter().collect(),
        links: raw(plan, "links"),
    }
}

fn raw(plan: &Plan, key: &str) -> Value {
    plan.raw.get(key).cloned().unwrap_or_default()
}

fn message_rows(hub: &Hub, known: &HashMap<&str, &Receipt>) -> Result<Vec<MessageRow>> {
    let lines = match messages::tail(hub, MANAGER_REPORT, 0) {
        Ok(lines) => lines,
        Err(e) if Refusal::of(&e).is_some() => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let path = paths::channel(MANAGER_REPORT);
    let row = |(at, line): (usize, &MessageLine)| {
        let receipts = texts(&line.raw, "receipts");
        let is_missing = |path: &&str| {
            let receipt = known.get(path.trim());
            !path.contains("://") && !receipt.is_some_and(|known| known.exists && (known.tracked || known.in_ledger))
        };
        let mut missing: Vec<String> =
            receipts.iter().filter(|path| is_missing(path)).map(|path| (*path).to_owned()).collect();
        missing.sort();
        missing.dedup();
        MessageRow {
            path: path.clone(),
            index: at + 1,
            timestamp: line.at(),
            author: line.from().map(str::to_owned),
            message_type: line.kind().map(str::to_owned),
            task_id: line.task_id().map(str::to_owned),
            plan_id: line.meta("plan_id").and_then(Value::as_str).map(str::to_owned),
            summary: line.summary().map(str::to_owned),
            receipts: receipts.into_iter().map(str::to_owned).collect(),
            missing_receipts: missing,
        }
    };
    Ok(lines.iter().enumerate().map(row).collect())
}
