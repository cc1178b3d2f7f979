//! Finds who names a file as evidence: plans, their steps, events and messages.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Result, Stamp, jsonl};
use crate::bus::{events, messages};
use crate::hub::{Hub, paths};
use crate::model::{text, texts};
use crate::plans::{self, PlanFile};
use crate::receipts::ledger;

/// A place that names a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// `plan`, `step`, `event` or `message`.
    pub level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The log or channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<Stamp>,
}

impl Reference {
    /// In a few words: `plan 2026-01-05-docs step S1`, `_bus/messages/Q-1.jsonl:3`.
    pub fn describe(&self) -> String {
        let plan = self.plan_id.as_deref().unwrap_or_default();
        match (self.level, &self.step_id, &self.path, self.line) {
            (_, _, Some(path), Some(line)) => format!("{path}:{line}"),
            (_, Some(step), ..) => format!("plan {plan} step {step}"),
            _ => format!("plan {plan}"),
        }
    }

    fn of_plan(level: &'static str, plan: &str, step: Option<&str>) -> Reference {
        Reference {
            level,
            plan_id: Some(plan.to_owned()),
            step_id: step.map(str::to_owned),
            task_id: None,
            agent_id: None,
            path: None,
            line: None,
            ts: None,
        }
    }
}

/// The references to each path; addresses (`https://…`) are left out.
pub(super) type References = BTreeMap<String, Vec<Reference>>;

/// Every path that the ledger, a plan, an event or a message names as evidence.
///
/// # Errors
/// When the ledger or a log cannot be read.
pub fn named(hub: &Hub) -> Result<BTreeSet<String>> {
    let mut found = References::new();
    let plans: Vec<_> = plans::all(hub).into_iter().filter_map(|(_, plan)| plan.ok()).collect();
    of_plans(&plans, &mut found);
    of_bus(hub, &mut found)?;
    Ok(found.into_keys().chain(ledger::listed(&hub.root)?.into_keys()).collect())
}

/// What the plans name.
pub(super) fn of_plans(plans: &[PlanFile], found: &mut References) {
    for file in plans {
        let (id, plan) = (file.id(), &file.plan);
        plan.receipts().into_iter().for_each(|path| add(found, path, Reference::of_plan("plan", id, None)));
        for step in plan.steps() {
            let receipts = step.receipts().into_iter();
            receipts.for_each(|path| add(found, path, Reference::of_plan("step", id, step.id())));
        }
    }
}

/// What events and messages name. A line that stands twice counts once.
///
/// # Errors
/// When a log cannot be read.
pub(super) fn of_bus(hub: &Hub, found: &mut References) -> Result<()> {
    for log in events::logs(hub)? {
        of_log(hub, &log, "event", "agent_id", found)?;
    }
    for channel in messages::channels(hub)? {
        of_log(hub, &paths::channel(&channel), "message", "from", found)?;
    }
    Ok(())
}

fn of_log(hub: &Hub, path: &str, level: &'static str, author: &str, found: &mut References) -> Result<()> {
    let mut known = HashSet::new();
    jsonl::for_each_line(&hub.path(path)?, 0, |number, _, line| {
        // Most lines name no evidence and are not parsed.
        let names_any = std::str::from_utf8(line).is_ok_and(|line| line.contains("\"receipt"));
        if names_any
            && line.starts_with(b"{")
            && let Ok(raw) = serde_json::from_slice::<Map<String, Value>>(line)
            && known.insert(line.to_vec())
        {
            let reference = Reference {
                task_id: text(&raw, "task_id").map(str::to_owned),
                agent_id: text(&raw, author).map(str::to_owned),
                path: Some(path.to_owned()),
                line: Some(number),
                ts: text(&raw, "ts").and_then(Stamp::parse),
                plan_id: text(&raw, "plan_id").map(str::to_owned),
                ..Reference::of_plan(level, "", None)
            };
            // Other tools also wrote one receipt without a list.
            let receipts = texts(&raw, "receipts").into_iter().chain(text(&raw, "receipt"));
            receipts.for_each(|receipt| add(found, receipt, reference.clone()));
        }
        Ok(true)
    })?;
    Ok(())
}

fn add(found: &mut References, path: &str, reference: Reference) {
    let path = path.trim();
    if path.is_empty() || path.contains("://") {
        return;
    }
    let references = found.entry(path.to_owned()).or_default();
    if !references.contains(&reference) {
        references.push(reference);
    }
}
