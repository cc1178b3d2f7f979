//! Edits plans in a transaction: read under the lock, edit, check, stage.
//!
//! An edit is refused for findings that it would add, before anything is written. Earlier findings of the plan do not
//! prevent it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::evidence::Evidence;
use super::{store, validate};
use crate::base::{Refusal, Result, names, text};
use crate::hub::{Transaction, Writer};
use crate::model::json::edit::EditableJson;
use crate::model::plan::{Plan, Status, Step};
use crate::model::run::outcome::Finding;

/// The changes to a step; `None` keeps the value.
#[derive(Clone, Debug, Default)]
pub struct StepChange {
    pub status: Option<Status>,
    /// Replaces the notes (the playbook: `step set --note`).
    pub notes: Option<String>,
    /// The result of the last run: `{outcome, reason, run, commit?, receipts}`, stored in the step's `last_run`.
    pub last_run: Option<Value>,
    /// Other fields to set, such as `commands` or `diff_limit`.
    pub fields: Map<String, Value>,
    /// Receipts to add to the step and the plan. A receipt that another step lists stays there, because each receipt
    /// belongs to one step.
    pub receipts: Vec<String>,
}

/// Sets the status of a plan.
pub fn set_status(writer: &Writer<'_>, transaction: &mut Transaction, plan: &str, status: Status) -> Result<()> {
    edit(writer, transaction, plan, |document, found| {
        transition("the plan", found.status(), status)?;
        document.set("/status", status.as_str())
    })
}

/// Sets the status of a plan's checkpoint, when a person states that its goal is met or superseded.
pub fn set_checkpoint(writer: &Writer<'_>, transaction: &mut Transaction, plan: &str, status: &str) -> Result<()> {
    edit(writer, transaction, plan, |document, found| {
        if status == "satisfied" && found.receipts().is_empty() {
            return Err(Refusal::guard("plan.no_evidence", "a satisfied checkpoint needs a receipt")
                .because("the plan has none")
                .next("attach the evidence first: teof plan attach <plan> <step> --file <path>")
                .into());
        }
        document.set("/checkpoint/status", status)
    })
}

/// Changes a step. The same change again changes nothing.
pub fn set_step(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    plan: &str,
    step: &str,
    change: &StepChange,
) -> Result<()> {
    edit(writer, transaction, plan, |document, found| {
        let step = step_of(found, step)?;
        let at = format!("/steps/{}", step.index);
        if let Some(status) = change.status {
            transition(&format!("step {}", step.id().unwrap_or_default()), step.status(), status)?;
            document.set(&format!("{at}/status"), status.as_str())?;
        }
        if let Some(notes) = &change.notes {
            document.set(&format!("{at}/notes"), notes.as_str())?;
        }
        if let Some(last_run) = &change.last_run {
            let mut last_run = last_run.clone();
            // Until it is done again, the record says why it is not.
            if let Some(commit) = validate::reverted(&step).filter(|_| change.status != Some(Status::Done)) {
                last_run["reverted"] = json!(commit);
            }
            document.set(&format!("{at}/last_run"), last_run)?;
        }
        for (field, value) in &change.fields {
            document.set(&format!("{at}/{field}"), value.clone())?;
        }
        change.receipts.iter().try_for_each(|receipt| match other_step(found, &step, receipt) {
            Some(_) => push_once(document, "/receipts", receipt),
            None => add_receipt(document, &step, receipt),
        })
    })
}

/// Reopens a done step whose result was reverted by `commit`, with its plan and a satisfied checkpoint. The only way
/// back from done; `last_run` records the revert.
pub fn reopen(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    plan: &str,
    step: &str,
    commit: &str,
    reason: &str,
) -> Result<()> {
    edit(writer, transaction, plan, |document, found| {
        let step = step_of(found, step)?;
        if step.status() != Some(Status::Done) {
            return Err(Refusal::guard("plan.transition", "only a done step can be reopened").into());
        }
        // One step at a time: if another step is in progress, it is queued.
        let busy = found.steps().iter().any(|other| other.status() == Some(Status::InProgress));
        let status = if busy { Status::Queued } else { Status::InProgress };
        let at = format!("/steps/{}", step.index);
        document.set(&format!("{at}/status"), status.as_str())?;
        let last_run = json!({"outcome": validate::REVERTED, "reason": text::safe(reason), "commit": commit});
        document.set(&format!("{at}/last_run"), last_run)?;
        if found.status() == Some(Status::Done) {
            document.set("/status", Status::InProgress.as_str())?;
        }
        match found.checkpoint().status() {
            Some("satisfied") => document.set("/checkpoint/status", "pending"),
            _ => Ok(()),
        }
    })
}

