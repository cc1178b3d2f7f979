//! A worktree as people and programs see it.

use git2::Repository;
use serde::Serialize;

use crate::base::{Result, Stamp, text};
use crate::cli::support::terminal::{Column, Table, Times};
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
    /// Its TEOF_SLOT, once programs started in it.
    pub slot: Option<u16>,
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
        slot: seen.slot,
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

    /// The branch, or that there is none.
    pub fn branch(&self) -> &str {
        self.branch.as_deref().unwrap_or("no branch")
    }

    /// What a person should know before it is removed.
    fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        if !self.exists {
            remarks.push("its folder is missing".to_owned());
        }
        if self.dirty == Some(true) {
            remarks.push("uncommitted changes".to_owned());
        }
        if !self.parked.is_empty() {
            remarks.push(format!("parked: {}", self.parked.join(", ")));
        }
        remarks.join("; ")
    }
}

/// Worktrees for people, one row each, with the path below.
pub fn table(rows: &[Row], times: Times) -> Table {
    let mut table = Table::new([
        Column::word("STATE"),
        Column::word("JOB"),
        Column::text("TASK").optional(),
        Column::word("BRANCH"),
        Column::word("MADE").optional(),
        Column::text("REMARKS"),
    ]);
    for row in rows {
        let job = row.short.as_deref().unwrap_or_default();
        let made = row.made_at.map(|at| times.ago(at)).unwrap_or_default();
        let task = row.task.as_deref().unwrap_or_default();
        table.row([
            row.state.as_str().into(),
            job.into(),
            task.into(),
            row.branch().into(),
            made.into(),
            row.remarks().into(),
        ]);
        table.note(text::safe(&row.path));
    }
    table
}
