//! Reads claims, `_bus/claims/<task>.json`, and stages their next state in a transaction.
//!
//! `claim_rules` decides what that state is. A claim file older than the acknowledged one is refused here, so that
//! the task does not look free.

use std::collections::HashSet;

use serde_json::Value;

use crate::base::{Refusal, Result, Stamp, files, json, names, text};
use crate::hub::marks::watermarks;
use crate::hub::{Hub, Transaction, paths};
use crate::model::claim::{Claim, ClaimFile};
use crate::model::json::edit::EditableJson;
use crate::model::message::is_task_channel;

use super::documents::{self, Damaged, Listing};

/// A claim file: the document for edits, and the parsed claim.
#[derive(Clone, Debug)]
pub struct Found {
    pub file: ClaimFile,
    document: EditableJson,
}

impl Found {
    /// The claim, with every required field present and valid, and with the last acknowledged lease: a file that git
    /// reset may show an earlier end.
    pub fn claim(&self, hub: &Hub) -> Result<Claim> {
        let mut claim = self.file.strict(self.document.path())?;
        let known = hub.watermarks().claim(&paths::claim(&claim.task_id))?.map(|(known, _)| known);
        let known = known.filter(|known| known.epoch() == claim.epoch && known.is_live() && claim.status.is_live());
        claim.lease_expires_at = claim.lease_expires_at.max(known.and_then(|known| known.lease_expires_at()));
        Ok(claim)
    }
}

/// The claim of a task; `None` when it was never claimed.
///
/// # Errors
/// When the name is not a task's, the file is damaged, or it is older than the acknowledged claim.
pub fn load(hub: &Hub, task: &str) -> Result<Option<Found>> {
    let relative = paths::claim(check_task(task)?);
    let path = hub.path(&relative)?;
    let known = hub.watermarks().claim_bytes(&relative)?;
    let found = match files::read(&path, files::MAX_DOCUMENT)? {
        None => None,
        Some(bytes) => {
            let document = EditableJson::parse(&bytes, &path)?;
            Some(Found { file: ClaimFile { raw: document.object().clone() }, document })
        }
    };
    watermarks::check_claim(&relative, known.as_deref(), found.as_ref().map(|found| &found.file))?;
    if let Some(found) = &found {
        check_name(&relative, task, &found.file)?;
    }
    Ok(found)
}

/// Like [`load`], without the data for an edit, in a folder known not to be a link.
pub fn read(hub: &Hub, task: &str) -> Result<Option<ClaimFile>> {
    let relative = paths::claim(task);
    let path = hub.root.join(&relative);
    let known = hub.watermarks().claim_bytes(&relative)?;
    let Some(bytes) = files::read(&path, files::MAX_DOCUMENT)? else {
        watermarks::check_claim(&relative, known.as_deref(), None)?;
        return Ok(None);
    };
    let file = ClaimFile { raw: json::parse_object(&bytes, &path)? };
    // Equal bytes need no comparison.
    if known.as_ref() != Some(&bytes) {
        watermarks::check_claim(&relative, known.as_deref(), Some(&file))?;
    }
    check_name(&relative, task, &file)?;
    Ok(Some(file))
}

/// Every claim of a task; those of channels (the playbook's trees have one) are skipped. One that
/// fell behind, or is gone although it was acknowledged, is among the damaged.
pub fn list(hub: &Hub) -> Result<Listing<ClaimFile>> {
    let mut listing = documents::list(hub, paths::CLAIMS, |task| match is_task_channel(task) {
        true => read(hub, task),
        false => Ok(None),
    })?;
    let damaged: HashSet<&str> = listing.damaged.iter().map(|damaged| damaged.path.as_str()).collect();
    let gone = hub.watermarks().claimed_tasks().into_iter().filter_map(|task| {
        let path = paths::claim(&task);
        let is_listed = listing.get(&task).is_some() || damaged.contains(path.as_str());
        let error = (!is_listed).then(|| load(hub, &task).err()).flatten()?;
        Some(Damaged { path, why: documents::why(&error) })
    });
    let gone: Vec<_> = gone.collect();
    listing.damaged.extend(gone);
    Ok(listing)
}

