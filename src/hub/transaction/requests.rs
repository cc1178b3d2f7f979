//! `--request-id`: an idempotency key. The answer to a command is stored for a week, in the same transaction as its
//! changes. A caller that does not know whether its command arrived can send it again and gets the first answer.
//!
//! Machine-local: `<common dir>/teof/requests/<id>.json`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Refusal, Result, Stamp, digest, files, json, names};
use crate::hub::{Hub, Transaction};

/// How long an answer is stored.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often old answers are removed.
const PRUNE_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Stores when that last happened. No request's file has this name.
const PRUNE_STAMP: &str = "requests/pruned";

/// A command that was given a request id.
#[derive(Clone, Debug)]
pub struct Request {
    id: String,
    command: String,
    /// Of the command and its arguments.
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct StoredAnswer {
    at: Stamp,
    command: String,
    sha256: String,
    answer: Value,
}

impl Request {
    /// `arguments` is everything that distinguishes this call from others.
    pub fn new(id: &str, command: &str, arguments: &impl Serialize) -> Result<Request> {
        names::check_id("request", id)?;
        let sha256 = digest::sha256(json::compact(&(command, arguments)).as_bytes());
        Ok(Request { id: id.to_owned(), command: command.to_owned(), sha256 })
    }

    /// The stored answer of this request, if any. Checked before taking the lock, so that a repetition needs no lock,
    /// and again under it.
    ///
    /// # Errors
    /// `request.changed` when the id was used for another command or other arguments.
    pub fn answered(&self, hub: &Hub) -> Result<Option<Value>> {
        let Some(bytes) = files::read(&hub.local(&self.file()), files::MAX_DOCUMENT)? else { return Ok(None) };
        // An unreadable answer was never acknowledged, because a transaction is synced first.
        let Ok(stored) = serde_json::from_slice::<StoredAnswer>(&bytes) else { return Ok(None) };
        if hub.now() > stored.at.plus(RETENTION) {
            return Ok(None);
        }
        if stored.sha256 == self.sha256 {
            return Ok(Some(stored.answer));
        }
        Err(Refusal::usage("request.changed", format!("request id {} was already used for another command", self.id))
            .because(format!(
                "it was {} at {}; this is {} with other arguments",
                stored.command, stored.at, self.command
            ))
            .next("use a new --request-id; the same id only repeats the same command")
            .with("request_id", self.id.as_str())
            .into())
    }

    /// Stores the answer in the transaction that it belongs to.
    pub fn keep(&self, hub: &Hub, transaction: &mut Transaction, answer: &Value) {
        prune(hub);
        let stored = StoredAnswer {
            at: hub.now(),
            command: self.command.clone(),
            sha256: self.sha256.clone(),
            answer: answer.clone(),
        };
        transaction.replace_local(self.file(), json::compact(&stored));
    }

    fn file(&self) -> String {
        format!("requests/{}.json", self.id)
    }
}

/// Removes expired answers now and then; failures are retried another day.
fn prune(hub: &Hub) {
    let stamp = hub.local(PRUNE_STAMP);
    let read = |path: &Path| files::read(path, files::MAX_DOCUMENT).ok().flatten();
    let last = read(&stamp).and_then(|text| Stamp::parse(&String::from_utf8_lossy(&text)));
    if last.is_some_and(|last| hub.now() < last.plus(PRUNE_INTERVAL)) {
        return;
    }
    let entries = fs::read_dir(hub.local("requests")).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let stored = read(&path).and_then(|bytes| serde_json::from_slice::<StoredAnswer>(&bytes).ok());
        if stored.is_none_or(|stored| hub.now() > stored.at.plus(RETENTION)) {
            let _ = fs::remove_file(path);
        }
    }
    let _ =
        files::create_parent(&stamp).and_then(|()| files::replace_unsynced(&stamp, hub.now().to_string().as_bytes()));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::Clock;

    #[test]
    fn an_answer_is_kept_for_a_week_and_belongs_to_its_arguments() {
        let dir = tempfile::tempdir().unwrap();
        assert!(std::process::Command::new("git").args(["init", "-q"]).arg(dir.path()).status().unwrap().success());
        let at = |text: &str| {
            let clock = Clock::Fixed(Stamp::parse(text).unwrap());
            Hub::locate(Some(dir.path()), clock).unwrap()
        };
        let hub = at("2026-01-05T10:00:00Z");
        let request = Request::new("r1", "bus event", &json!({"summary": "x"})).unwrap();
        assert_eq!(request.answered(&hub).unwrap(), None);
        let mut transaction = Transaction::new("x");
        request.keep(&hub, &mut transaction, &json!({"id": "1"}));
        hub.lock("x").unwrap().commit(transaction).unwrap();
        assert_eq!(request.answered(&hub).unwrap(), Some(json!({"id": "1"})));
        for other in [("bus event", "y"), ("bus message", "x")] {
            let other = Request::new("r1", other.0, &json!({"summary": other.1})).unwrap();
            assert_eq!(Refusal::of(&other.answered(&hub).unwrap_err()).unwrap().code, "request.changed");
        }
        assert!(Request::new("../r", "x", &()).is_err());
        let later = at("2026-01-12T10:00:01Z");
        assert_eq!(request.answered(&later).unwrap(), None);
        Request::new("r2", "x", &()).unwrap().keep(&later, &mut Transaction::new("x"), &json!(1));
        assert!(!hub.local("requests/r1.json").exists(), "old answers go when new ones come");
    }
}
