//! Which seats are retired: `_report/session/<id>/seat.json`, with who decided it, when and why.
//!
//! A seat without the file, or with another `status` in it, is in use. Fields that others wrote stay.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::session;
use crate::base::{Refusal, Result, Stamp, files, json, names, text};
use crate::hub::{Hub, Transaction, paths};
use crate::model::json::edit::EditableJson;

const RETIRED: &str = "retired";
const ACTIVE: &str = "active";

/// Why a seat is retired.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Retirement {
    pub by: Option<String>,
    pub since: Option<Stamp>,
    pub reason: Option<String>,
}

/// The file, relative to the hub.
pub fn path(agent: &str) -> String {
    format!("{}/seat.json", paths::session(agent))
}

/// The retirement of a seat; `None` when it is in use.
///
/// # Errors
/// When the file cannot be read: a retired seat must not look as if it were in use.
pub fn of(hub: &Hub, agent: &str) -> Result<Option<Retirement>> {
    names::check_id("agent", agent)?;
    let Some(raw) = json::read_object(&hub.path(&path(agent))?)? else { return Ok(None) };
    let part = |key: &str| raw.get(key).and_then(Value::as_str).map(str::to_owned);
    if part("status").as_deref() != Some(RETIRED) {
        return Ok(None);
    }
    let since = part("since").as_deref().and_then(Stamp::parse);
    Ok(Some(Retirement { by: part("by"), since, reason: part("reason") }))
}

/// Every retired seat, for readers: a file that cannot be read is skipped with a warning.
pub fn all(hub: &Hub) -> BTreeMap<String, Retirement> {
    let mut found = BTreeMap::new();
    for agent in session::agents(hub) {
        match of(hub, &agent) {
            Ok(retirement) => found.extend(retirement.map(|retirement| (agent, retirement))),
            Err(e) => tracing::warn!("skipping {}: {e:#}", path(&agent)),
        }
    }
    found
}

/// The ids of [`all`].
pub fn ids(hub: &Hub) -> BTreeSet<String> {
    all(hub).into_keys().collect()
}

/// Refuses a retired seat; `what` is the refused action: "claim T-1".
///
/// # Errors
/// `seat.retired` (exit 1).
pub fn refuse(hub: &Hub, agent: &str, what: &str) -> Result<()> {
    let Some(Retirement { by, since, reason }) = of(hub, agent)? else { return Ok(()) };
    let by = by.map(|by| format!("{} retired it", text::safe(&by))).unwrap_or_else(|| "it was retired".to_owned());
    let since = since.map(|at| format!(" at {at}")).unwrap_or_default();
    let reason = reason.map(|reason| format!(": {}", text::clip(&text::safe(&reason), 200))).unwrap_or_default();
    Err(Refusal::guard("seat.retired", format!("{agent} is retired and cannot {what}"))
        .because(format!("{by}{since}{reason}"))
        .next(format!("as a manager or a person, bring it back: teof seat revive {agent}"))
        .with("agent_id", agent)
        .into())
}

/// Stages that a seat is retired, or in use again.
pub fn stage(
    hub: &Hub,
    transaction: &mut Transaction,
    agent: &str,
    is_retired: bool,
    decision: &Retirement,
) -> Result<()> {
    let relative = path(agent);
    let path = hub.path(&relative)?;
    let text = files::read(&path, files::MAX_DOCUMENT)?.unwrap_or_else(|| b"{}\n".to_vec());
    let mut document = EditableJson::parse(&text, &path)?;
    let status = if is_retired { RETIRED } else { ACTIVE };
    let fields = [
        ("agent_id", json!(agent)),
        ("by", json!(decision.by)),
        ("reason", json!(decision.reason)),
        ("since", json!(decision.since)),
        ("status", json!(status)),
    ];
    for (key, value) in fields {
        match (value.is_null(), document.object().contains_key(key)) {
            (true, false) => {}
            (true, true) => document.remove(&format!("/{key}"))?,
            (false, _) => document.set(&format!("/{key}"), value)?,
        }
    }
    transaction.replace(relative, document.into_text());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repository, write};
    use super::*;

    #[test]
    fn a_seat_is_retired_until_it_is_revived_and_other_fields_stay() {
        let (_dir, hub) = repository();
        let change = |is_retired, reason: Option<&str>| {
            let mut transaction = Transaction::new("x");
            let decision = Retirement { by: Some("m".into()), since: None, reason: reason.map(str::to_owned) };
            stage(&hub, &mut transaction, "a", is_retired, &decision).unwrap();
            hub.lock("x").unwrap().commit(transaction).unwrap();
        };
        write(&hub, &path("a"), "{\n  \"desk\": 4\n}\n");
        assert!(of(&hub, "a").unwrap().is_none() && refuse(&hub, "a", "claim T").is_ok());
        change(true, Some("dormant"));
        assert_eq!(ids(&hub), ["a".to_owned()].into());
        let error = refuse(&hub, "a", "claim T").unwrap_err();
        let refusal = Refusal::of(&error).unwrap();
        assert_eq!((refusal.code, refusal.reason.as_deref()), ("seat.retired", Some("m retired it: dormant")));
        change(false, None);
        assert!(of(&hub, "a").unwrap().is_none());
        let text = std::fs::read_to_string(hub.root.join(path("a"))).unwrap();
        assert!(text.contains("\"desk\": 4") && !text.contains("reason"), "{text}");
        write(&hub, &path("a"), "{");
        assert!(of(&hub, "a").is_err(), "an unreadable file is not taken for a seat in use");
    }
}