/// Adds a queued step at the end, with further `fields` as [`StepChange::fields`]; returns its id,
/// the next free `S<n>` unless given.
pub fn add_step(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    plan: &str,
    id: Option<&str>,
    title: &str,
    notes: &str,
    fields: &Map<String, Value>,
) -> Result<String> {
    let mut added = String::new();
    edit(writer, transaction, plan, |document, found| {
        let free = |n: &usize| found.step(&format!("S{n}")).is_none();
        added = match id {
            // It becomes part of a task's name.
            Some(id) => names::check_id("step", id)?.to_owned(),
            None => format!("S{}", (1..).find(free).expect("a plan has finitely many steps")),
        };
        let mut step = new_step(&added, title, notes);
        fields.iter().for_each(|(field, value)| step[field] = value.clone());
        document.push("/steps", step)
    })?;
    Ok(added)
}

/// A step as `plan new` and `plan step add` write it.
pub(super) fn new_step(id: &str, title: &str, notes: &str) -> Value {
    json!({"id": id, "title": title, "status": Status::Queued.as_str(), "notes": notes, "receipts": []})
}

/// Adds a receipt (path relative to the hub) to a step and to its plan. The receipt itself is never
/// touched: it may carry its own hash.
///
/// # Errors
/// When the file is missing, damaged or not tracked.
pub fn attach(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    plan: &str,
    step: &str,
    receipt: &str,
    evidence: Evidence,
) -> Result<()> {
    let refuse = |code, why: String, next: &str| {
        Err(Refusal::guard(code, format!("{receipt} cannot be a receipt of {plan}")).because(why).next(next).into())
    };
    match evidence {
        Evidence::Tracked => {}
        Evidence::Missing => {
            return refuse(
                "receipt.missing",
                "the file does not exist in the repository".into(),
                "name an existing file",
            );
        }
        Evidence::Damaged(why) => return refuse("receipt.damaged", why, "attach a regular file; JSON must be valid"),
        Evidence::Untracked => {
            let why = "git does not track it, and the ledger does not list it";
            return refuse("receipt.untracked", why.into(), "git add it first, or put it under _report/");
        }
    }
    edit(writer, transaction, plan, |document, found| {
        let step = step_of(found, step)?;
        match other_step(found, &step, receipt) {
            Some(other) => {
                refuse("receipt.duplicate", format!("step {other} already lists it"), "attach other evidence")
            }
            None => add_receipt(document, &step, receipt),
        }
    })
}

/// Adds a link, such as `("bus", "_bus/claims/QUEUE-001.json")`, unless it exists.
pub fn link(writer: &Writer<'_>, transaction: &mut Transaction, plan: &str, kind: &str, reference: &str) -> Result<()> {
    edit(writer, transaction, plan, |document, found| match found.links().contains(&(kind, reference)) {
        true => Ok(()),
        false => document.push("/links", json!({"type": kind, "ref": reference})),
    })
}

/// Runs an edit: reads the plan, edits it, and checks the result.
fn edit(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    plan: &str,
    change: impl FnOnce(&mut EditableJson, &Plan) -> Result<()>,
) -> Result<()> {
    let path = store::locate(writer.hub(), plan)?;
    let before = store::current(writer.hub(), transaction, &path)?.unwrap_or_default();
    let mut document = EditableJson::parse(&before, Path::new(&path))?;
    let found = Plan { raw: document.object().clone() };
    change(&mut document, &found)?;
    if document.bytes() == before {
        return Ok(());
    }
    let added = added(&path, &before, document.bytes());
    if !added.is_empty() {
        return Err(would_break(&path, &added).into());
    }
    transaction.replace(path, document.into_text());
    Ok(())
}

/// The findings that an edit adds, including strict rules, but not about existing receipts.
fn added(path: &str, before: &[u8], after: &[u8]) -> Vec<Finding> {
    let check = |bytes| validate::check(path, bytes, Some(&|_| Evidence::Tracked));
    let old = check(before);
    let known = |new: &Finding| old.iter().any(|old| (&old.code, &old.message) == (&new.code, &new.message));
    let mut found: Vec<_> = check(after).into_iter().filter(|new| !known(new)).collect();
    found.extend(validate::regressions(path, before, after));
    found
}

fn would_break(path: &str, findings: &[Finding]) -> Refusal {
    let reasons: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
    let refusal = Refusal::guard("plan.invalid", format!("the edit would make {} invalid", store::id_of(path)))
        .because(reasons.join("; "))
        .with("findings", json!(findings));
    findings.iter().filter_map(|finding| finding.hint.as_ref()).fold(refusal, |refusal, hint| refusal.next(hint))
}

fn transition(whose: &str, from: Option<Status>, to: Status) -> Result<()> {
    match from {
        Some(from) if from.may_become(to) => Ok(()),
        Some(from) => {
            let allowed = Status::ALL.into_iter().filter(|next| from.may_become(*next) && *next != from);
            let allowed: Vec<_> = allowed.map(Status::as_str).collect();
            let refusal = Refusal::guard("plan.transition", format!("{whose} is {from} and cannot become {to}"));
            let refusal = match allowed.is_empty() {
                true => refusal.because("done is final").next("add a step for the remaining work: teof plan step add"),
                false => refusal.next(format!("allowed after {from}: {}", allowed.join(", "))),
            };
            Err(refusal.into())
        }
        None => Err(Refusal::guard("plan.status", format!("the status of {whose} is unknown"))
            .because("so its next status cannot be checked")
            .next("fix it by hand: queued, in_progress, blocked or done")
            .into()),
    }
}

