//! Checks claims: complete and valid, and one live claim per task, here and against the base.
//!
//! The fields follow the playbook's check_agent_bus, as does "CI ensures one active claim per task". A takeover has a
//! higher epoch.

use std::collections::BTreeMap;

use super::documents::{Notes, object, shown, stem};
use crate::base::Stamp;
use crate::guard::Finding;
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::plans::SameWork;
use crate::plans::same_work::Place;

/// The problems of one claim file.
pub fn check(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let raw = match object(path, bytes, "claim.unreadable") {
        Ok(raw) => raw,
        Err(damaged) => return vec![damaged],
    };
    let mut notes = Notes::new(path, bytes);
    if let Some(task) = notes.need(&raw, "/task_id", "claim.field")
        && task != stem(path)
    {
        let message = format!("task_id {} differs from the file name {}", shown(task), shown(stem(path)));
        notes.note("/task_id", "claim.task_id", message, "rename the file or fix task_id");
    }
    notes.need(&raw, "/agent_id", "claim.field");
    if let Some(branch) = notes.need(&raw, "/branch", "claim.field")
        && !branch.starts_with("agent/")
    {
        let message = format!("branch {} is not under agent/", shown(branch));
        notes.note("/branch", "claim.branch", message, "work on agent/<seat>/<slug>: teof bus claim <task> --branch …");
    }
    if let Some(status) = notes.need(&raw, "/status", "claim.field")
        && ClaimStatus::parse(status).is_none()
    {
        let message = format!("status {} is not active, done, paused or released", shown(status));
        notes.note("/status", "claim.status", message, "set it with: teof bus claim, or teof bus release");
    }
    if let Some(at) = notes.need(&raw, "/claimed_at", "claim.field") {
        time(&mut notes, "/claimed_at", at);
    }
    for field in ["/released_at", "/lease_expires_at"] {
        match raw.get(&field[1..]) {
            None | Some(serde_json::Value::Null) => {}
            Some(value) => time(&mut notes, field, value.as_str().unwrap_or_default()),
        }
    }
    if raw.get("epoch").is_some_and(|epoch| !epoch.is_u64()) {
        notes.note("/epoch", "claim.epoch", "epoch is not a whole number", "restore the claim from git");
    }
    notes.into_findings()
}

fn time(notes: &mut Notes, pointer: &str, value: &str) {
    if Stamp::parse(value).is_none() {
        let message = format!("{} is {:?}, not a UTC time", &pointer[1..], shown(value));
        notes.note(pointer, "claim.time", message, "write it as 2026-01-05T10:00:00Z");
    }
}

/// A live claim.
#[derive(Debug)]
pub struct Held {
    path: String,
    task: String,
    agent: String,
    plan: Option<String>,
}

impl Held {
    /// `None` when the claim is not live, or is damaged (which [`check`] reports).
    pub fn of(path: &str, bytes: &[u8]) -> Option<Held> {
        let claim = ClaimFile { raw: serde_json::from_slice(bytes).ok()? };
        let (task, agent) = (claim.task_id()?.to_owned(), claim.agent_id().unwrap_or("nobody").to_owned());
        let plan = claim.plan_id().map(str::to_owned);
        claim.is_live().then(|| Held { path: path.to_owned(), task, agent, plan })
    }
}

/// Tasks with more than one live claim. Case is ignored, because some file systems fold it.
pub fn one_per_task(held: impl Iterator<Item = Held>) -> Vec<Finding> {
    let mut first: BTreeMap<String, Held> = BTreeMap::new();
    let mut found = Vec::new();
    for claim in held {
        let Some(other) = first.get(&claim.task.to_lowercase()) else {
            first.insert(claim.task.to_lowercase(), claim);
            continue;
        };
        let message = format!(
            "{} holds {}, and so does {} ({})",
            shown(&claim.agent),
            shown(&claim.task),
            shown(&other.agent),
            shown(&other.path)
        );
        found.push(
            Finding::high("claim.duplicate", claim.path, message)
                .at(1)
                .hint("release one of them: teof bus release <task> --status released"),
        );
    }
    found
}

/// Work that two seats hold under different names: an item, its request, its plan, a step.
pub fn one_per_work<'a>(held: impl Iterator<Item = &'a Held>, known: &SameWork) -> Vec<Finding> {
    let mut of_plan: BTreeMap<String, Vec<(&Held, Place)>> = BTreeMap::new();
    let mut found = Vec::new();
    for claim in held {
        let Some(place) = known.place_of(&claim.task, claim.plan.as_deref()) else { continue };
        let others = of_plan.entry(place.plan.clone()).or_default();
        let other = others.iter().find(|(other, theirs)| other.agent != claim.agent && theirs.overlaps(&place));
        if let Some((other, _)) = other {
            let plan = if known.is_request(&place.plan) { "" } else { &*format!("plan {}; ", shown(&place.plan)) };
            let message = format!(
                "{} holds {}, and {} holds the same work as {} ({plan}{})",
                shown(&claim.agent),
                shown(&claim.task),
                shown(&other.agent),
                shown(&other.task),
                shown(&other.path)
            );
            found.push(
                Finding::high("claim.double_hold", claim.path.as_str(), message)
                    .at(1)
                    .hint("release one of them: teof bus release <task> --status released"),
            );
        }
        others.push((claim, place));
    }
    found
}

