//! Reads the sessions that scopecraft left: `<name>.info.json` in a folder. Nothing is written there.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::record::{Environment, Mode, ProcessId, SessionRecord, Status};
use super::storage::{Damaged, Listing};
use crate::base::{Result, Stamp, files, text};

const SUFFIX: &str = ".info.json";
/// The largest file that is read, in bytes.
const MAX: u64 = 1 << 20;

/// The sessions in a folder, the newest last. `started` tells when the process with a pid started, if there is one.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(folder: &Path, started: &dyn Fn(i32) -> Option<u64>) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(folder).map_err(|e| files::io_refusal(e, "read", folder))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(SUFFIX) else { continue };
        match read(&entry.path()) {
            Ok(document) => listing.sessions.push(record(name, document, started)),
            Err(why) => listing.damaged.push(Damaged { path: entry.path(), why }),
        }
    }
    listing.sessions.sort_by(|a, b| a.recency().cmp(&b.recency()));
    Ok(listing)
}

fn read(path: &Path) -> Result<Map<String, Value>, String> {
    let bytes = files::read(path, MAX).map_err(|e| text::safe(&format!("{e:#}")))?.unwrap_or_default();
    serde_json::from_slice(&bytes).map_err(|e| text::safe(&e.to_string()))
}

/// What is known of a session; the rest of its document is kept as unknown fields.
fn record(name: &str, mut document: Map<String, Value>, started: &dyn Fn(i32) -> Option<u64>) -> SessionRecord {
    let mut take = |key: &str| document.remove(key).and_then(|value| value.as_str().map(str::to_owned));
    let id = take("sessionName").unwrap_or_else(|| name.to_owned());
    let (kind, status) = (take("type").unwrap_or_default(), take("status").unwrap_or_default());
    let [started_at, last_activity] = ["startTime", "lastUpdated"].map(|key| Stamp::parse(&take(key)?));
    let (task_id, log, agent_session) = (take("taskId"), take("logFile"), take("realSessionId"));
    let is_docker = document.remove("dockerEnabled") == Some(Value::Bool(true));
    let pid = document.remove("pid").and_then(|pid| i32::try_from(pid.as_i64()?).ok());
    let process = pid.map(|pid| ProcessId { pid, started: started(pid).unwrap_or_default() });
    let is_alive = pid.is_some_and(|pid| started(pid).is_some());
    let (status, reason) = match status.as_str() {
        "completed" => (Status::Done, None),
        "failed" => (Status::Failed, None),
        _ if is_alive => (Status::Running, None),
        _ => (Status::Lost, Some("its process is gone".to_owned())),
    };
    let executor = match (is_docker, kind.as_str()) {
        (true, _) => "docker",
        (false, "dispatch" | "tmux" | "interactive") => "tmux",
        _ => "process",
    };
    SessionRecord {
        id,
        mode: if executor == "tmux" { Mode::Dispatch } else { Mode::Autonomous },
        status,
        reason,
        task_id,
        agent_session,
        environment: Environment { executor: executor.to_owned(), ..Environment::default() },
        log: log.unwrap_or_default().into(),
        process,
        last_activity,
        started_at,
        unknown: document,
        ..SessionRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_scopecraft_are_read_and_none_is_guessed_to_be_over() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write(
            "auth.info.json",
            r#"{"sessionName":"auth","startTime":"2025-06-01T10:00:00.123Z","lastUpdated":"2025-06-01T10:01:00.000Z",
            "taskId":"implement-auth-05A","parentId":"auth","logFile":"/l/auth.log","status":"running","pid":7,
            "type":"autonomous-task","dockerEnabled":true,"realSessionId":"r-1","sessionHistory":[{"sessionId":"r-0"}]}"#,
        );
        write("done.info.json", r#"{"sessionName":"done","status":"completed","type":"dispatch","pid":8}"#);
        write("gone.info.json", r#"{"startTime":"2025-06-02T10:00:00Z","status":"running","pid":8}"#);
        write("torn.info.json", "{");
        write("auth.log", "");
        let listing = list(dir.path(), &|pid| (pid == 7).then_some(1)).unwrap();
        let seen: Vec<_> = listing.sessions.iter().map(|one| (one.id.as_str(), one.status, one.mode)).collect();
        let wanted = [
            ("done", Status::Done, Mode::Dispatch),
            ("gone", Status::Lost, Mode::Autonomous),
            ("auth", Status::Running, Mode::Autonomous),
        ];
        assert_eq!((seen.as_slice(), listing.damaged.len()), (&wanted[..], 1));
        let auth = &listing.sessions[2];
        assert_eq!(
            (auth.started_at, auth.environment.executor.as_str()),
            (Stamp::parse("2025-06-01T10:00:00Z"), "docker")
        );
        assert!(auth.unknown.contains_key("sessionHistory") && auth.unknown["parentId"] == "auth");
    }
}
