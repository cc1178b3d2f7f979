//! Respells the statuses of plans, and keeps each changed plan as it was and as it is (the playbook: plan_hygiene).

use serde_json::json;

use crate::base::{Result, digest, files, text};
use crate::bus::events;
use crate::guard::claim::Author;
use crate::hub::{Hub, paths};
use crate::model::event::Event;
use crate::ops::context::{self, Answer, Call};
use crate::plans::hygiene::{self, Checked};
use crate::plans::store;
use crate::receipts::{self, ledger};

/// Checks the plans at these paths, relative to the hub.
///
/// # Errors
/// When a file cannot be read.
pub fn check(hub: &Hub, plans: &[String]) -> Result<Vec<Checked>> {
    let read = |path: &String| -> Result<Checked> {
        let bytes = files::read(&hub.path(path)?, files::MAX_DOCUMENT)?.unwrap_or_default();
        Ok(hygiene::check(path, &bytes))
    };
    plans.iter().map(read).collect()
}

/// Applies all fixes in one transaction; the answer is `{plans, receipt, event}`, where both are null when nothing
/// changed.
///
/// # Errors
/// A stale session; a plan that cannot be read.
pub fn apply(hub: &Hub, author: &Author, plans: &[String]) -> Result<Answer> {
    let call = Call { command: "plan hygiene", author, task: "", bound: false, request: None };
    context::run(hub, &call, |writer, transaction| {
        let checked = check(hub, plans)?;
        let folder = format!("{}/plan-hygiene", paths::agent(&author.agent));
        let stamp = hub.now().compact();
        let mut changed = Vec::new();
        for plan in &checked {
            let Some(after) = &plan.after else { continue };
            // What was checked, not a second read: an editor may have saved in between.
            let before = String::from_utf8_lossy(&plan.before).into_owned();
            let mut kept = Vec::new();
            for (when, text) in [("before", &before), ("after", after)] {
                let stem = format!("{folder}/{stamp}/{}.{when}", store::id_of(&plan.path));
                let path = hub.free_path(&stem, ".json")?;
                transaction.create(path.as_str(), text.as_str());
                kept.push((path, digest::sha256(text.as_bytes())));
            }
            ledger::enter(writer, transaction, &author.agent, &kept)?;
            changed.push(json!({"path": plan.path, "fixes": plan.fixes, "before": kept[0].0, "after": kept[1].0}));
            transaction.replace(plan.path.as_str(), after.as_str());
        }
        if changed.is_empty() {
            return Ok((json!({"plans": checked, "receipt": null, "event": null}), Vec::new()));
        }
        let receipt = hub.free_path(&format!("{folder}/plan-hygiene-{stamp}"), ".json")?;
        let payload =
            [("generated_at", json!(hub.now())), ("agent_id", json!(author.agent)), ("plans", json!(changed))];
        let payload = payload.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        receipts::write(writer, transaction, &author.agent, &receipt, payload)?;
        let summary = format!("Plan hygiene: respelt the statuses of {}", text::counted(changed.len(), "plan"));
        let mut event = Event::new(&author.agent, "plan", summary);
        event.receipts = vec![receipt.clone()];
        let event = events::stage(writer, transaction, &context::with_recognition(hub, author, event))?;
        Ok((json!({"plans": checked, "receipt": receipt, "event": event}), Vec::new()))
    })
}
