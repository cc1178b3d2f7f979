//! Shows what a run would do. Writes nothing and starts nothing.

pub mod explain;

use std::fmt::Write as _;

use serde::Serialize;

use super::calls::{prompts, roles};
use super::run::incomplete;
use super::watch;
use super::work::{Given, Work};
use crate::base::time::show_span;
use crate::base::{Refusal, Result, text};
use crate::hub::{Hub, worktrees};
use crate::model::command::Command;
use crate::model::run::order::{ExpectedReceipt, Guardrails};
use crate::seats::freshness::{self, Freshness};
use explain::Role;

#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    pub order: String,
    pub version: u64,
    pub task_id: String,
    pub agent_id: String,
    pub title: String,
    pub objective: String,
    pub acceptance: Option<String>,
    pub commands: Vec<Command>,
    /// The rollback commands; only a person runs them.
    pub rollback: Vec<Command>,
    /// The agent stages and the agents or commands that run them.
    pub stages: Vec<Role>,
    pub expected_receipts: Vec<ExpectedReceipt>,
    pub guardrails: Guardrails,
    pub branch: String,
    pub base_commit: String,
    pub worktree: String,
    /// Commands that run once in a new worktree.
    pub setup: Vec<String>,
    pub job: String,
    pub epoch: u64,
    /// Why `--execute` would be refused now.
    pub obstacles: Vec<Obstacle>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Obstacle {
    pub code: String,
    pub message: String,
    pub next: Vec<String>,
}

/// Previews an order.
///
/// # Errors
/// When the order cannot be read; every other problem is an obstacle in the answer.
pub fn preview(hub: &Hub, path: &str, given: &Given) -> Result<Preview> {
    let work = Work::read(hub, path, given)?;
    let order = &work.order;
    Ok(Preview {
        order: work.path.clone(),
        version: work.version,
        task_id: order.task_id.clone(),
        agent_id: order.agent_id.clone(),
        title: order.goal.title.clone(),
        objective: order.goal.objective.clone(),
        acceptance: order.goal.acceptance.clone(),
        commands: order.commands.clone(),
        rollback: order.rollback.commands.clone(),
        stages: explain::roles(hub, order),
        expected_receipts: order.expected_receipts.clone(),
        guardrails: order.guardrails.clone(),
        branch: order.branch.clone(),
        base_commit: order.base_commit.clone(),
        worktree: worktrees::home(hub)?.join(work.job()).display().to_string(),
        setup: hub.settings()?.worktrees.setup.clone(),
        job: work.job().to_owned(),
        epoch: order.epoch,
        obstacles: obstacles(hub, &work)?,
    })
}

fn obstacles(hub: &Hub, work: &Work) -> Result<Vec<Obstacle>> {
    let mut found = Vec::new();
    let missing = work.order.missing();
    if !missing.is_empty() {
        found.push(obstacle(&incomplete(&missing, &work.path)));
    }
    if !work.order.stages.is_empty() {
        let order = &work.order;
        let templates = order.stages.iter().map(|role| prompts::template(hub, order, role).map(drop));
        for result in std::iter::once(roles::require(hub, order)).chain(templates) {
            if let Err(e) = result {
                found.push(Refusal::of(&e).map(obstacle).ok_or(e)?);
            }
        }
    } else if work.order.commands.is_empty() {
        found.push(obstacle(&Refusal::guard("order.nothing_to_run", "the order has no commands")));
    }
    if !matches!(freshness::check(hub, &work.order.agent_id, None)?, Freshness::Fresh { .. }) {
        let agent = &work.order.agent_id;
        let refusal = Refusal::guard("session.stale", format!("{agent} has no fresh session"));
        found.push(obstacle(&refusal.next(format!("teof session-boot --agent {agent}"))));
    }
    if let Err(e) = watch::own_claim(hub, work) {
        match Refusal::of(&e) {
            Some(refusal) => found.push(obstacle(refusal)),
            None => return Err(e),
        }
    }
    Ok(found)
}

fn obstacle(refusal: &Refusal) -> Obstacle {
    Obstacle { code: refusal.code.to_owned(), message: refusal.message.clone(), next: refusal.next.clone() }
}

impl Preview {
    pub fn describe(&self) -> String {
        let mut out = String::new();
        let mut line = |label: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(out, "{label:11} {}", text::safe(value));
            }
        };
        line("order", &format!("{} (version {})", self.order, self.version));
        line("task", &format!("{}: {}", self.task_id, self.title));
        line("objective", &self.objective);
        line("done when", self.acceptance.as_deref().unwrap_or_default());
        line("seat", &format!("{}, epoch {}", self.agent_id, self.epoch));
        line("branch", &format!("{} from {}", self.branch, self.base_commit));
        line("worktree", &self.worktree);
        line("set-up", &self.setup.join("; "));
        line("copied", &self.guardrails.copied.join(", "));
        for (i, command) in self.commands.iter().enumerate() {
            line(if i == 0 { "commands" } else { "" }, &format!("{}. {}", i + 1, described(command)));
        }
        for (i, command) in self.rollback.iter().enumerate() {
            line(if i == 0 { "rollback" } else { "" }, &format!("{}. {}", i + 1, described(command)));
        }
        for (i, role) in self.stages.iter().enumerate() {
            line(if i == 0 { "stages" } else { "" }, &role.describe());
        }
        let rules = &self.guardrails;
        line("diff limit", &text::counted(rules.diff_limit, "line"));
        line("tests", &rules.tests.join("; "));
        line("allowed", &rules.allowed.join(", "));
        line("denied", &rules.denied.join(", "));
        line("protected", &rules.protected.join(", "));
        line("limits", &format!("no output {}, total {}", show_span(rules.no_output), show_span(rules.wall)));
        for (i, receipt) in self.expected_receipts.iter().enumerate() {
            line(if i == 0 { "receipts" } else { "" }, &receipt.path);
        }
        for (i, obstacle) in self.obstacles.iter().enumerate() {
            line(if i == 0 { "obstacles" } else { "" }, &obstacle.message);
            obstacle.next.iter().for_each(|next| line("", &format!("  fix: {next}")));
        }
        out.push_str("dry run: nothing was written or started; add --execute to run it");
        out
    }
}

fn described(command: &Command) -> String {
    let line = command.to_string();
    let label = command.label.as_ref().filter(|label| **label != line).map(|label| format!("{label}: "));
    let wher = command.cwd.as_ref().map(|folder| format!(" (in {folder})")).unwrap_or_default();
    format!("{}{line}{wher}", label.unwrap_or_default())
}
