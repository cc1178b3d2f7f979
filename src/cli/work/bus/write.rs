//! Shared by the commands that write to the bus: `key=value`, batches from stdin, and the output.

use std::io::Read;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::help::MORE;
use crate::coordinator::state::store;
use crate::guard::claim::{self, Author};
use crate::hub::Hub;
use crate::model::event;
use crate::model::message::Message;
use crate::ops::claims::known;
use crate::ops::publish::{self, Entry, at_line};

/// The largest batch, in bytes.
const MAX_BATCH: u64 = 16 * 1024 * 1024;

/// What an event concerns.
#[derive(Clone, Debug, clap::Args)]
pub struct Concerns {
    /// The task it concerns
    #[arg(long)]
    pub task: Option<String>,
    /// The plan it concerns
    #[arg(long)]
    pub plan: Option<String>,
    /// The branch it concerns
    #[arg(long, help_heading = MORE)]
    pub branch: Option<String>,
    /// The pull request it concerns
    #[arg(long, help_heading = MORE)]
    pub pr: Option<String>,
}

/// What a message holds besides its text.
#[derive(Clone, Debug)]
pub struct Details {
    pub plan: Option<String>,
    pub meta: Map<String, Value>,
    pub branch: Option<String>,
    pub receipts: Vec<String>,
    pub note: Option<String>,
}

impl Details {
    pub fn message(self, author: &str, kind: &str, channel: &str, summary: String) -> Message {
        let mut message = Message::new(author, kind, channel, summary);
        // The plan first; the caller's own entries may overwrite it (the playbook: bus_message).
        message.meta.extend(self.plan.map(|plan| ("plan_id".to_owned(), json!(plan))));
        message.meta.extend(self.meta);
        message.branch = self.branch;
        message.receipts = self.receipts;
        message.note = self.note;
        message
    }
}

/// Writes the entries and tells what was written.
pub fn write(app: &App, command: &str, author: &Author, entries: &[Entry], repeat: &Repeat) -> Result<()> {
    let hub = app.hub()?;
    let entries: Vec<Entry> = entries.iter().map(|entry| held(app, hub, entry)).collect::<Result<_>>()?;
    let request = repeat.request(command, &(&author.agent, &entries))?;
    let done = publish::publish(hub, command, author, &entries, request.as_ref())?;
    for remark in &done.remarks {
        app.warn(remark);
    }
    let document = json!({"agent_id": author.agent, "written": done.written, "repeated": done.repeated});
    app.result(&document, || {
        let lines: Vec<_> = done.written.iter().map(|written| render(written, &author.agent)).collect();
        lines.join("\n")
    });
    Ok(())
}

/// A hold or lift that names a job is about the job's task; of a name that nothing knows it warns.
fn held(app: &App, hub: &Hub, entry: &Entry) -> Result<Entry> {
    let Some(name) = entry.held_task() else { return Ok(entry.clone()) };
    let Some(unknown) = known::remark_unknown(hub, name)? else { return Ok(entry.clone()) };
    // A hold does not depend on the coordinator's state.
    let state = store::load(hub).ok();
    match state.as_ref().and_then(|state| state.find(name).ok()) {
        Some(job) => Ok(entry.clone().moved_to(&job.task)),
        None => {
            app.warn(unknown);
            Ok(entry.clone())
        }
    }
}

fn render(written: &Value, agent: &str) -> String {
    let part = |key: &str| written[key].as_str();
    let line = match (part("id"), part("channel")) {
        (Some(id), _) => {
            let task = part("task_id").map(|task| format!(" on {task}")).unwrap_or_default();
            format!("event {id}: {} by {agent}{task}", part("event").unwrap_or_default())
        }
        (None, Some(channel)) => {
            let to = part("to").map(|to| format!(", and to {to}")).unwrap_or_default();
            format!("message: {} from {agent} in {channel}{to}", part("type").unwrap_or_default())
        }
        _ => String::new(),
    };
    text::safe(&line)
}

