//! Directives: the last messages of manager-report, and directives in `BUS-COORD-…` threads that none of them points
//! to.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::base::{Result, Stamp, jsonl, text};
use crate::bus::messages;
use crate::hub::{Hub, paths};
use crate::model::message::{MANAGER_REPORT, MessageLine};

/// The channels whose directives need a pointer (the playbook: directive_pointer).
const THREADS: &str = "BUS-COORD-";
/// The longest summary, in characters.
const SUMMARY: usize = 300;

/// A message of manager-report.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Directive {
    pub ts: Option<Stamp>,
    pub from: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub summary: String,
    /// The thread that it points to.
    pub directive: Option<String>,
}

/// A directive without a pointer.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Unpointed {
    /// Its channel.
    pub directive: String,
    pub from: String,
    pub ts: Option<Stamp>,
    pub summary: String,
}

/// What the channels say.
#[derive(Clone, Debug, Default)]
pub struct Directives {
    pub last: Vec<Directive>,
    pub unpointed: Vec<Unpointed>,
}

/// The files that they are read from.
pub fn sources(hub: &Hub) -> Result<Vec<PathBuf>> {
    let threads = messages::channels(hub)?.into_iter().filter(|channel| channel.starts_with(THREADS));
    let channels = threads.chain([MANAGER_REPORT.to_owned()]);
    Ok(channels.map(|channel| hub.root.join(paths::channel(&channel))).collect())
}

/// Reads them; `limit` messages of manager-report.
pub fn read(hub: &Hub, sources: &[PathBuf], limit: usize) -> Result<Directives> {
    // A union merge may have reordered lines, so times decide.
    let mut last = messages::tail(hub, MANAGER_REPORT, limit.saturating_mul(4))?;
    last.sort_by_key(MessageLine::at);
    let last = last.split_off(last.len().saturating_sub(limit));
    let mut pointed = HashSet::new();
    let mut given = Vec::new();
    for source in sources {
        let Some(channel) = source.file_stem().and_then(|name| name.to_str()) else { continue };
        jsonl::for_each_line(source, 0, |_, _, line| {
            let Some(message) = MessageLine::parse(line) else { return Ok(true) };
            if channel == MANAGER_REPORT {
                pointed.extend(message.meta("directive").and_then(Value::as_str).map(str::to_owned));
            } else if message.kind() == Some("directive") {
                given.push((channel.to_owned(), message));
            }
            Ok(true)
        })?;
    }
    let mut named = HashSet::new();
    let unpointed =
        given.into_iter().filter(|(channel, _)| !pointed.contains(channel) && named.insert(channel.clone()));
    let unpointed = unpointed.map(|(channel, message)| Unpointed {
        directive: text::safe(&channel),
        from: text::safe(message.from().unwrap_or_default()),
        ts: message.at(),
        summary: text::clip(&text::safe(message.summary().unwrap_or_default()), SUMMARY),
    });
    Ok(Directives { last: last.iter().map(directive).collect(), unpointed: unpointed.collect() })
}

fn directive(message: &MessageLine) -> Directive {
    Directive {
        ts: message.at(),
        from: text::safe(message.from().unwrap_or_default()),
        kind: text::safe(message.kind().unwrap_or_default()),
        summary: text::clip(&text::safe(message.summary().unwrap_or_default()), SUMMARY),
        directive: message.meta("directive").and_then(Value::as_str).map(text::safe),
    }
}
