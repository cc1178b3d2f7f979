//! The review queue: finished work that waits for a person's decision.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::cached::Cached;
use super::jobs::Job;
use crate::base::{Result, Stamp, text};
use crate::hub::{Hub, paths};
use crate::model::event::Severity;
use crate::review::Entry;
use crate::review::bundles;

/// The longest finding, in characters.
const FINDING: usize = 300;

/// Finished work, as its bundle describes it.
#[derive(Clone, Debug, Serialize)]
pub struct Reviewable {
    pub job: String,
    /// What people type: `j7`.
    pub short: String,
    pub run: String,
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
    pub title: String,
    /// The seat that did the work.
    pub seat: String,
    /// Since when it waits.
    pub since: Stamp,
    pub branch: String,
    pub target: String,
    /// The reviewed commit; an approval merges exactly this one.
    pub commit: String,
    /// It was tested, every test passed, and no finding needs a person.
    pub is_passing: bool,
    pub tests_passed: usize,
    pub tests: usize,
    pub files: usize,
    /// Lines.
    pub added: u64,
    pub removed: u64,
    pub high_findings: usize,
    pub other_findings: usize,
    /// The message of the gravest finding.
    pub finding: Option<String>,
    /// The coder's passes.
    pub passes: u32,
    pub tokens: u64,
    pub cost_usd: Option<f64>,
    /// How long its stages took together, in seconds.
    pub seconds: f64,
    /// The bundle, relative to the hub.
    pub bundle: String,
    /// Why the bundle is not trusted, if so.
    pub altered: Option<String>,
}

impl From<&Entry> for Reviewable {
    fn from(entry: &Entry) -> Reviewable {
        let bundle = &entry.bundle;
        let high = bundle.findings.iter().filter(|found| found.severity == Severity::High.as_str()).count();
        let gravest = bundle.findings.iter().find(|found| found.stops()).or(bundle.findings.first());
        Reviewable {
            job: bundle.job.clone(),
            short: bundle.short().into_owned(),
            run: bundle.run.clone(),
            task: bundle.task_id.clone(),
            plan: bundle.plan_id.clone(),
            step: bundle.step_id.clone(),
            title: text::safe(&bundle.goal.title),
            seat: bundle.agent_id.clone(),
            since: bundle.generated_at,
            branch: text::safe(&bundle.branch),
            target: text::safe(&bundle.target_branch),
            commit: bundle.commit.clone(),
            is_passing: bundle.is_passing() && entry.altered.is_none(),
            tests_passed: bundle.tests.iter().filter(|test| test.passed).count(),
            tests: bundle.tests.len(),
            files: bundle.diff.count(),
            added: bundle.diff.added,
            removed: bundle.diff.removed,
            high_findings: high,
            other_findings: bundle.findings.len() - high,
            finding: gravest.map(|found| text::clip(&text::safe(&found.message), FINDING)),
            passes: bundle.passes,
            tokens: bundle.usage.tokens(),
            cost_usd: bundle.usage.cost_usd,
            seconds: bundle.stages.iter().map(|stage| stage.duration_seconds).sum(),
            bundle: entry.path.clone(),
            altered: entry.altered.clone(),
        }
    }
}

impl Reviewable {
    /// `1 test passed`, as [`tested`].
    pub fn tests_said(&self) -> String {
        tested(self.tests_passed, self.tests)
    }

    pub fn findings(&self) -> usize {
        self.high_findings + self.other_findings
    }

    /// `no findings`, or how many there are and the gravest one.
    pub fn findings_said(&self) -> String {
        let counted = match (self.high_findings, self.findings()) {
            (high, all) if high > 0 && high == all => text::counted(all, "high finding"),
            (0, all) => text::counted(all, "finding"),
            (high, all) => format!("{}, {high} high", text::counted(all, "finding")),
        };
        match (&self.finding, self.findings()) {
            (_, 0) => "no findings".to_owned(),
            (Some(finding), _) => format!("{counted}: {finding}"),
            (None, _) => counted,
        }
    }
}

/// How the tests of a result ended: `1 test passed`, `1 of 2 tests failed`, `not tested`.
pub fn tested(passed: usize, all: usize) -> String {
    match all.saturating_sub(passed) {
        _ if all == 0 => "not tested".to_owned(),
        0 => format!("{} passed", text::counted(all, "test")),
        failed => format!("{failed} of {} failed", text::counted(all, "test")),
    }
}

/// The last files and jobs.
#[derive(Default)]
pub(super) struct Queue {
    bundles: Cached<Vec<Reviewable>>,
    shown: Arc<Vec<Reviewable>>,
}

impl Queue {
    /// The queue, and whether it changed. `jobs_changed`: one of the jobs may be over now, or merged.
    pub fn read(&mut self, hub: &Hub, jobs: &[Job], jobs_changed: bool) -> Result<(Arc<Vec<Reviewable>>, bool)> {
        let mut files = reviews(hub);
        files.push(hub.root.join(paths::LEDGER));
        let (pending, is_new) = self.bundles.get(&files, || {
            Ok(bundles::all(hub)?.iter().filter(|entry| entry.is_pending()).map(Reviewable::from).collect())
        })?;
        if is_new || jobs_changed {
            let is_given_up = |id: &str| jobs.iter().any(|job| job.id == id && job.is_over && !job.is_unmerged);
            let is_wanted = |one: &&Reviewable| !is_given_up(&one.job);
            self.shown = Arc::new(pending.iter().filter(is_wanted).cloned().collect());
        }
        Ok((Arc::clone(&self.shown), is_new || jobs_changed))
    }
}

/// The folders with bundles and decisions; files there are written once.
fn reviews(hub: &Hub) -> Vec<PathBuf> {
    super::cached::subfolders(&hub.root.join("_report/agent"), "reviews")
}
