//! The report of a run while it runs, and the envelope (the run's receipt) built from it.

use serde_json::{Map, Value, json};

use super::envelope::{
    self, Commits, DiffReport, Envelope, OrderUsed, PlanUpdate, RecordedReceipt, Rounds, ScanCounts, SetupCache,
    StageReport,
};
use super::evidence::Evidence;
use crate::base::{Result, Stamp};
use crate::foreman::results::command_result::CommandResult;
use crate::foreman::routines::Round;
use crate::foreman::sandbox::{LimitReport, SandboxReport};
use crate::foreman::watch::Halt;
use crate::foreman::work::Work;
use crate::guard::{secrets, sentinels};
use crate::hub::worktrees::Place;
use crate::model::agent::{AgentSession, Quotas, Usage};
use crate::model::run::bundle::File;
use crate::model::run::noticed::Noticed;
use crate::model::run::outcome::{Finding, LastOutput, Outcome, Suspended, Verdict};
use crate::model::run::stage::CODER;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct End {
    pub verdict: Verdict,
    /// One line for people.
    pub reason: String,
}

impl End {
    pub fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        // The reason goes into events and logs and may contain text chosen by an agent.
        Self { verdict, reason: secrets::redact(&reason.into()) }
    }
}

impl From<Halt> for End {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Paused(why) => End::new(Verdict::Paused, why),
            Halt::Lost(why) => End::new(Verdict::Blocked, format!("lost the task: {why}")),
        }
    }
}

/// The finding without secrets, also in its file name.
fn shown(found: &Finding) -> Finding {
    let path = found.path.as_deref().map(secrets::redact);
    Finding { path, message: secrets::redact(&found.message), ..found.clone() }
}

/// Everything that a run reports.
#[derive(Debug)]
pub struct Report<'a> {
    pub work: &'a Work,
    pub run: String,
    pub started_at: Stamp,
    pub place: Option<Place>,
    pub before: Option<Round>,
    pub after: Option<Round>,
    /// The results of a new worktree's set-up commands.
    pub setup: Vec<CommandResult>,
    pub setup_cache: Option<SetupCache>,
    /// What `.worktreeinclude` brought; names only.
    pub included: Vec<String>,
    pub stages: Vec<StageReport>,
    pub tests: Vec<CommandResult>,
    pub diff: Option<DiffReport>,
    pub findings: Vec<Finding>,
    /// The guards' findings of the last check; added to the findings at the end.
    pub guards: Vec<Finding>,
    /// The files that the result changes.
    pub files: Vec<File>,
    /// How many more files changed than are listed.
    pub more_files: usize,
    /// The coder's passes, and what this run's agents used.
    pub passes: u32,
    /// What this run used, including pauses and restarts.
    pub usage: Usage,
    /// What the job used in all its runs.
    pub spent: Usage,
    pub suspended: Option<Suspended>,
    /// What agents said of their accounts' limits.
    pub quotas: Quotas,
    /// An agent cannot work until a person acts.
    pub needs_person: bool,
    /// What a rule of the monitor pauses the job for, at the end of the stage.
    pub monitor_pause: Option<Noticed>,
    /// The question that an agent waits on.
    pub question: Option<String>,
    /// The last lines of what made it fail; set when the run ends.
    pub last_output: Option<LastOutput>,
    /// The review bundle, once written.
    pub bundle: Option<String>,
    /// The evidence; it enters the record with the envelope.
    pub evidence: Evidence,
    /// The receipts that are in the record.
    pub receipts: Vec<RecordedReceipt>,
    /// Paths owned by teof that the worker changed in its worktree and that were restored.
    pub restored: Vec<String>,
    /// Refs that keep work which is not part of the result.
    pub kept_refs: Vec<String>,
    /// The path of the raw output on this machine.
    pub session: String,
    /// What the kernel confined; `None` when nothing started.
    pub sandbox: Option<SandboxReport>,
    /// What the run's programs may use, and what enforces that.
    pub limits: Vec<LimitReport>,
}

impl<'a> Report<'a> {
    pub fn new(work: &'a Work, run: &str, started_at: Stamp) -> Self {
        Self {
            work,
            run: run.to_owned(),
            started_at,
            place: None,
            before: None,
            after: None,
            setup: Vec::new(),
            setup_cache: None,
            included: Vec::new(),
            stages: Vec::new(),
            tests: Vec::new(),
            diff: None,
            findings: Vec::new(),
            guards: Vec::new(),
            files: Vec::new(),
            more_files: 0,
            passes: 0,
            usage: Usage::default(),
            spent: Usage::default(),
            suspended: None,
            quotas: Quotas::default(),
            needs_person: false,
            monitor_pause: None,
            question: None,
            last_output: None,
            bundle: None,
            evidence: Evidence::default(),
            receipts: Vec::new(),
            restored: Vec::new(),
            kept_refs: Vec::new(),
            session: String::new(),
            sandbox: None,
            limits: Vec::new(),
        }
    }

    /// The worktree where the work is done.
    ///
    /// # Errors
    /// When the worktree does not exist yet.
    pub fn place(&self) -> Result<&Place> {
        self.place.as_ref().ok_or_else(|| anyhow::anyhow!("the run has no worktree yet"))
    }

