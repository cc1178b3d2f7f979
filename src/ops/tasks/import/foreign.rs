//! A task of another tool, in this project's terms. Only data.

use serde::Serialize;

use crate::model::backlog::ItemStatus;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    Beads,
    #[serde(rename = "backlog.md")]
    BacklogMd,
    VibeKanban,
    Taskmaster,
    Taskwarrior,
    GithubIssues,
    Symphony,
}

impl Tool {
    /// The names on the command line.
    pub const NAMES: [&str; 7] =
        ["beads", "backlog.md", "vibe-kanban", "taskmaster", "taskwarrior", "github-issues", "symphony"];
    const ALL: [Tool; 7] = [
        Tool::Beads,
        Tool::BacklogMd,
        Tool::VibeKanban,
        Tool::Taskmaster,
        Tool::Taskwarrior,
        Tool::GithubIssues,
        Tool::Symphony,
    ];

    pub fn named(name: &str) -> Option<Tool> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == name)
    }

    /// In files and on the command line.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Where a task stands in its tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Open,
    /// Somebody works on it there.
    Started,
    Blocked,
    Done,
}

impl Standing {
    /// In the backlog. What somebody works on elsewhere is blocked here, so that it is not done twice.
    pub fn status(self, take_started: bool) -> ItemStatus {
        match self {
            Standing::Open => ItemStatus::Pending,
            Standing::Started if take_started => ItemStatus::Pending,
            Standing::Started | Standing::Blocked => ItemStatus::Blocked,
            Standing::Done => ItemStatus::Done,
        }
    }
}

/// A task as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// In its tool.
    pub id: String,
    /// The id that it gets here, if that is free.
    pub name: String,
    pub title: String,
    pub notes: String,
    pub standing: Standing,
    /// `urgent`, `high`, `medium` or `low`.
    pub priority: Option<&'static str>,
    /// Ids in its tool.
    pub depends_on: Vec<String>,
    /// Its parts, for which it waits: ids in its tool.
    pub parts: Vec<String>,
    /// Why nobody is to do it, where the tool says so: it was cancelled or deleted there, or is not planned.
    pub dropped: Option<String>,
    /// Its page or file.
    pub link: Option<String>,
}

impl Item {
    pub fn new(id: impl Into<String>, name: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            title: title.into(),
            notes: String::new(),
            standing: Standing::Open,
            priority: None,
            depends_on: Vec::new(),
            parts: Vec::new(),
            dropped: None,
            link: None,
        }
    }

    /// A task that nobody is to do. Where it is known here, it becomes blocked.
    pub fn dropped(self, why: impl Into<String>) -> Self {
        Self { standing: Standing::Blocked, dropped: Some(why.into()), ..self }
    }
}

/// What was not imported, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Skipped {
    pub id: String,
    pub why: String,
}

/// Everything that a reader found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub items: Vec<Item>,
    pub skipped: Vec<Skipped>,
}

impl Found {
    pub fn skip(&mut self, id: impl Into<String>, why: impl Into<String>) {
        self.skipped.push(Skipped { id: id.into(), why: why.into() });
    }
}

/// Paragraphs of text, the empty ones left out.
pub fn paragraphs<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let filled = parts.into_iter().filter(|(_, text)| !text.trim().is_empty());
    let shown = filled.map(|(heading, text)| match heading {
        "" => text.trim().to_owned(),
        _ => format!("{heading}: {}", text.trim()),
    });
    shown.collect::<Vec<_>>().join("\n\n")
}
