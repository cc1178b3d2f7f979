//! A worktree as people and programs see it.

use git2::Repository;
use serde::Serialize;

use crate::base::time::show_span;
use crate::base::{Result, Stamp, text};
use crate::coordinator::retention::{self, Standing};
use crate::coordinator::state::store;
use crate::hub::Hub;
use crate::hub::worktrees::{self, WorktreeStatus};
use crate::model::run::job_name::short;

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub path: String,
    /// `null` when HEAD names no branch.
    pub branch: Option<String>,
    pub state: Standing,
    pub job: Option<String>,
    /// What people call the job: `j7`.
    pub short: Option<String>,
    /// The run that worked there last.
    pub run: Option<String>,
    pub task: Option<String>,
    pub agent: Option<String>,
    pub made_at: Option<Stamp>,
    pub finished_at: Option<Stamp>,
    /// Whether its folder is there.
    pub exists: bool,
    /// Whether it holds anything that is not committed; `null` when that cannot be told.
    pub dirty: Option<bool>,
    /// The refs that keep uncommitted work of its job.
    pub parked: Vec<String>,
    #[serde(skip)]
    pub seen: WorktreeStatus,
}

/// All worktrees of the repository.
pub fn rows(hub: &Hub) -> Result<Vec<Row>> {
    let state = store::load(hub)?;
    let repo = Repository::open(&hub.common_dir)?;
    let row = |seen: WorktreeStatus| Row {
        path: seen.root.display().to_string(),
        branch: seen.branch.clone(),
        state: retention::standing(hub, &state, &seen),
        job: seen.job.clone(),
        short: seen.job.as_deref().map(|job| short(job).into_owned()),
        run: seen.run.clone(),
        task: seen.task.clone(),
        agent: seen.agent.clone(),
        made_at: seen.made_at,
        finished_at: retention::over_since(&state, &seen),
        exists: seen.is_there(),
        dirty: if seen.is_there() { seen.is_dirty() } else { None },
        parked: seen.parked(&repo),
        seen,
    };
    Ok(worktrees::statuses(hub)?.into_iter().map(row).collect())
}

impl Row {
    /// Whether it is the worktree of the job of that name.
    pub fn is_of_job(&self, name: &str) -> bool {
        self.job.as_deref().is_some_and(|job| job == name || short(job) == name)
    }

    /// A line for people.
    pub fn line(&self, now: Stamp) -> String {
        let mut facts = Vec::new();
        let mut fact = |what: &str, value: &Option<String>| {
            if let Some(value) = value {
                facts.push(format!("{what} {value}"));
            }
        };
        fact("job", &self.short);
        fact("task", &self.task);
        if let Some(made_at) = self.made_at {
            facts.push(format!("made {} ago", show_span(now.since(made_at))));
        }
        if !self.exists {
            facts.push("its folder is gone".to_owned());
        }
        if self.dirty == Some(true) {
            facts.push("uncommitted changes".to_owned());
        }
        if !self.parked.is_empty() {
            facts.push(format!("parked: {}", self.parked.join(", ")));
        }
        let branch = self.branch.as_deref().unwrap_or("no branch");
        let line = format!("{:<8}  {}  {branch}  {}", self.state.as_str(), self.path, facts.join("; "));
        text::safe(line.trim_end())
    }
}