/// Compares two versions of a claim: the base's and the current one (if any).
pub fn against(path: &str, before: &[u8], now: Option<&[u8]>) -> Vec<Finding> {
    let read = |bytes: &[u8]| serde_json::from_slice(bytes).ok().map(|raw| ClaimFile { raw });
    let Some(old) = read(before) else { return Vec::new() };
    let Some(bytes) = now else {
        let message = format!("the base has a live claim of {}, but the file is missing here", owner(&old));
        let found = Finding::high("claim.removed", path, message).at(1);
        let hint = "restore it from git, then release it: teof bus release";
        return if old.is_live() { vec![found.hint(hint)] } else { Vec::new() };
    };
    let Some(new) = read(bytes) else { return Vec::new() };
    let mut notes = Notes::new(path, bytes);
    let raised = new.epoch() > old.epoch();
    if new.epoch() < old.epoch() {
        let message = format!("epoch {} is below the base's {}", new.epoch(), old.epoch());
        notes.note("/epoch", "claim.epoch_fell", message, "merge the base: this claim is older than the base's");
    }
    let taken = old.status() == Some(ClaimStatus::Active) && new.is_live() && old.agent_id() != new.agent_id();
    if taken && !raised {
        let message = format!("{} holds the task here, {} in the base", owner(&new), owner(&old));
        notes.note("/agent_id", "claim.two_owners", message, "release one of the two claims: teof bus release");
    }
    notes.into_findings()
}

fn owner(claim: &ClaimFile) -> String {
    shown(claim.agent_id().unwrap_or("nobody"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATH: &str = "_bus/claims/A-1.json";
    const GOOD: &str = r#"{
  "agent_id": "codex-1",
  "branch": "agent/codex-1/a-1",
  "claimed_at": "2026-01-05T10:00:00Z",
  "epoch": 2,
  "status": "active",
  "task_id": "A-1"
}"#;

    fn with(from: &str, to: &str) -> Vec<(String, u64)> {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD);
        check(PATH, text.as_bytes()).into_iter().map(|found| (found.code, found.line.unwrap())).collect()
    }

    #[test]
    fn each_fault_is_named_on_its_line() {
        assert_eq!(check(PATH, GOOD.as_bytes()), []);
        for (from, to, code, line) in [
            ("\"active\"", "\"pending\"", "claim.status", 6),
            ("  \"claimed_at\": \"2026-01-05T10:00:00Z\",\n", "", "claim.field", 1),
            ("2026-01-05T10", "yesterday", "claim.time", 4),
            ("agent/codex-1/a-1", "main", "claim.branch", 3),
            ("\"A-1\"", "\"A-2\"", "claim.task_id", 7),
            ("\"codex-1\"", "\" \"", "claim.field", 2),
            ("\"epoch\": 2", "\"epoch\": -2", "claim.epoch", 5),
            ("\"epoch\": 2", "\"released_at\": 5", "claim.time", 5),
            ("\"epoch\": 2", "\"epoch\" 2", "claim.unreadable", 5),
        ] {
            assert_eq!(with(from, to), [(code.to_owned(), line)], "{to}");
        }
    }

    #[test]
    fn a_task_has_one_holder() {
        let other = GOOD.replace("codex-1", "codex-2").replace("A-1", "a-1");
        let held = [Held::of(PATH, GOOD.as_bytes()), Held::of("_bus/claims/a-1.json", other.as_bytes())];
        let found = one_per_task(held.into_iter().flatten());
        assert_eq!((found.len(), found[0].code.as_str()), (1, "claim.duplicate"));
        assert!(found[0].message.contains("codex-2 holds a-1, and so does codex-1"));
        assert!(Held::of(PATH, GOOD.replace("active", "done").as_bytes()).is_none());
    }

    #[test]
    fn against_the_base_a_task_keeps_its_holder_unless_the_epoch_rose() {
        let codes = |now: Option<&str>| -> Vec<String> {
            against(PATH, GOOD.as_bytes(), now.map(str::as_bytes)).into_iter().map(|found| found.code).collect()
        };
        let theirs = GOOD.replace("codex-1", "codex-2");
        assert_eq!(codes(Some(GOOD)), [] as [&str; 0]);
        assert_eq!(codes(Some(&theirs)), ["claim.two_owners"]);
        assert_eq!(codes(Some(&theirs.replace("\"epoch\": 2", "\"epoch\": 3"))), [] as [&str; 0]);
        assert_eq!(codes(Some(&theirs.replace("active", "done"))), [] as [&str; 0]);
        assert_eq!(codes(Some(&GOOD.replace("\"epoch\": 2", "\"epoch\": 1"))), ["claim.epoch_fell"]);
        assert_eq!(codes(None), ["claim.removed"]);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_validated(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..GOOD.len()) {
            check(PATH, &bytes);
            Held::of(PATH, &bytes);
            against(PATH, GOOD.as_bytes(), Some(&bytes));
            // A file that a crash cut short is never taken for a whole one.
            prop_assert!(!check(PATH, &GOOD.as_bytes()[..cut]).is_empty());
        }
    }
}
