//! The session files under `_report/session/<id>/`, in the format of the playbook's tools: a `# key=value` header,
//! then raw lines.

use std::fs;

use serde_json::{Map, Value, json};

use super::freshness;
use crate::base::{Result, Stamp, json, jsonl, names, text};
use crate::hub::{Hub, Transaction, paths};
use crate::model::message::MANAGER_REPORT;

/// The channel of an agent's inbox.
pub fn inbox_channel(agent: &str) -> String {
    format!("agent-{}", agent.to_lowercase())
}

/// For whom a session is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A person, or an agent at a terminal.
    Interactive,
    /// Jobs of the coordinator.
    Unattended,
}

/// Stages the manager-report tail in a transaction: the file that dates the session. Returns the lines.
pub fn stage_tail(
    hub: &Hub,
    transaction: &mut Transaction,
    agent: &str,
    count: usize,
    purpose: Purpose,
) -> Result<Vec<String>> {
    let source = paths::channel(MANAGER_REPORT);
    let lines = last_lines(hub, &source, count)?;
    let mut header = vec![
        ("source", source.clone()),
        ("captured_at", hub.now().to_string()),
        ("requested_entries", count.to_string()),
        ("written_entries", lines.len().to_string()),
    ];
    if purpose == Purpose::Unattended {
        header.push((freshness::UNATTENDED.0, freshness::UNATTENDED.1.to_owned()));
    }
    transaction.replace(freshness::receipt(agent), receipt(&header, &lines, &format!("(no {source} yet)")));
    Ok(lines)
}

/// The agents that have a folder of session files, in no order.
pub fn agents(hub: &Hub) -> Vec<String> {
    let folder = hub.path("_report/session/x").ok().and_then(|path| Some(path.parent()?.to_owned()));
    let entries = folder.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| names::is_id(name)).collect()
}

/// The inbox that `session-boot` shows.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    /// The last lines of the channel.
    pub lines: Vec<String>,
    /// Messages later than the last seen one.
    pub unread: usize,
}

/// Stages the inbox tail and the read state in a transaction.
pub fn stage_inbox(hub: &Hub, transaction: &mut Transaction, agent: &str, count: usize) -> Result<Inbox> {
    let channel = paths::channel(&inbox_channel(agent));
    let (receipt_path, state_path) = inbox_files(agent);
    let state = json::read_object(&hub.path(&state_path)?)?.unwrap_or_default();
    let seen = state.get("last_seen_ts").and_then(Value::as_str).and_then(Stamp::parse);
    let mut latest: Option<(Stamp, String)> = None;
    let mut unread = 0;
    jsonl::for_each_line(&hub.path(&channel)?, 0, |_, _, line| {
        let ts = serde_json::from_slice::<Map<String, Value>>(line).ok();
        let ts = ts.and_then(|line| line.get("ts").and_then(Value::as_str).map(str::to_owned));
        let at = ts.as_deref().and_then(Stamp::parse);
        unread += usize::from(seen.is_none() || at > seen);
        if let (Some(at), Some(ts)) = (at, ts)
            && latest.as_ref().is_none_or(|(latest, _)| at >= *latest)
        {
            latest = Some((at, ts));
        }
        Ok(true)
    })?;
    let lines = last_lines(hub, &channel, count)?;
    let latest = latest.map(|(_, ts)| ts);
    let header = [
        ("agent", agent.to_owned()),
        ("channel", channel),
        ("captured_at", hub.now().to_string()),
        ("requested_entries", count.to_string()),
        ("written_entries", lines.len().to_string()),
        ("unread_since_state", unread.to_string()),
        ("last_message_ts", latest.clone().unwrap_or_default()),
    ];
    transaction.replace(receipt_path, receipt(&header, &lines, "(inbox empty)"));
    let mut new = Map::from_iter([("last_checked_at".to_owned(), json!(hub.now()))]);
    if let Some(last_seen) = latest.map(Value::from).or_else(|| state.get("last_seen_ts").cloned()) {
        new.insert("last_seen_ts".to_owned(), last_seen);
    }
    transaction.replace(state_path, json::pretty(&new) + "\n");
    Ok(Inbox { lines, unread })
}

