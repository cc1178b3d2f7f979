//! Follows the log and a channel: first the existing lines, then new ones when the file system reports a change.
//!
//! Each line is shown once, whether the log is appended to, sealed under another name, or rewritten by git. Nothing
//! is read between changes.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::Context;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::{Map, Value};

use super::log::Log;
use super::{events, messages};
use crate::base::{Result, Stamp, files, jsonl, text};
use crate::hub::{Hub, paths, watch};
use crate::model::event::EventView;
use crate::model::message::is_task_channel;
use crate::model::{text, texts};

/// The longest sleep of a follower: the file system may lose a notification, and folders may be replaced.
const SAFETY: Duration = Duration::from_secs(30);

/// An event, or a message.
#[derive(Clone, Debug)]
pub struct Item {
    pub raw: Map<String, Value>,
    line: Vec<u8>,
    pub is_message: bool,
}

/// Which items to show.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub since: Option<Stamp>,
    /// Empty: all agents.
    pub agents: Vec<String>,
    /// Kinds of events and types of messages; empty: all.
    pub kinds: Vec<String>,
    /// A channel whose messages are shown among the events; a task's also leaves out the events of
    /// other tasks.
    pub channel: Option<String>,
    /// Leaves out events; without a channel, the messages of all channels are shown.
    pub messages_only: bool,
}

impl Item {
    fn parse(line: &[u8], is_message: bool) -> Option<Item> {
        let raw = serde_json::from_slice(line).ok()?;
        Some(Item { raw, line: line.to_vec(), is_message })
    }

    pub fn at(&self) -> Option<Stamp> {
        text(&self.raw, "ts").and_then(Stamp::parse)
    }

    pub fn author(&self) -> Option<&str> {
        text(&self.raw, if self.is_message { "from" } else { "agent_id" })
    }

    pub fn kind(&self) -> Option<&str> {
        text(&self.raw, if self.is_message { "type" } else { "event" })
    }

    /// `ts :: agent :: event :: task=T [severity] :: summary :: receipts=a,b`; a message's type stands
    /// behind `message/`. Safe for a terminal.
    pub fn line(&self) -> String {
        let part = |key: &str| text(&self.raw, key).unwrap_or("-");
        let kind = self.kind().unwrap_or("-");
        let kind = if self.is_message { format!("message/{kind}") } else { kind.to_owned() };
        let author = self.author().unwrap_or("-");
        let mut line = format!("{} :: {author} :: {kind} :: task={}", part("ts"), part("task_id"));
        if let Some(severity) = text(&self.raw, "severity") {
            line += &format!(" [{severity}]");
        }
        line += &format!(" :: {}", part("summary"));
        let receipts = texts(&self.raw, "receipts");
        if !receipts.is_empty() {
            line += &format!(" :: receipts={}", receipts.join(","));
        }
        text::clip(&text::safe(&line), 2000)
    }
}

impl Filter {
    fn takes(&self, item: &Item) -> bool {
        let about = match self.channel.as_deref().filter(|channel| is_task_channel(channel)) {
            Some(task) if !item.is_message => text(&item.raw, "task_id") == Some(task),
            _ => true,
        };
        let late = self.since.is_none_or(|since| item.at().is_some_and(|at| at >= since));
        let one_of = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|wanted| wanted == found))
        };
        about && late && one_of(&self.agents, item.author()) && one_of(&self.kinds, item.kind())
    }

    /// The channels whose messages are shown.
    fn channels(&self, hub: &Hub) -> Result<Vec<String>> {
        match &self.channel {
            Some(channel) => Ok(vec![channel.clone()]),
            None if self.messages_only => messages::channels(hub),
            None => Ok(Vec::new()),
        }
    }

    /// Whether an event may match, judged by the fields already read.
    fn may_take(&self, view: &EventView<'_>) -> bool {
        let one_of = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|wanted| wanted == found.trim()))
        };
        let task = self.channel.as_deref().filter(|channel| is_task_channel(channel));
        one_of(&self.agents, view.agent_id.as_deref())
            && one_of(&self.kinds, view.event.as_deref())
            && task.is_none_or(|task| view.task_id.as_deref().map(str::trim) == Some(task))
    }
}

/// The last `limit` wanted items (0: all) by time, oldest first.
pub fn recent(hub: &Hub, filter: &Filter, limit: usize) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    if !filter.messages_only {
        let lines = Log::read(hub)?.latest(filter.since, limit, |view| filter.may_take(view))?;
        items.extend(lines.iter().filter_map(|line| Item::parse(line, false)));
    }
    for channel in filter.channels(hub)? {
        let lines = messages::tail_lines(hub, &channel, 0)?;
        let found = lines.iter().filter_map(|line| Item::parse(line, true));
        items.extend(found.filter(|item| filter.takes(item)));
    }
    // Stable: items of the same time keep the order of their file.
    items.sort_by_key(Item::at);
    if limit > 0 && items.len() > limit {
        items.drain(..items.len() - limit);
    }
    Ok(items)
}

