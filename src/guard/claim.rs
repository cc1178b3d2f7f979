//! Checks who may write to a task: a fresh session or the epoch of a live claim, and the claim itself (the playbook:
//! session_guard, claim_guard).
//!
//! There are two steps, because a refusal is logged, and the log is only written under the bus lock: [`admit`]
//! before the lock is taken, [`check`] under it.

use serde_json::{Map, Value, json};

use super::operator::{OPERATOR, Person};
use crate::base::{Refusal, Result, env, json, names};
use crate::bus::{claim_rules, claims};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::claim::ClaimFile;
use crate::seats::freshness::{self, Override, Rule};
use crate::seats::known;

/// The author of a write, and the epoch that it gives.
#[derive(Clone, Debug)]
pub struct Author {
    pub agent: String,
    /// The epoch of the author's claim, if given; see [`shown_epoch`].
    pub epoch: Option<u64>,
    pub session: Rule,
    /// For the operator: the person, found before the lock is taken.
    pub person: Option<Person>,
}

impl Author {
    pub fn new(agent: impl Into<String>) -> Author {
        Author { agent: agent.into(), epoch: None, session: Rule::default(), person: None }
    }
}

/// The epoch given for a task: by the flag, else by the environment when its task is this one (a worker's children
/// have both variables).
pub fn shown_epoch(flag: Option<u64>, task: Option<&str>) -> Result<Option<u64>> {
    if flag.is_some() {
        return Ok(flag);
    }
    if task.is_none() || env::var(env::TASK).as_deref() != task {
        return Ok(None);
    }
    inherited_epoch()
}

/// The claim's epoch of the worker that started this process.
fn inherited_epoch() -> Result<Option<u64>> {
    let Some(text) = env::var(env::CLAIM_EPOCH) else { return Ok(None) };
    let epoch = text.trim().parse().map_err(|_| {
        Refusal::usage("epoch.invalid", format!("{}={text:?} is not an epoch", env::CLAIM_EPOCH))
            .next("the worker that started you sets it; restore its value")
    })?;
    Ok(Some(epoch))
}

/// Under the lock, for each change of the record: refuses an old epoch of `task`, and every write of a worker whose
/// claim now has another epoch.
///
/// # Errors
/// `claim.epoch` (exit 3).
pub fn check_epochs(hub: &Hub, task: &str, shown: Option<u64>) -> Result<()> {
    if let Some(epoch) = shown {
        let found = claims::load(hub, task)?;
        claim_rules::is_current(task, found.as_ref().map(|found| &found.file), epoch)?;
    }
    check_inherited_epoch(hub)
}

/// The part of [`check_epochs`] that needs no task. Passes in a hub that does not have the worker's claim.
///
/// # Errors
/// `claim.epoch` (exit 3).
pub fn check_inherited_epoch(hub: &Hub) -> Result<()> {
    let Some(task) = env::var(env::TASK).filter(|task| names::is_id(task)) else { return Ok(()) };
    let Some(epoch) = inherited_epoch()? else { return Ok(()) };
    match claims::load(hub, &task)? {
        Some(found) => Ok(claim_rules::is_current(&task, Some(&found.file), epoch)?),
        None => Ok(()),
    }
}

/// Before the lock: passes with a fresh session or with the epoch of a live claim of `task`. A stale session passes
/// only when the rule allows it; the returned override is recorded by the caller in its transaction.
pub fn admit(hub: &Hub, author: &Author, task: Option<&str>, context: &str) -> Result<Option<Override>> {
    if let (Some(task), Some(epoch)) = (task, author.epoch)
        && proves(claims::load(hub, task)?.map(|found| found.file).as_ref(), author, epoch)
    {
        return Ok(None);
    }
    // A person needs no session: `operator::require` has checked them already.
    if author.agent == OPERATOR {
        return Ok(None);
    }
    if author.session.allow_stale {
        // Who needs no session may have a new name.
        known::check_name(hub, &author.agent)?;
    }
    freshness::require(hub, &author.agent, author.session, context)
}

fn proves(claim: Option<&ClaimFile>, author: &Author, epoch: u64) -> bool {
    claim.is_some_and(|claim| {
        claim.is_live() && claim.epoch() == epoch && claim.agent_id() == Some(author.agent.as_str())
    })
}

/// Under the lock: passes when the author may write to `task`. A refusal appends a line to the author's error log;
/// `action` names the refused action: "status", "release".
pub fn check(writer: &mut Writer<'_>, author: &Author, task: &str, action: &str) -> Result<()> {
    let found = claims::load(writer.hub(), task)?;
    let claim = found.as_ref().map(|found| &found.file);
    claim_rules::may_write(task, claim, &author.agent, author.epoch)
        .map_err(|refusal| refuse(writer, author, task, action, claim, refusal))
}

/// Appends the line to the error log and returns the refusal.
pub fn refuse(
    writer: &mut Writer<'_>,
    author: &Author,
    task: &str,
    action: &str,
    claim: Option<&ClaimFile>,
    refusal: Refusal,
) -> anyhow::Error {
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
    put("ts", json!(writer.hub().now()));
    put("agent_id", json!(author.agent));
    put("event", json!(action));
    put("reason", json!(refusal.message));
    put("task_id", json!(task));
    if let Some(owner) = claim.and_then(ClaimFile::agent_id) {
        put("claim_owner", json!(owner));
    }
    if let Some(status) = claim.and_then(ClaimFile::status_text) {
        put("claim_status", json!(status));
    }
    let mut transaction = Transaction::new(format!("refuse {action}"));
    transaction.append(errors(&author.agent), (json::compact(&line) + "\n").as_bytes());
    // The refusal stands even when its line cannot be written.
    if let Err(e) = writer.commit(transaction) {
        tracing::debug!("cannot write the error log: {e:#}");
    }
    refusal.into()
}

/// The seat's error log, relative to the hub.
pub fn errors(agent: &str) -> String {
    format!("{}/errors.jsonl", paths::agent(agent))
}