/// The inbox tail and the state, relative to the hub.
pub fn inbox_files(agent: &str) -> (String, String) {
    let folder = paths::session(agent);
    (format!("{folder}/agent-inbox-tail.txt"), format!("{folder}/agent-inbox-state.json"))
}

/// A receipt of a dirty tree: the changes of another seat, as git shows them.
pub fn dirty_handoff(agent: &str, now: Stamp, lines: &[String]) -> String {
    const SHOWN: usize = 2000;
    let mut out =
        format!("# dirty handoff\n# agent={agent}\n# captured_at={now}\n# git_status_lines={}\n\n", lines.len());
    for line in lines.iter().take(SHOWN) {
        out.push_str(line);
        out.push('\n');
    }
    if lines.len() > SHOWN {
        out.push_str(&format!("(and {} more)\n", lines.len() - SHOWN));
    }
    out
}

fn last_lines(hub: &Hub, relative: &str, count: usize) -> Result<Vec<String>> {
    let lines = jsonl::tail(&hub.path(relative)?, count)?;
    Ok(lines.into_iter().map(|line| String::from_utf8_lossy(&line).into_owned()).collect())
}

fn receipt(header: &[(&str, String)], lines: &[String], empty: &str) -> String {
    let mut out = String::new();
    for (key, value) in header {
        out.push_str(&format!("# {key}={}\n", text::safe(value)));
    }
    match lines {
        [] => out.push_str(&format!("{empty}\n")),
        lines => lines.iter().for_each(|line| out.push_str(&format!("{line}\n"))),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repository, write};
    use super::*;
    use crate::base::Clock;

    #[test]
    fn the_session_tail_states_its_number_of_lines() {
        let (_dir, mut hub) = repository();
        hub.clock = Clock::Fixed(Stamp::parse("2026-01-05T10:00:00Z").unwrap());
        let mut transaction = Transaction::new("x");
        stage_tail(&hub, &mut transaction, "a", 2, Purpose::Interactive).unwrap();
        let text = transaction.pending(&freshness::receipt("a")).unwrap();
        assert!(text.ends_with("# written_entries=0\n(no _bus/messages/manager-report.jsonl yet)\n"), "{text}");
        write(&hub, "_bus/messages/manager-report.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        stage_tail(&hub, &mut transaction, "a", 2, Purpose::Interactive).unwrap();
        let text = transaction.pending(&freshness::receipt("a")).unwrap();
        assert_eq!(
            text,
            "# source=_bus/messages/manager-report.jsonl\n# captured_at=2026-01-05T10:00:00Z\n\
             # requested_entries=2\n# written_entries=2\n{\"n\":2}\n{\"n\":3}\n"
        );
    }

    #[test]
    fn the_inbox_counts_what_came_since_it_was_last_seen() {
        let (_dir, hub) = repository();
        let line = |ts: &str| format!("{{\"ts\":\"{ts}\"}}\n");
        let (one, two) = (line("2026-01-05T10:00:00Z"), line("2026-01-05T11:00:00Z"));
        write(&hub, "_bus/messages/agent-codex-1.jsonl", &format!("{one}{two}not json\n"));
        let look = || {
            let mut transaction = Transaction::new("x");
            let inbox = stage_inbox(&hub, &mut transaction, "Codex-1", 1).unwrap();
            hub.lock("x").unwrap().commit(transaction).unwrap();
            (inbox.unread, inbox.lines.len())
        };
        assert_eq!(look(), (3, 1));
        let state = json::read_object(&hub.root.join(inbox_files("Codex-1").1)).unwrap().unwrap();
        assert_eq!(state["last_seen_ts"], "2026-01-05T11:00:00Z");
        assert_eq!(look(), (0, 1));
        let three = line("2026-01-05T12:00:00Z");
        write(&hub, "_bus/messages/agent-codex-1.jsonl", &format!("{one}{two}not json\n{three}"));
        assert_eq!(look(), (1, 1));
    }
}