/// What wakes a follower.
enum Wake {
    Changed,
    Stop,
}

/// Stops a follower from another thread.
#[derive(Clone)]
pub struct Stop(Sender<Wake>);

impl Stop {
    pub fn stop(&self) {
        // Sending fails only when it has already stopped.
        let _ = self.0.send(Wake::Stop);
    }
}

/// Reads what comes.
pub struct Follower<'h> {
    hub: &'h Hub,
    filter: Filter,
    wakes: Receiver<Wake>,
    send: Sender<Wake>,
    /// The watched folder: when it is replaced, the watch starts again.
    watched: Option<(u64, u64)>,
    watcher: Option<RecommendedWatcher>,
    /// How far each file was read, by device and inode.
    read: HashMap<(u64, u64), u64>,
    /// Known lines, for files that were rewritten.
    known: HashSet<u64>,
    hasher: RandomState,
}

impl<'h> Follower<'h> {
    /// Starts: existing lines are known, later ones come from [`Follower::wait`].
    pub fn begin(hub: &'h Hub, filter: Filter) -> Result<Follower<'h>> {
        let (send, wakes) = channel();
        let mut follower = Follower {
            hub,
            filter,
            wakes,
            send,
            watched: None,
            watcher: None,
            read: HashMap::new(),
            known: HashSet::new(),
            hasher: RandomState::new(),
        };
        follower.watch()?;
        follower.read_new()?;
        Ok(follower)
    }

    /// Stops [`Follower::wait`] from another thread.
    pub fn stopper(&self) -> Stop {
        Stop(self.send.clone())
    }

    /// Marks items as shown, so that they do not come again.
    pub fn shown(&mut self, items: &[Item]) {
        for item in items {
            self.known.insert(self.hasher.hash_one(&item.line));
        }
    }

    /// Waits for a change and returns what is new and wanted; `None` once it was stopped.
    pub fn wait(&mut self) -> Result<Option<Vec<Item>>> {
        match self.wakes.recv_timeout(SAFETY) {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Ok(Wake::Changed) | Err(RecvTimeoutError::Timeout) => {}
        }
        // One read answers all pending notifications.
        while let Ok(wake) = self.wakes.try_recv() {
            if matches!(wake, Wake::Stop) {
                return Ok(None);
            }
        }
        self.watch()?;
        let items = self.read_new()?;
        Ok(Some(items.into_iter().filter(|item| self.filter.takes(item)).collect()))
    }

    /// Watches the bus; again when its folder was replaced (a stash, a switch).
    fn watch(&mut self) -> Result<()> {
        let folder = self.hub.root.join("_bus");
        let found = std::fs::metadata(&folder).ok().map(|meta| (meta.dev(), meta.ino()));
        if found == self.watched && self.watcher.is_some() {
            return Ok(());
        }
        self.watcher = None;
        self.watched = found;
        if found.is_none() {
            return Ok(());
        }
        let send = self.send.clone();
        let mut watcher = watch::watcher(move |notice: notify::Result<notify::Event>| {
            // Ignore teof's own reads; an error (an overflow) may hide a change.
            if notice.map_or(true, |event| !event.kind.is_access()) {
                let _ = send.send(Wake::Changed);
            }
        })
        .context("watch the bus")?;
        watcher.watch(&folder, RecursiveMode::Recursive).context("watch the bus")?;
        self.watcher = Some(watcher);
        Ok(())
    }

    fn read_new(&mut self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        if !self.filter.messages_only {
            for log in events::logs(self.hub)? {
                self.read_file(&log, false, &mut items)?;
            }
        }
        for channel in self.filter.channels(self.hub)? {
            self.read_file(&paths::channel(&channel), true, &mut items)?;
        }
        Ok(items)
    }

    /// Reads the new lines of a file. A file followed under another name is read on. An unknown or shortened file is
    /// read from the start, unless somebody else sealed it: its lines are old.
    fn read_file(&mut self, relative: &str, is_message: bool, items: &mut Vec<Item>) -> Result<()> {
        let Some(file) = files::open_regular(&self.hub.path(relative)?)? else { return Ok(()) };
        let meta = file.metadata()?;
        let identity = (meta.dev(), meta.ino());
        let from = match self.read.get(&identity) {
            Some(from) if *from <= meta.len() => *from,
            None if paths::is_sealed(relative) => meta.len(),
            _ => 0,
        };
        let end = jsonl::for_each_line_of(&file, from, |_, _, line| {
            if self.known.insert(self.hasher.hash_one(line)) {
                items.extend(Item::parse(line, is_message));
            }
            Ok(true)
        })?;
        self.read.insert(identity, end);
        Ok(())
    }
}
