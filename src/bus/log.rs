//! Reads the event log with its sealed parts: when each agent was last active, and the latest matching lines.
//!
//! It reads only new lines and, backwards from the end, only as much as needed.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use super::cache::{self, Known};
use super::summary::{AgentSummary, BLOCK, LogSummary, is_beat};
use crate::base::{Result, Stamp, files, jsonl};
use crate::hub::{Hub, paths};
use crate::model::event::EventView;

/// The log and its index.
#[derive(Debug)]
pub struct Log<'h> {
    hub: &'h Hub,
    /// Oldest first.
    parts: Vec<(String, Known<LogSummary>)>,
}

/// When an agent last wrote to the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Any event.
    pub last: Option<Stamp>,
    /// A handshake: a session was started.
    pub handshake: Option<Stamp>,
    /// A handshake or a status.
    pub beat: Option<Stamp>,
}

/// The size of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Size {
    pub files: usize,
    pub bytes: u64,
    /// Duplicate lines, as union merges may leave them, count each.
    pub lines: u64,
    /// Lines that are not JSON objects.
    pub damaged: u64,
}

impl<'h> Log<'h> {
    /// Reads the log, using the cache.
    pub fn read(hub: &'h Hub) -> Result<Log<'h>> {
        let parts = cache::refresh(hub, "cache/events.json", &logs(hub)?)?;
        Ok(Log { hub, parts })
    }

    /// The id of an agent's last chained line.
    pub fn head(&self, agent: &str) -> Option<&str> {
        self.summaries(agent).rev().find_map(|(_, summary)| summary.head.as_deref())
    }

    pub fn seen(&self, agent: &str) -> Seen {
        let mut seen = Seen::default();
        for (_, summary) in self.summaries(agent) {
            seen.last = seen.last.max(summary.seen);
            seen.handshake = seen.handshake.max(summary.handshake);
            seen.beat = seen.beat.max(summary.beat.map(|(at, _)| at));
        }
        seen
    }

    /// The time of an agent's latest event up to `until`. The index has it, unless the newest event is later: then
    /// the log is read backwards.
    pub fn seen_until(&self, agent: &str, until: Stamp) -> Result<Option<Stamp>> {
        let last = self.seen(agent).last;
        if last.is_none_or(|last| last <= until) {
            return Ok(last);
        }
        let mut seen = None;
        self.latest(None, 1, |view| {
            let at = view.at().filter(|at| view.agent_id.as_deref() == Some(agent) && *at <= until);
            seen = seen.max(at);
            false
        })?;
        Ok(seen)
    }

    /// All agents with events in the log.
    pub fn agents(&self) -> BTreeMap<&str, Seen> {
        let names = self.parts.iter().flat_map(|(_, known)| known.facts.seats.keys());
        names.map(|agent| (agent.as_str(), self.seen(agent))).collect()
    }

    /// An agent's latest handshake or status up to `until`, and its line. The index has it, unless a later one is
    /// dated after `until`: then the log is read.
    pub fn beat_until(&self, agent: &str, until: Stamp) -> Result<Option<(Stamp, Vec<u8>)>> {
        let beats =
            self.summaries(agent).filter_map(|(part, summary)| summary.beat.map(|(at, offset)| (at, part, offset)));
        let Some((at, part, offset)) = beats.max_by_key(|(at, ..)| *at) else { return Ok(None) };
        if at > until {
            let lines = self.latest(None, 0, |view| {
                let is_theirs = view.agent_id.as_deref() == Some(agent) && view.at().is_some_and(|at| at <= until);
                is_theirs && is_beat(view)
            })?;
            let at = |line: &Vec<u8>| EventView::parse(line).ok().and_then(|view| view.at());
            return Ok(lines.into_iter().filter_map(|line| Some((at(&line)?, line))).max_by_key(|(at, _)| *at));
        }
        let mut found = None;
        jsonl::for_each_line(&self.hub.path(part)?, offset, |_, _, line| {
            found = Some((at, line.to_vec()));
            Ok(false)
        })?;
        Ok(found)
    }

    pub fn size(&self) -> Size {
        let mut size = Size { files: self.parts.len(), ..Size::default() };
        for (_, known) in &self.parts {
            size.bytes += known.end;
            size.lines += known.facts.lines;
            size.damaged += known.facts.damaged;
        }
        size
    }

    /// The last `limit` lines (0: all) that are `wanted`, oldest first. Identical lines count once; lines that are
    /// not events are skipped. With `since`, earlier events and those without a time are skipped, too, and blocks
    /// without later events are not read.
    pub fn latest(
        &self,
        since: Option<Stamp>,
        limit: usize,
        mut wanted: impl FnMut(&EventView<'_>) -> bool,
    ) -> Result<Vec<Vec<u8>>> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut known: HashSet<Vec<u8>> = HashSet::new();
        for (part, block) in self.blocks_backwards(since) {
            for line in self.lines_of(part, block)?.into_iter().rev() {
                let Ok(view) = EventView::parse(&line) else { continue };
                if since.is_some_and(|since| view.at().is_none_or(|at| at < since)) || !wanted(&view) {
                    continue;
                }
                if known.insert(line.clone()) {
                    found.push(line);
                }
                if limit > 0 && found.len() == limit {
                    found.reverse();
                    return Ok(found);
                }
            }
        }
        found.reverse();
        Ok(found)
    }

    fn blocks_backwards(&self, since: Option<Stamp>) -> impl Iterator<Item = (&str, u64)> {
        self.parts.iter().rev().flat_map(move |(part, known)| {
            let blocks = 0..known.end.div_ceil(BLOCK);
            let late = move |block: &u64| {
                let latest = known.facts.latest.get(*block as usize).copied().unwrap_or(0);
                since.is_none_or(|since| latest >= since.unix())
            };
            blocks.rev().filter(late).map(move |block| (part.as_str(), block))
        })
    }

    /// The lines that begin in a block.
    fn lines_of(&self, part: &str, block: u64) -> Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        let Some(file) = files::open_regular(&self.hub.path(part)?)? else { return Ok(lines) };
        let Some(start) = cache::first_line(&file, 0, block * BLOCK..(block + 1) * BLOCK)? else { return Ok(lines) };
        jsonl::for_each_line_of(&file, start, |_, at, line| {
            let mine = at < (block + 1) * BLOCK;
            if mine {
                lines.push(line.to_vec());
            }
            Ok(mine)
        })?;
        Ok(lines)
    }

