//! Checks after the fact that the holder of a task wrote each log line about it.
//!
//! The bus lock guarantees this. It can fail in a log that another tool writes, or that merges two clones in which
//! different seats claimed the task.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use super::Finding;
use super::capped::Capped;
use crate::base::Stamp;
use crate::model::event::{CLAIM_BOUND, lenient};

/// The events that change a task's holder (they carry the claim's epoch and status).
const GIVEN: [&str; 2] = ["claim", "takeover"];

/// The holder of a task, according to the log.
struct Holder {
    agent: String,
    epoch: u64,
    since: Option<Stamp>,
    /// Released or done: every seat may write (the playbook: claim_guard).
    open: bool,
}

/// Tracks the holder of every task through the log.
#[derive(Default)]
pub struct Fences {
    holders: HashMap<String, Holder>,
}

#[derive(Deserialize)]
struct View<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    ts: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    agent_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    task_id: Option<Cow<'a, str>>,
    #[serde(default)]
    meta: Option<serde_json::Value>,
}

impl Fences {
    /// Reads the next file of the log, in order. Returns lines written about a task after another seat held it with a
    /// higher epoch.
    pub fn read(&mut self, path: &str, bytes: &[u8]) -> Vec<Finding> {
        let numbered = bytes.split(|b| *b == b'\n').zip(1_u64..);
        let mut capped = Capped::per_file();
        capped.extend(numbered.filter_map(|(line, number)| Some(self.step(line)?.at_path(path, number))));
        capped.into_findings()
    }

    fn step(&mut self, line: &[u8]) -> Option<Violation> {
        let view: View = serde_json::from_slice(line).ok()?;
        let (task, agent) = (view.task_id?, view.agent_id?);
        let kind = view.event.as_deref().unwrap_or_default();
        let at = view.ts.as_deref().and_then(Stamp::parse);
        let meta = |key: &str| view.meta.as_ref().and_then(|meta| meta.get(key));
        let epoch = meta("epoch").and_then(serde_json::Value::as_u64);
        if let (true, Some(epoch)) = (GIVEN.contains(&kind), epoch) {
            let newer = self.holders.get(&*task).is_none_or(|holder| epoch > holder.epoch);
            if newer {
                let agent = agent.into_owned();
                self.holders.insert(task.into_owned(), Holder { agent, epoch, since: at, open: false });
            }
            return None;
        }
        let holder = self.holders.get_mut(&*task)?;
        if kind == "release" && holder.agent == agent {
            let status = meta("status").and_then(serde_json::Value::as_str);
            holder.open =
                !matches!(status, Some("paused" | "active")) && epoch.is_none_or(|epoch| epoch == holder.epoch);
            return None;
        }
        // A union merge can place a line after a later one, so both position and time must agree.
        let later = at >= holder.since;
        let fenced = later && !holder.open && holder.agent != agent && epoch.unwrap_or(0) < holder.epoch;
        (fenced && CLAIM_BOUND.contains(&kind)).then(|| Violation {
            message: format!(
                "{agent} wrote {kind} to {task} under {}, after {} had it at epoch {}",
                epoch.map_or("no epoch".to_owned(), |epoch| format!("epoch {epoch}")),
                holder.agent,
                holder.epoch
            ),
        })
    }
}

struct Violation {
    message: String,
}

impl Violation {
    fn at_path(self, path: &str, line: u64) -> Finding {
        Finding::high("event.fenced", path, crate::base::text::safe(&self.message))
            .at(line)
            .hint("do not build on it; ask both seats what they did, then record the result: teof bus event")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Event;

    fn line(second: i64, agent: &str, kind: &str, epoch: Option<u64>, status: Option<&str>) -> Vec<u8> {
        let mut event = Event::new(agent, kind, "x").on_task("T");
        event.meta.extend(epoch.map(|epoch| ("epoch".to_owned(), epoch.into())));
        event.meta.extend(status.map(|status| ("status".to_owned(), status.into())));
        event.line(Stamp::from_unix(second), None).0
    }

    fn found(lines: &[Vec<u8>]) -> Vec<u64> {
        let found = Fences::default().read("f", &lines.concat());
        found.iter().map(|found| found.line.unwrap()).collect()
    }

    #[test]
    fn a_write_after_the_task_was_given_away_is_found() {
        let claim = |second, agent, epoch| line(second, agent, "claim", Some(epoch), Some("active"));
        let first = [claim(1, "a", 1), line(2, "a", "status", None, None)];
        let taken = [line(3, "b", "takeover", Some(2), Some("active"))];
        let late = [line(4, "a", "complete", Some(1), None), line(4, "a", "status", None, None)];
        assert_eq!(found(&[&first[..], &taken, &late].concat()), [4, 5]);
        let judged = line(4, "c", "audit", Some(2), None);
        let fine = [line(4, "a", "observation", None, None), line(4, "b", "status", Some(2), None), judged];
        assert_eq!(found(&[&first[..], &taken, &fine].concat()), [] as [u64; 0]);
        // Merged behind the takeover, but written before it.
        assert_eq!(found(&[&taken[..], &[line(2, "a", "status", Some(1), None)]].concat()), [] as [u64; 0]);
        let open = [line(4, "b", "release", Some(2), Some("done")), line(5, "a", "status", None, None)];
        assert_eq!(found(&[&first[..], &taken, &open].concat()), [] as [u64; 0]);
        let paused = [line(4, "b", "release", Some(2), Some("paused")), line(5, "a", "status", None, None)];
        assert_eq!(found(&[&first[..], &taken, &paused].concat()), [5]);
    }

    #[test]
    fn logs_without_epochs_have_no_fences() {
        let lines = [line(1, "a", "claim", None, None), line(2, "b", "status", None, None), b"not json\n".to_vec()];
        assert_eq!(found(&lines), [] as [u64; 0]);
    }
}
