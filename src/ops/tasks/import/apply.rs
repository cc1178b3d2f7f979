//! Imports the tasks of another tool: read, merged, and written in one transaction with an event.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use super::circles::Circle;
use super::foreign::{Found, Skipped, Tool};
use super::merge::{self, Change, Plan, Task, Wanted};
use super::{backlog_md, beads, github, symphony, taskmaster, taskwarrior, vibe_kanban};
use crate::base::{Result, text};
use crate::bus::events;
use crate::guard::claim::Author;
use crate::hub::Hub;
use crate::model::event::Event;
use crate::ops::context::{self, Answer, Call};
use crate::plans;

/// What is imported, and how.
#[derive(Clone, Debug)]
pub struct Options {
    pub tool: Tool,
    /// `None`: where the tool keeps its data.
    pub path: Option<PathBuf>,
    pub with_done: bool,
    pub take_started: bool,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Report {
    pub from: Tool,
    /// Nothing was written.
    pub dry_run: bool,
    /// How many tasks the tool has.
    pub read: usize,
    pub new: usize,
    pub updated: usize,
    pub unchanged: usize,
    pub skipped: Vec<Skipped>,
    /// Wholes that do not wait for a part, because that waits for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub circles: Vec<Circle>,
    pub tasks: Vec<Task>,
}

/// Imports; `author` `None` writes nothing.
///
/// # Errors
/// When the tool's data cannot be read, or the backlog cannot be written.
pub fn import(hub: &Hub, options: &Options, author: Option<&Author>) -> Result<(Report, Vec<String>)> {
    let found = find(hub, options)?;
    // An issue that a workflow works on is the same issue.
    let tool = if options.tool == Tool::Symphony { Tool::GithubIssues } else { options.tool };
    let wanted = Wanted { done: options.with_done, take_started: options.take_started };
    let decide = |found: Found| {
        let backlog = plans::backlog::read(hub)?;
        Ok::<_, anyhow::Error>(merge::plan(&backlog, tool, found, wanted))
    };
    let read = found.items.len() + found.skipped.len();
    let report = |plan: &Plan, dry_run| {
        let Plan { tasks, skipped, circles } = plan.clone();
        let count = |change| tasks.iter().filter(|task| task.change == change).count();
        let (new, updated, unchanged) = (count(Change::New), count(Change::Updated), count(Change::Unchanged));
        Report { from: options.tool, dry_run, read, new, updated, unchanged, skipped, circles, tasks }
    };
    let plan = decide(found.clone())?;
    let Some(author) = author.filter(|_| merge::is_change(&plan.tasks)) else {
        return Ok((report(&plan, author.is_none()), Vec::new()));
    };
    let call = Call { command: "import", author, task: "", bound: false, request: None };
    let mut done = None;
    let Answer { remarks, .. } = context::run(hub, &call, |writer, transaction| {
        // Again, now that nobody else writes.
        let plan = decide(found)?;
        let now = writer.hub().now();
        let own = report(&plan, false);
        let tasks = plan.tasks;
        plans::backlog::change(writer, transaction, &author.agent, |document| merge::write(document, tasks, now))?;
        let (new, updated) = (text::counted(own.new, "new task"), own.updated);
        let summary = format!("{} imported {new} and {updated} updated from {}", author.agent, options.tool.as_str());
        let event = context::with_recognition(writer.hub(), author, Event::new(&author.agent, "backlog", summary));
        events::stage(writer, transaction, &event)?;
        done = Some(own);
        Ok((json!({}), Vec::new()))
    })?;
    Ok((done.unwrap_or_else(|| report(&plan, false)), remarks))
}

fn find(hub: &Hub, options: &Options) -> Result<Found> {
    let path = options.path.as_deref();
    let here = path.unwrap_or(&hub.here.root);
    match options.tool {
        Tool::Beads => beads::find(here),
        Tool::BacklogMd => backlog_md::find(here),
        Tool::Taskmaster => taskmaster::find(here),
        Tool::Symphony => symphony::find(hub, here),
        Tool::Taskwarrior => taskwarrior::find(path),
        Tool::VibeKanban => vibe_kanban::find(path),
        Tool::GithubIssues => github::find(hub, path),
    }
}