    fn summaries(&self, agent: &str) -> impl DoubleEndedIterator<Item = (&str, &AgentSummary)> {
        self.parts.iter().filter_map(move |(part, known)| Some((part.as_str(), known.facts.seats.get(agent)?)))
    }
}

/// The files of the log, oldest first: the sealed ones by name, then the current one. Relative to the hub's root; the
/// last one may be missing.
pub fn logs(hub: &Hub) -> Result<Vec<String>> {
    let mut sealed: Vec<String> = match fs::read_dir(hub.path(paths::EVENTS_FOLDER)?) {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| sealed_name(&entry.file_name().into_string().ok()?)).collect()
        }
        Err(_) => Vec::new(),
    };
    // Without the ending, so that `…Z` comes before `…Z-2`.
    sealed.sort();
    let mut logs: Vec<_> = sealed.into_iter().map(|stem| format!("{}/{stem}.jsonl", paths::EVENTS_FOLDER)).collect();
    logs.push(paths::EVENTS.to_owned());
    Ok(logs)
}

fn sealed_name(name: &str) -> Option<String> {
    name.strip_suffix(".jsonl").filter(|stem| stem.starts_with("events-")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::bus::events;
    use crate::bus::testing::repository;
    use crate::hub::{Transaction, paths};
    use crate::model::event::Event;

    fn put(hub: &Hub, relative: &str, bytes: &[u8]) {
        let path = hub.root.join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn event(n: usize) -> String {
        let agent = ["a", "b", "c"][n % 3];
        let kind = if n.is_multiple_of(5) { "handshake" } else { "note" };
        let ts = Stamp::from_unix(1_767_600_000 + n as i64);
        format!(
            "{{\"ts\":\"{ts}\",\"agent_id\":\"{agent}\",\"event\":\"{kind}\",\"summary\":\"{}\",\"id\":\"{n:016x}\"}}\n",
            "x".repeat(n % 400)
        )
    }

    #[test]
    fn a_line_longer_than_blocks_is_read_once() {
        let (_dir, hub) = repository();
        let long = event(1).replace("\"summary\":\"", &format!("\"summary\":\"{}", "x".repeat(5 * BLOCK as usize)));
        put(&hub, paths::EVENTS, format!("{}{long}{}", event(2), event(3)).as_bytes());
        let lines = Log::read(&hub).unwrap().latest(None, 0, |_| true).unwrap();
        assert_eq!(
            lines.iter().map(Vec::len).collect::<Vec<_>>(),
            [event(2).len() - 1, long.len() - 1, event(3).len() - 1]
        );
        let file = fs::File::open(hub.root.join(paths::EVENTS)).unwrap();
        assert_eq!(cache::first_line(&file, 0, BLOCK..2 * BLOCK).unwrap(), None, "the rest is not read");
        assert_eq!(
            cache::first_line(&file, 0, 5 * BLOCK..6 * BLOCK).unwrap(),
            Some((event(2).len() + long.len()) as u64)
        );
    }

    /// What is known without any cache.
    fn afresh(hub: &Hub) -> (BTreeMap<String, Seen>, Size, Vec<Option<String>>) {
        let _ = fs::remove_file(hub.local("cache/events.json"));
        known(hub)
    }

    fn known(hub: &Hub) -> (BTreeMap<String, Seen>, Size, Vec<Option<String>>) {
        let log = Log::read(hub).unwrap();
        let heads = ["a", "b", "c"].map(|agent| log.head(agent).map(str::to_owned)).to_vec();
        (log.agents().into_iter().map(|(agent, seen)| (agent.to_owned(), seen)).collect(), log.size(), heads)
    }

    #[test]
    fn a_look_with_a_cache_sees_what_a_look_without_one_sees() {
        let (_dir, hub) = repository();
        let mut text = String::new();
        for n in 0..30_000 {
            text.push_str(&event(n));
        }
        assert!(text.len() > 5 << 20, "long enough to be read by several threads");
        put(&hub, paths::EVENTS, text.as_bytes());
        let whole = known(&hub);
        assert_eq!(whole.1.lines, 30_000);
        assert_eq!(whole.2[0].as_deref(), Some("000000000000752d"));
        // Longer; replaced by a shorter file; changed in the middle without another length; cut.
        let longer = text.clone() + &event(30_000) + "{\"ts\":\"20";
        let shorter = text[..text.len() / 2].to_owned();
        let shorter = shorter[..=shorter.rfind('\n').unwrap()].to_owned();
        let changed = shorter.replace("handshake", "handshook");
        for bytes in [&longer, &shorter, &changed, &String::new(), &text] {
            put(&hub, paths::EVENTS, bytes.as_bytes());
            let with = known(&hub);
            assert_eq!(with, afresh(&hub));
        }
        // Sealed: the same file under another name, and a new one.
        fs::rename(hub.root.join(paths::EVENTS), hub.root.join("_bus/events/events-20260105T080000Z.jsonl")).unwrap();
        put(&hub, paths::EVENTS, event(40_000).as_bytes());
        let with = known(&hub);
        assert_eq!((with.1.lines, with.1.files), (30_001, 2));
        assert_eq!(with, afresh(&hub));
    }

    #[test]
    fn the_latest_lines_are_filtered_before_they_are_limited_and_reach_into_sealed_logs() {
        let (_dir, hub) = repository();
        let text = |range: std::ops::Range<usize>| range.map(event).collect::<String>();
        put(&hub, "_bus/events/events-20260105T080000Z.jsonl", text(0..3000).as_bytes());
        put(&hub, paths::EVENTS, (text(3000..3010) + &event(3009)).as_bytes());
        let log = Log::read(&hub).unwrap();
        let ids = |since, limit, agent: &str| -> Vec<String> {
            let lines = log.latest(since, limit, |view| view.agent_id.as_deref() == Some(agent)).unwrap();
            lines.iter().map(|line| EventView::parse(line).unwrap().id.unwrap().into_owned()).collect()
        };
        let hex = |numbers: &[usize]| numbers.iter().map(|n| format!("{n:016x}")).collect::<Vec<_>>();
        assert_eq!(ids(None, 2, "a"), hex(&[3006, 3009]), "an identical line counts once");
        assert_eq!(ids(None, 5, "b"), hex(&[2995, 2998, 3001, 3004, 3007]));
        assert_eq!(ids(None, 0, "c").len(), 1003);
        let since = Stamp::from_unix(1_767_600_000 + 2996);
        assert_eq!(ids(Some(since), 0, "b"), hex(&[2998, 3001, 3004, 3007]));
        let beat = |until: i64| {
            let (at, line) = log.beat_until("b", Stamp::from_unix(1_767_600_000 + until)).unwrap()?;
            let view = EventView::parse(&line).unwrap();
            assert_eq!(view.at(), Some(at));
            view.id.map(|id| id.into_owned())
        };
        assert_eq!(beat(4000), Some(format!("{:016x}", 2995)));
        assert_eq!(beat(2994), Some(format!("{:016x}", 2980)), "a later one is in the future");
        assert_eq!(beat(9), None, "all are in the future");
    }

    #[test]
    fn a_log_that_is_long_enough_is_sealed_and_read_on() {
        let (_dir, hub) = repository();
        put(&hub, "teof.toml", b"[log]\nseal_at = 2000\n");
        let mut ids = Vec::new();
        for n in 0..40 {
            let mut writer = hub.lock("test").unwrap();
            let mut transaction = Transaction::new("test");
            for agent in ["a", "b"] {
                ids.push(
                    events::stage(&writer, &mut transaction, &Event::new(agent, "status", n.to_string())).unwrap(),
                );
            }
            writer.commit(transaction).unwrap();
        }
        assert!(logs(&hub).unwrap().len() > 3);
        let log = Log::read(&hub).unwrap();
        let lines = log.latest(None, 0, |_| true).unwrap();
        let views: Vec<_> = lines.iter().map(|line| EventView::parse(line).unwrap()).collect();
        let found: Vec<_> = views.iter().map(|view| view.id.as_deref().unwrap()).collect();
        assert_eq!(found, ids);
        let chained = views.iter().enumerate().all(|(i, view)| view.prev.as_deref() == (i >= 2).then(|| &*ids[i - 2]));
        assert!(chained, "chains run through seals");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), lines in any::<bool>()) {
            let (_dir, hub) = repository();
            let mut log = bytes;
            if lines {
                log.iter_mut().step_by(7).for_each(|b| *b = b'\n');
            }
            log.extend_from_slice(event(1).as_bytes());
            put(&hub, paths::EVENTS, &log);
            let log = Log::read(&hub).unwrap();
            let found = log.latest(None, 0, |_| true).unwrap();
            prop_assert!(found.len() as u64 <= log.size().lines);
            prop_assert!(found.len() <= 1 || log.size().lines > 1);
        }
    }
}