fn add_receipt(document: &mut EditableJson, step: &Step<'_>, receipt: &str) -> Result<()> {
    push_once(document, &format!("/steps/{}/receipts", step.index), receipt)?;
    push_once(document, "/receipts", receipt)
}

fn push_once(document: &mut EditableJson, list: &str, receipt: &str) -> Result<()> {
    let items = document.get(list).and_then(Value::as_array);
    match items.is_some_and(|items| items.iter().any(|item| item == receipt)) {
        true => Ok(()),
        false => document.push(list, receipt),
    }
}

/// Another step that lists the receipt.
fn other_step<'a>(plan: &'a Plan, step: &Step<'_>, receipt: &str) -> Option<&'a str> {
    let others = plan.steps().into_iter().filter(|other| other.index != step.index);
    others.filter(|other| other.receipts().contains(&receipt)).find_map(|other| other.id())
}

/// The step of this id.
///
/// # Errors
/// `step.not_found` (exit 4), with similar ids.
pub fn step_of<'a>(plan: &'a Plan, id: &str) -> Result<Step<'a>> {
    plan.step(id).ok_or_else(|| {
        let ids: Vec<_> = plan.steps().iter().filter_map(Step::id).collect();
        let shown = text::clip(&text::safe(id), 60);
        let meant = names::did_you_mean(id, ids.iter().copied());
        Refusal::not_found("step.not_found", format!("no such step: {shown}{meant}"))
            .because(format!("steps of the plan: {}", text::clip(&ids.join(", "), 400)))
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;
    use crate::hub::{Hub, paths};
    use crate::model::backlog::ItemStatus;
    use crate::plans::backlog;

    const PLAN: &str = r#"{"plan_id": "2026-01-05-a", "steps": [
    {"id": "S1", "title": "one", "receipts": ["r"]},
    {"id": "S2", "title": "two"}
]}"#;

    fn hub() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("repo");
        let init = std::process::Command::new("git").args(["init", "-q", "-b", "main"]).arg(&root).status().unwrap();
        assert!(init.success());
        paths::OWNED.iter().for_each(|folder| std::fs::create_dir(root.join(folder)).unwrap());
        std::fs::write(root.join("_plans/2026-01-05-a.plan.json"), PLAN).unwrap();
        std::fs::write(root.join(paths::BACKLOG), r#"{"items": [{"id": "ND-1", "status": "pending"}]}"#).unwrap();
        (dir, Hub::find(Some(&root), Clock::Machine).unwrap())
    }

    #[test]
    fn edits_in_one_transaction_build_on_each_other() {
        let (_dir, hub) = hub();
        let mut writer = hub.lock("test").unwrap();
        let mut transaction = Transaction::new("test");
        let running = StepChange { status: Some(Status::InProgress), ..StepChange::default() };
        let done = StepChange {
            status: Some(Status::Done),
            last_run: Some(json!({"outcome": "succeeded"})),
            receipts: vec!["r".into(), "s".into()],
            ..StepChange::default()
        };
        for _ in 0..2 {
            // What was done already is not done twice.
            set_status(&writer, &mut transaction, "2026-01-05-a", Status::InProgress).unwrap();
            link(&writer, &mut transaction, "2026-01-05-a", "bus", "_bus/claims/ND-1.json").unwrap();
        }
        set_step(&writer, &mut transaction, "2026-01-05-a", "S2", &running).unwrap();
        assert!(set_step(&writer, &mut transaction, "2026-01-05-a", "S1", &running).is_err(), "one step at a time");
        set_step(&writer, &mut transaction, "2026-01-05-a", "S2", &done).unwrap();
        backlog::set_status(&writer, &mut transaction, "ND-1", ItemStatus::InProgress).unwrap();
        backlog::set_status(&writer, &mut transaction, "ND-1", ItemStatus::Done).unwrap();
        assert_eq!(store::find(&hub, "2026-01-05-a").unwrap().bytes, PLAN.as_bytes(), "nothing is written yet");
        writer.commit(transaction).unwrap();
        let plan = store::find(&hub, "2026-01-05-a").unwrap().plan;
        assert_eq!((plan.status(), plan.links().len()), (Some(Status::InProgress), 1));
        let step = plan.step("S2").unwrap();
        assert_eq!((step.status(), step.receipts()), (Some(Status::Done), vec!["s"]), "another step lists r");
        assert_eq!(plan.receipts(), ["r", "s"]);
        let backlog = backlog::read(&hub).unwrap();
        assert_eq!(backlog.item("ND-1").unwrap().status(), Some(ItemStatus::Done));
        assert_eq!(backlog.raw["history"].as_array().unwrap().len(), 1);
    }
}
