//! The record of one agent session.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::{Stamp, text};
use crate::model::agent::Usage;
use crate::model::is_default;
use crate::model::run::noticed::{Errors, Noticed};

/// How a session's program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// An agent CLI, driven by the foreman.
    Autonomous,
    /// A terminal that a person can join.
    Dispatch,
    /// A command.
    #[default]
    Process,
    /// A program that a person started, or a subagent of one, as its hooks tell.
    Hooked,
}

/// For people: how often each tool was called.
pub fn tools_used(tools: &BTreeMap<String, u64>) -> String {
    tools.iter().map(|(tool, times)| format!("{tool} {times}")).collect::<Vec<_>>().join(", ")
}

/// What a session does now, or how it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Starting,
    Running,
    Done,
    Failed,
    Cancelled,
    /// Its processes ended without anybody noting how.
    Lost,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Autonomous => "autonomous",
            Mode::Dispatch => "dispatch",
            Mode::Process => "process",
            Mode::Hooked => "hooked",
        }
    }
}

impl Status {
    pub const ALL: [Status; 6] =
        [Status::Starting, Status::Running, Status::Done, Status::Failed, Status::Cancelled, Status::Lost];

    /// Whether nothing more happens in the session.
    pub fn is_over(self) -> bool {
        matches!(self, Status::Done | Status::Failed | Status::Cancelled | Status::Lost)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Starting => "starting",
            Status::Running => "running",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
            Status::Lost => "lost",
        }
    }
}

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProcessId {
    pub pid: i32,
    /// Clock ticks since boot.
    pub started: u64,
}

/// What the program runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Environment {
    /// `process`, `docker` or `tmux`.
    pub executor: String,
    /// The container's image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What confines it, in words: `landlock (ABI 5)`, `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confinement: Option<String>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Where the archive of a session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Archived {
    /// Its folder, relative to the hub.
    pub path: String,
    pub at: Stamp,
}

/// One session. Texts of the agent are one line each, without control characters or secrets.
///
/// A field that this version does not know is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct SessionRecord {
    /// The name of its folder.
    pub id: String,
    pub mode: Mode,
    pub status: Status,
    /// Why it has this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The session that it continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The session whose program started this one: a subagent, or another program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// `planner`, `coder`, `tester`, `reviewer`, `commands`, `setup`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// The seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The agent's name in the settings; for a command, its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The agent's own id of its session, with which it is resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_session: Option<String>,
    pub environment: Environment,
    /// Absolute; the current folder of the program.
    pub worktree: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The raw stream, absolute.
    pub log: PathBuf,
    /// The program's own folder, absolute, when a hook told of the session: only a transcript in it is archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_folder: Option<PathBuf>,
    /// The program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessId>,
    /// The worker that runs the program and saves this record; none for a terminal, which outlives its starter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<ProcessId>,
    /// How often the agent said something.
    pub messages: u64,
    /// How often it called each tool.
    pub tools: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message: Option<String>,
    /// The last tool call, with what it is about: `Edit src/a.rs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_tool: Option<String>,
    /// Errors of the agent and its tools.
    #[serde(skip_serializing_if = "is_default")]
    pub errors: Errors,
    /// What the monitor's rules matched, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub noticed: Vec<Noticed>,
    /// What this session used.
    pub usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archived>,
    /// The digest of what the program was told last when it wanted to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminded: Option<String>,
    /// Worktrees that a hook made for it, absolute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made_worktrees: Vec<PathBuf>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl SessionRecord {
    /// Orders sessions, the newest last: those that are not over, and by what was active last. The stages of a job may
    /// start in the same second.
    pub fn recency(&self) -> (bool, Option<Stamp>, &str) {
        (!self.status.is_over(), self.last_activity.max(self.started_at), &self.id)
    }

    /// For people: `coder, round 2`.
    pub fn stage_and_round(&self) -> Option<String> {
        let round = self.round.map(|round| format!(", round {round}")).unwrap_or_default();
        self.stage.as_ref().map(|stage| format!("{stage}{round}"))
    }

    /// For people: `claude (opus)`.
    pub fn program_and_model(&self) -> Option<String> {
        let model = self.model.as_ref().map(|model| format!(" ({model})")).unwrap_or_default();
        self.program.as_ref().map(|program| format!("{program}{model}"))
    }

    /// For people: `Bash 3, Read 1`; empty when it called none.
    pub fn tools_used(&self) -> String {
        tools_used(&self.tools)
    }

    /// For people: `1200 tokens, $0.12`.
    pub fn used(&self) -> Option<String> {
        let tokens = self.usage.tokens();
        let cost = self.usage.cost_usd.map(|cost| format!(", ${cost:.2}")).unwrap_or_default();
        (tokens > 0).then(|| format!("{}{cost}", text::counted(tokens, "token")))
    }

    /// The record as it is now: a session whose processes are gone without a word is lost.
    ///
    /// A supervised session lives as long as its worker, because the worker ends the program and writes how it ended.
    #[must_use]
    pub fn observed(mut self, is_alive: &dyn Fn(ProcessId) -> bool) -> SessionRecord {
        let lives = self.supervisor.or(self.process).is_none_or(is_alive);
        if !self.status.is_over() && !lives {
            self.status = Status::Lost;
            self.reason = Some("its processes are gone".to_owned());
            self.ended_at = self.ended_at.or(self.last_activity);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_without_its_process_is_lost_and_an_ended_one_keeps_its_status() {
        let of = |pid| Some(ProcessId { pid, started: 1 });
        let record = |status, process, supervisor| SessionRecord { status, process, supervisor, ..Default::default() };
        let only_7 = |process: ProcessId| process.pid == 7;
        for (status, process, supervisor, seen) in [
            (Status::Running, of(8), None, Status::Lost),
            (Status::Running, of(7), None, Status::Running),
            // The worker has not written yet how its program ended.
            (Status::Running, of(8), of(7), Status::Running),
            (Status::Running, of(7), of(8), Status::Lost),
            (Status::Starting, None, of(8), Status::Lost),
            (Status::Running, None, None, Status::Running),
            (Status::Done, of(8), of(8), Status::Done),
        ] {
            assert_eq!(record(status, process, supervisor).observed(&only_7).status, seen, "{status:?}");
        }
    }

    #[test]
    fn fields_of_later_versions_are_kept() {
        let text = r#"{"id":"a","status":"running","environment":{"executor":"vm","cores":2},"mood":{"of":"it"}}"#;
        let read: SessionRecord = serde_json::from_str(text).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!((&written["mood"]["of"], &written["environment"]["cores"]), (&"it".into(), &2.into()));
    }
}
