//! Reads a work order of either version as the work of one worker.
//!
//! Version 2 is complete. The fields that version 1 (the playbook's manifest) lacks are derived only here;
//! `docs/work-orders.md` lists them.

use std::path::Path;

use crate::base::{Refusal, Result, digest, files, names};
use crate::bus::claims;
use crate::hub::Hub;
use crate::model::claim::default_branch;
use crate::model::command::{Command, Program};
use crate::model::run::job_name;
use crate::model::run::order::{Goal, Order, OrderFile, OrderV1, Rollback};
use crate::model::run::outcome::Finding;
use crate::receipts::seal;

/// A complete order, with what the caller adds.
#[derive(Clone, Debug)]
pub struct Work {
    pub order: Order,
    /// See [`Work::job`].
    known_as: String,
    /// Relative to the hub when it is inside it.
    pub path: String,
    /// Of the order's bytes.
    pub sha256: String,
    /// The version that was read.
    pub version: u64,
    /// Whether the order names the claim's epoch; otherwise any epoch of the seat's claim is accepted.
    pub fenced: bool,
    /// Whether to scan before and after the work: the playbook's `run_scan_before`, `run_scan_after`.
    pub scan_before: bool,
    pub scan_after: bool,
}

/// Values that a version 1 order lacks and the caller may give.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub agent: Option<String>,
    pub task: Option<String>,
}

impl Work {
    /// Reads an order; `path` is relative to the current folder or to the hub.
    ///
    /// # Errors
    /// When it is missing, damaged or altered after it was hashed, or when its labels or folders could leave the
    /// worktree.
    pub fn read(hub: &Hub, path: &str, given: &Given) -> Result<Work> {
        let (shown, bytes) = find(hub, path)?;
        if seal::check(&bytes) == seal::Seal::Wrong {
            return Err(Refusal::guard("order.altered", format!("{shown} was changed after it was written"))
                .because("its receipt_sha256 does not match its content")
                .next("assign the work again to get a new order; nothing was run")
                .into());
        }
        let sha256 = digest::sha256(&bytes);
        let work = match OrderFile::parse(&bytes, Path::new(&shown))? {
            OrderFile::V2(order) => Work {
                known_as: known_as(&order),
                order: *order,
                path: shown,
                sha256,
                version: 2,
                fenced: true,
                scan_before: true,
                scan_after: true,
            },
            OrderFile::V1(old) => {
                let scan = |key: &str| old.guardrails.get(key).copied().unwrap_or(true);
                let (scan_before, scan_after) = (scan("run_scan_before"), scan("run_scan_after"));
                let order = derive(hub, *old, given, &sha256)?;
                let known_as = known_as(&order);
                Work { order, known_as, path: shown, sha256, version: 1, fenced: false, scan_before, scan_after }
            }
        };
        work.check()?;
        Ok(work)
    }

    /// The name of this work in commits, worktree and evidence: the job, `<job>-r<n>` after it was sent back n times,
    /// or the order itself. Work that was sent back starts on another base: its changes are ported, and none of its
    /// checkpoints counts as done.
    pub fn job(&self) -> &str {
        &self.known_as
    }

    /// The earlier names of the work before it was sent back, newest first; its worktree is used again.
    pub fn known_before(&self) -> Vec<String> {
        let (Some(job), Some(rework)) = (&self.order.job, &self.order.rework) else { return Vec::new() };
        let earlier = (1..rework.nth).rev().map(|nth| format!("{job}-r{nth}"));
        earlier.chain([job.clone()]).collect()
    }

    /// The findings for which the work was sent back, without what people said: every prompt quotes that.
    pub fn sent_back(&self) -> Vec<Finding> {
        let found = self.order.rework.iter().flat_map(|rework| &rework.findings);
        let is_said = |found: &&Finding| self.order.said_before.iter().any(|said| said.message == found.message);
        found.filter(|found| !is_said(found)).cloned().collect()
    }

    /// The command that shows what was printed; for an order without a job, where its output is.
    pub fn logs(&self) -> String {
        match &self.order.job {
            Some(job) => format!("teof logs {}", job_name::short(job)),
            None => "its files are named in the envelope".to_owned(),
        }
    }