/// `key=value`, as `--extra` and `--meta` take it; the value may be empty.
pub fn pairs(flag: &str, given: &[String]) -> Result<Map<String, Value>> {
    let mut map = Map::new();
    for pair in given {
        let (key, value) = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or_else(|| {
            let shown = text::clip(&text::safe(pair), 60);
            Refusal::usage("pair.invalid", format!("{flag} {shown:?} is not key=value"))
                .next(format!("write it as {flag} key=value"))
        })?;
        map.insert(key.trim().to_owned(), json!(value));
    }
    Ok(map)
}

/// Refuses a meta key that is a field of the line, or that teof itself writes.
pub fn check_meta(map: &Map<String, Value>) -> Result<()> {
    match map.keys().find(|key| *key == "epoch" || event::CORE.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Refusal::usage("meta.reserved", format!("{key} is a field and cannot be an extra"))
            .because("extras go into meta and cannot replace a field of the line")
            .next(match key.as_str() {
                "epoch" | "summary" | "branch" | "pr" | "severity" | "event" => format!("use --{key}"),
                "task_id" => "use --task".to_owned(),
                "plan_id" => "use --plan".to_owned(),
                _ => "choose another key".to_owned(),
            })
            .into()),
    }
}

/// One line of a batch, and what is made of it.
pub trait BatchLine: DeserializeOwned {
    /// The seat it says it is from, if it does.
    fn agent(&self) -> Option<&str>;
    fn task(&self) -> Option<&str>;
    fn epoch(&self) -> Option<u64>;
    fn into_entry(self, author: &str, epoch: Option<u64>) -> Result<Entry>;
}

/// The entries that a command writes and their author: those of a batch, else the one that its flags describe.
pub fn entries<L: BatchLine>(
    hub: &Hub,
    flags: &Flags,
    is_batch: bool,
    line: impl FnOnce() -> Result<L>,
) -> Result<(Author, Vec<Entry>)> {
    if is_batch {
        return batch::<L>(hub, flags);
    }
    let line = line()?;
    let author = flags.author(hub, line.task())?;
    let entry = line.into_entry(&author.agent, author.epoch)?;
    Ok((author, vec![entry]))
}

/// Reads JSON lines from stdin. An invalid line refuses the whole batch and is named.
fn batch<L: BatchLine>(hub: &Hub, flags: &Flags) -> Result<(Author, Vec<Entry>)> {
    // Each line shows the epoch for its own task.
    let author = Flags { epoch: None, ..flags.clone() }.author(hub, None)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_BATCH + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BATCH {
        return Err(Refusal::usage("batch.too_large", "the batch is too large")
            .because(format!("the limit is {MAX_BATCH} bytes"))
            .next("split it into several batches")
            .into());
    }
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut entry = one::<L>(line, &author, flags).map_err(|e| match e.downcast::<Refusal>() {
            Ok(refusal) => at_line(refusal, number).into(),
            Err(e) => e,
        })?;
        entry.line = Some(number);
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(Refusal::usage("batch.empty", "the batch has no lines")
            .next("write one JSON object a line to stdin, such as {\"event\":\"status\",\"summary\":\"halfway\"}")
            .into());
    }
    Ok((author, entries))
}

fn one<L: BatchLine>(line: &[u8], author: &Author, flags: &Flags) -> Result<Entry> {
    let invalid = |why: String| {
        Refusal::usage("batch.invalid", "it is not what a batch takes")
            .because(text::clip(&text::safe(&why), 300))
            .next("the fields are those of the flags: see --help")
    };
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(invalid("not a JSON object".into()).into());
    }
    let parsed: L = serde_json::from_slice(line).map_err(|e| invalid(e.to_string()))?;
    if let Some(other) = parsed.agent().filter(|agent| *agent != author.agent) {
        return Err(Refusal::guard("agent.mismatch", format!("it is from {:?}", text::safe(other)))
            .because(format!("this batch is {}'s", author.agent))
            .next("leave the field out, or send each seat's lines with that seat's own command")
            .into());
    }
    let epoch = claim::shown_epoch(parsed.epoch().or(flags.epoch), parsed.task())?;
    parsed.into_entry(&author.agent, epoch)
}