    /// Whether agents do the work.
    pub fn by_agents(&self) -> bool {
        !self.work.order.stages.is_empty()
    }

    /// Whether a command or agent has started, so that there is something to show.
    pub fn has_begun(&self) -> bool {
        self.place.is_some()
    }

    /// The last commit of the job's work, once a stage has ended; the base when nothing changed.
    pub fn commit(&self) -> Option<String> {
        Some(self.place.as_ref()?.checkpoints.last()?.commit.to_string())
    }

    pub fn branch(&self) -> &str {
        self.place.as_ref().map_or(&self.work.order.branch, |place| &place.branch)
    }

    /// The envelope. `now` is when the run ended.
    pub fn envelope(&self, end: &End, now: Stamp) -> Map<String, Value> {
        let order = &self.work.order;
        let place = self.place.as_ref();
        let mut document = json!(Envelope {
            version: envelope::VERSION,
            generated_at: now,
            agent_id: &order.agent_id,
            manager_agent: &order.manager_agent,
            run: &self.run,
            job: order.job.as_deref(),
            task_id: &order.task_id,
            plan_id: order.plan_id.as_deref(),
            step_id: order.step_id.as_deref(),
            layer: order.goal.layer.as_deref(),
            systemic_targets: &order.goal.systemic_targets,
            order: OrderUsed { path: &self.work.path, version: self.work.version, sha256: &self.work.sha256 },
            epoch: order.epoch,
            verdict: end.verdict,
            reason: &end.reason,
            started_at: self.started_at,
            finished_at: now,
            git: Commits {
                branch: self.branch(),
                base: place.map(|place| place.base.to_string()),
                commit: self.commit(),
                worktree: place.map(|place| place.root.display().to_string()),
                kept: &self.kept_refs,
            },
            setup: &self.setup,
            setup_cache: self.setup_cache.as_ref(),
            included: &self.included,
            stages: &self.stages,
            tests: &self.tests,
            diff: self.diff.as_ref(),
            plan_updates: self.plan_updates(end),
            routines: Rounds { before: self.before.as_ref(), after: self.after.as_ref() },
            scan: self.scan(),
            restored: &self.restored,
            receipts: &self.receipts,
            findings: &self.findings,
            rounds: self.passes,
            usage: self.usage,
            tokens: self.by_agents().then(|| self.usage.tokens()),
            cost: self.usage.cost_usd,
            suspended: self.suspended.as_ref(),
            question: self.question.as_deref(),
            last_output: self.last_output.as_ref(),
            bundle: self.bundle.as_deref(),
            sandbox: self.sandbox.as_ref(),
            limits: &self.limits,
            raw_output: &self.session,
        });
        // An agent may have chosen parts of it, such as file names.
        secrets::redact_json(&mut document);
        match document {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    pub fn outcome(&self, end: &End, envelope: Option<String>, now: Stamp) -> Outcome {
        let order = &self.work.order;
        Outcome {
            run: self.run.clone(),
            job: order.job.clone(),
            task_id: order.task_id.clone(),
            agent_id: order.agent_id.clone(),
            verdict: end.verdict,
            reason: end.reason.clone(),
            findings: self.findings.iter().map(shown).collect(),
            scan: self.new_findings().iter().map(shown).collect(),
            branch: self.branch().to_owned(),
            commit: self.commit(),
            bundle: self.bundle.clone(),
            usage: self.usage,
            passes: self.passes,
            session: self.coders_session(),
            suspended: self.suspended.clone(),
            quotas: self.quotas.clone(),
            needs_person: self.needs_person,
            last_output: self.last_output.clone(),
            question: self.question.clone(),
            receipts: self
                .receipts
                .iter()
                .map(|entered| entered.path.clone())
                .chain(self.bundle.clone())
                .chain(envelope.clone())
                .collect(),
            envelope,
            started_at: self.started_at,
            finished_at: now,
        }
    }

    /// The session of the coder's last pass.
    fn coders_session(&self) -> Option<AgentSession> {
        let last = self.stages.iter().rev().find(|stage| stage.name == CODER)?;
        Some(AgentSession {
            agent: last.agent.clone()?,
            id: last.session.clone()?,
            worktree: self.place.as_ref()?.root.display().to_string(),
            usage: last.session_usage,
        })
    }

    fn plan_updates(&self, end: &End) -> Vec<PlanUpdate<'_>> {
        let (Some(plan_id), Some(step_id)) = (&self.work.order.plan_id, &self.work.order.step_id) else {
            return Vec::new();
        };
        let proposed_status = match end.verdict {
            Verdict::Succeeded => "done",
            Verdict::Blocked => "blocked",
            _ => "in_progress",
        };
        vec![PlanUpdate { plan_id, step_id, proposed_status }]
    }

    fn scan(&self) -> ScanCounts {
        let count = |round: &Option<Round>| round.as_ref().map(|round| round.scan.len());
        ScanCounts { before: count(&self.before), after: count(&self.after), new: self.new_findings() }
    }

    /// Findings of the scan after the work that the scan before it did not have.
    pub fn new_findings(&self) -> Vec<Finding> {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                sentinels::new_since(&before.scan, &after.scan).into_iter().cloned().collect()
            }
            _ => Vec::new(),
        }
    }
}