    fn check(&self) -> Result<()> {
        names::check_id("task", &self.order.task_id)?;
        names::check_id("agent", &self.order.agent_id)?;
        names::check_id("job", self.job())?;
        for stage in &self.order.stages {
            names::check_id("stage", stage)?;
        }
        for command in &self.order.commands {
            if let Some(folder) = &command.cwd {
                // Checks the form only; links on the path are checked when it is used.
                files::within(Path::new("/nonexistent"), folder)?;
            }
        }
        Ok(())
    }
}

fn known_as(order: &Order) -> String {
    match (&order.job, &order.rework) {
        (Some(job), Some(rework)) => format!("{job}-r{}", rework.nth),
        (Some(job), None) => job.clone(),
        (None, _) => order.order.clone(),
    }
}

fn find(hub: &Hub, path: &str) -> Result<(String, Vec<u8>)> {
    for candidate in [Path::new(path).to_owned(), hub.root.join(path)] {
        if let Some(bytes) = files::read(&candidate, files::MAX_DOCUMENT)? {
            let full = candidate.canonicalize().unwrap_or(candidate);
            let shown = full.strip_prefix(&hub.root).unwrap_or(&full);
            return Ok((shown.display().to_string(), bytes));
        }
    }
    Err(Refusal::not_found("order.missing", format!("no such work order: {path}"))
        .next("look in _report/agent/<manager>/manifests/")
        .into())
}

/// Version 1 as version 2.
fn derive(hub: &Hub, old: OrderV1, given: &Given, sha256: &str) -> Result<Order> {
    let agent = given.agent.clone().ok_or_else(|| {
        Refusal::usage("order.no_seat", "this version 1 order names no seat")
            .next("name it: teof foreman run <order> --agent <seat>")
    })?;
    let task = given.task.clone().unwrap_or_else(|| format!("{}-{}", old.plan_id, old.step_id));
    names::check_id("task", &task)?;
    let claim = claims::load(hub, &task)?.map(|found| found.file);
    let branch = claim.as_ref().and_then(|claim| claim.branch()).map(str::to_owned);
    let settings = hub.settings()?;
    let base = hub.git().run(&["rev-parse", "--verify", "HEAD^{commit}"])?;
    let expected: Vec<&str> =
        old.expected_receipts.iter().map(|r| r.description.as_deref().unwrap_or(&r.path)).collect();
    Ok(Order {
        version: 1,
        order: format!("order-{}", &sha256[..12]),
        generated_at: hub.now(),
        manager_agent: old.manager_agent,
        agent_id: agent.clone(),
        job: None,
        branch: branch.unwrap_or_else(|| default_branch(&agent, &task)),
        epoch: claim.map_or(0, |claim| claim.epoch()),
        task_id: task,
        plan_id: Some(old.plan_id),
        step_id: Some(old.step_id),
        goal: Goal {
            title: old.step_title.clone(),
            objective: [old.plan_summary, old.step_title].join(": ").trim_matches([':', ' ']).to_owned(),
            acceptance: (!expected.is_empty()).then(|| format!("these files exist: {}", expected.join(", "))),
            layer: old.layer_targets.first().cloned(),
            systemic_targets: old.systemic_targets,
            ..Goal::default()
        },
        notes: old.step_notes,
        commands: old.commands.into_iter().map(our_own).collect(),
        expected_receipts: old.expected_receipts,
        rollback: Rollback { base_commit: base.clone(), commands: Vec::new() },
        base_commit: base,
        target_branch: hub.branch().unwrap_or_default(),
        guardrails: settings.guardrails(),
        stages: Vec::new(),
        roles: Default::default(),
        reviewer: None,
        passes: settings.pipeline.passes,
        budget: Default::default(),
        rework: None,
        said_before: Vec::new(),
    })
}

/// Replaces the playbook's `python3 -m teof.cli …` with this binary.
fn our_own(mut command: Command) -> Command {
    if let Program::Argv(argv) = &command.program
        && let [python, flag, module, rest @ ..] = argv.as_slice()
        && python.starts_with("python")
        && flag == "-m"
        && matches!(module.as_str(), "teof.cli" | "teof")
        && let Ok(own) = std::env::current_exe()
    {
        let own = own.to_string_lossy().into_owned();
        command.program = Program::Argv(std::iter::once(own).chain(rest.iter().cloned()).collect());
    }
    command
}