/// Stages the next state of a claim in a transaction: an edit of the file that is there, or a new one.
pub fn stage(transaction: &mut Transaction, found: Option<&Found>, claim: &Claim) -> Result<()> {
    let path = paths::claim(&claim.task_id);
    let Some(found) = found else {
        transaction.create(path, claim.to_new_file());
        return Ok(());
    };
    let mut document = found.document.clone();
    for (key, value) in claim.fields() {
        let unset = value.is_null() || (key == "epoch" && claim.epoch == 0);
        match (unset, document.object().get(key)) {
            // What other tools write as null, or as a claim without an epoch, stays as it is.
            (true, None | Some(Value::Null)) => {}
            (true, Some(_)) if key == "epoch" => {}
            (true, Some(_)) => document.remove(&format!("/{key}"))?,
            (false, Some(old)) if same_time(key, old, &value) => {}
            (false, _) => document.set(&format!("/{key}"), value)?,
        }
    }
    if document.bytes() != found.document.bytes() {
        let text = document.into_text();
        transaction.replace(path, text);
    }
    Ok(())
}

/// The same moment in another spelling (an offset, a fraction of a second) is left as it was written.
fn same_time(key: &str, old: &Value, new: &Value) -> bool {
    let at = |value: &Value| value.as_str().and_then(Stamp::parse);
    key.ends_with("_at") && at(old).is_some() && at(old) == at(new)
}

/// Refuses a name that cannot be claimed: unusable as a file name, or a channel's.
pub fn check_task(task: &str) -> Result<&str> {
    names::check_id("task", task)?;
    if is_task_channel(task) {
        return Ok(task);
    }
    Err(Refusal::usage("task.channel", format!("{task} is a channel, not a task"))
        .because("manager-report and agent-<id> are open channels and cannot be claimed")
        .next("see what there is to claim: teof task list")
        .into())
}

/// Refuses a claim whose task differs from its file name.
fn check_name(path: &str, task: &str, claim: &ClaimFile) -> Result<()> {
    let Some(other) = claim.task_id().filter(|other| *other != task) else { return Ok(()) };
    let other = text::clip(&text::safe(other), 60);
    Err(Refusal::guard("claim.invalid", format!("{path} is the claim of another task"))
        .because(format!("its task_id is {other:?}"))
        .next("fix the file by hand, or take it back with: teof bus restore")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;
    use crate::model::claim::ClaimStatus;

    fn hub() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert!(std::process::Command::new("git").args(["init", "-q"]).arg(&root).status().unwrap().success());
        for folder in paths::OWNED {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        std::fs::create_dir(root.join(paths::CLAIMS)).unwrap();
        let hub = Hub::find(Some(&root), Clock::Machine).unwrap();
        (dir, hub)
    }

    #[test]
    fn an_edit_keeps_what_it_does_not_know_and_how_it_is_written() {
        let (_dir, hub) = hub();
        let text = "{\n  \"task_id\": \"A\",\n  \"mood\": [1, 2],\n  \"agent_id\": \"a\",\n  \"branch\": \"agent/a/a\",\n  \"claimed_at\": \"2025-09-26T22:20:13.641244+00:00\",\n  \"plan_id\": null,\n  \"status\": \"active\"\n}\n";
        std::fs::write(hub.root.join("_bus/claims/A.json"), text).unwrap();
        let found = load(&hub, "A").unwrap().unwrap();
        let mut claim = found.claim(&hub).unwrap();
        claim.status = ClaimStatus::Done;
        let mut transaction = Transaction::new("test");
        stage(&mut transaction, Some(&found), &claim).unwrap();
        assert_eq!(transaction.pending("_bus/claims/A.json").unwrap(), text.replace("active", "done"));
        let mut transaction = Transaction::new("test");
        stage(&mut transaction, Some(&found), &found.claim(&hub).unwrap()).unwrap();
        assert!(transaction.is_empty(), "what does not change is not written");
    }

    #[test]
    fn damaged_claims_are_named_and_the_others_are_read() {
        let (_dir, hub) = hub();
        let write = |name: &str, text: &str| std::fs::write(hub.root.join("_bus/claims").join(name), text).unwrap();
        write("A.json", r#"{"task_id": "A", "status": "pending"}"#);
        write("B.json", "{");
        write("C.json", r#"{"task_id": "A"}"#);
        write("manager-report.json", r#"{"task_id": "manager-report"}"#);
        write("notes.txt", "x");
        std::os::unix::fs::symlink("A.json", hub.root.join("_bus/claims/L.json")).unwrap();
        let listing = list(&hub).unwrap();
        assert!(listing.get("A").is_some() && listing.whole.len() == 1);
        let damaged: Vec<_> = listing.damaged.iter().map(|damaged| damaged.path.as_str()).collect();
        assert_eq!(damaged, ["_bus/claims/B.json", "_bus/claims/C.json", "_bus/claims/L.json"]);
    }
}
