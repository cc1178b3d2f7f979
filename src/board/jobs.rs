//! The coordinator's jobs with what their workers publish.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::cached::{Cached, Version};
use super::runtime::Spent;
use crate::base::{Result, Stamp, files, text};
use crate::coordinator::executor::reviews;
use crate::coordinator::executor::workers::LOGS;
use crate::coordinator::pauses;
use crate::coordinator::state::{self, Ending, FILE, Phase, State, store};
use crate::hub::{Hub, paths};
use crate::model::run::live::Live;
use crate::model::run::noticed::{Errors, Noticed};
use crate::model::run::outcome::LastOutput;
use crate::sessions::{self, Mode, SessionRecord};

/// The longest reason, in characters.
const REASON: usize = 400;
/// After this many seconds without a sign of work, a running job is named.
const QUIET: u64 = 300;
/// The longest part of a question, in characters.
const ASKED: usize = 240;
/// What people see of a job that is done and whose work is not on the target.
pub const UNMERGED: &str = "not merged";
/// More than a live file has, in bytes.
const MAX_LIVE: u64 = 64 * 1024;

/// A job.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// The long id.
    pub id: String,
    /// What people type: `j7`.
    pub short: String,
    pub run: String,
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
    pub title: String,
    /// Where it came from: `submission`, `backlog`, `plan`, …
    pub source: String,
    pub seat: String,
    /// `chosen`, `given`, `ordered`, `running`, `retry_wait`, `held`, `question`, `review`, `reporting`, `done`,
    /// `blocked`, `cancelled` or `dropped`.
    pub phase: &'static str,
    /// The phase in words for people.
    pub label: &'static str,
    pub is_over: bool,
    /// A later job does the same task again.
    pub is_superseded: bool,
    /// It is done, and its work is not on the target: only the merge is left.
    pub is_unmerged: bool,
    /// How a person dismissed it while it was blocked: `rejected`, `skipped` or `closed`.
    pub dismissed: Option<&'static str>,
    /// Since when it runs, waits for a person or is over.
    pub since: Option<Stamp>,
    /// When it goes on by itself.
    pub until: Option<Stamp>,
    pub chosen_at: Stamp,
    /// How long its run lasts so far, in seconds; `None` unless it runs.
    pub elapsed_seconds: Option<u64>,
    /// The stage that runs: `planner`, `coder`, `tester`, `reviewer` or `commands`.
    pub stage: Option<String>,
    /// From 1.
    pub round: Option<u32>,
    pub stage_since: Option<Stamp>,
    /// The stages of its pipeline need agents; otherwise it runs commands.
    pub has_agents: bool,
    /// The agent program that works now.
    pub agent: Option<String>,
    pub last_tool: Option<String>,
    pub last_line: Option<String>,
    /// When its agent or worker last did something.
    pub last_at: Option<Stamp>,
    /// Used by all its runs so far.
    pub tokens: u64,
    pub cost_usd: Option<f64>,
    /// Used by its current run, and not yet counted by the coordinator.
    pub uncounted: Spent,
    /// The coder's passes so far, and how many are allowed.
    pub passes: u32,
    pub max_passes: u32,
    /// Failures and time-outs so far.
    pub failures: u32,
    /// Why it is blocked, waits or was stopped.
    pub reason: Option<String>,
    /// The reason is a hold on its task, or that there may be one.
    pub is_held: bool,
    /// What its agent asks; may have several lines.
    pub question: Option<String>,
    /// The last output of what made it fail.
    pub last_output: Option<LastOutput>,
    pub pull_request: Option<u64>,
    /// The review bundle, relative to the hub.
    pub bundle: Option<String>,
    /// The last commit of its work.
    pub commit: Option<String>,
    /// The work order, relative to the hub.
    pub order: Option<String>,
    /// The log of its worker.
    pub log: PathBuf,
    /// The command that a person needs next, if any.
    pub next: Option<String>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// What its agent does: how often this call used each tool, its errors, and what was noticed last.
    pub tools: BTreeMap<String, u64>,
    pub errors: Errors,
    pub noticed: Vec<Noticed>,
    /// Notes reach its agent while it works.
    pub takes_notes: bool,
}

impl Job {
    /// Seconds since its agent or worker last did something; `None` unless it runs.
    pub fn quiet_seconds(&self, now: Stamp) -> Option<u64> {
        self.elapsed_seconds?;
        Some(now.since(self.last_at?).as_secs())
    }

    /// The same, once it is so long that a person should look.
    pub fn stuck_seconds(&self, now: Stamp) -> Option<u64> {
        self.quiet_seconds(now).filter(|quiet| *quiet >= QUIET)
    }

    /// What it asks, and the sentence before it, which says what it is about.
    pub fn asked(&self) -> Option<String> {
        self.question.as_deref().map(last_sentences)
    }

    /// Whether it is blocked and waits for a person.
    pub fn is_blocked(&self) -> bool {
        self.phase == "blocked" && !self.is_superseded && self.dismissed.is_none()
    }

    pub fn is_running(&self) -> bool {
        self.phase == "running"
    }

    /// Whether words of a person reach its agent: it asks, works, or is called again.
    pub fn can_be_told(&self) -> bool {
        matches!(self.phase, "question" | "running" | "retry_wait" | "held")
    }

    /// Whether its result waits for a person.
    pub fn needs_review(&self) -> bool {
        self.phase == "review" || self.is_unmerged
    }

    /// Whether the coder can be given its result again; an end stands.
    pub fn can_go_on(&self) -> bool {
        !self.is_over && self.phase != "reporting"
    }

    fn of(hub: &Hub, state: &State, job: &state::Job, live: Option<&Live>, is_unmerged: bool) -> Job {
        let (since, until) = match &job.phase {
            Phase::Running { since } | Phase::Question { since } | Phase::Review { since } => (Some(*since), None),
            Phase::Over { at, .. } => (Some(*at), None),
            // A time that has passed says only that nothing continues it yet.
            Phase::Waiting { until } => (None, Some(*until).filter(|until| *until > hub.now())),
            _ => (None, None),
        };
        let started = match &job.phase {
            Phase::Running { since } => Some(*since),
            _ => None,
        };
        let last = job.last.as_ref();
        let held = pauses::of_job(hub, job);
        let is_held = held.is_some();
        let reason = held.or_else(|| job.reason()).map(|reason| text::clip(&text::safe(&reason), REASON));
        let run = job.run_id();
        let dismissed = reviews::dismissed(hub, state, job);
        let uncounted = live.map(|live| uncounted(job, live)).unwrap_or_default();
        let used = Spent::from(job.used()).plus(uncounted);
        Job {
            id: job.id.clone(),
            short: job.short(),
            task: job.task.clone(),
            plan: job.plan.clone(),
            step: job.step.clone(),
            title: text::safe(&job.title),
            source: job.source.clone(),
            seat: job.seat.clone(),
            phase: job.phase.name(),
            label: if is_unmerged { UNMERGED } else { dismissed.unwrap_or(job.label()) },
            is_over: job.is_over(),
            is_superseded: job.is_over() && state.is_superseded(job),
            is_unmerged,
            dismissed,
            since,
            until,
            chosen_at: job.chosen_at,
            elapsed_seconds: started.map(|since| hub.now().since(since).as_secs()),
            stage: live.and_then(|live| live.stage.clone()),
            round: live.and_then(|live| live.round),
            stage_since: live.and_then(|live| live.stage_since),
            has_agents: job.work.staged,
            agent: live.and_then(|live| live.agent.clone()),
            last_tool: live.and_then(|live| live.last_tool.clone()),
            last_line: live.and_then(|live| live.last_line.clone()),
            last_at: live.and_then(|live| live.last_at),
            tokens: used.tokens,
            cost_usd: used.cost_usd,
            uncounted,
            passes: last.map_or(0, |last| last.passes),
            max_passes: job.work.passes,
            failures: job.failures,
            reason,
            is_held,
            question: last.and_then(|last| last.question.as_deref()).map(text::safe_block),
            last_output: last.and_then(|last| last.output.clone()),
            pull_request: job.pull_request,
            bundle: last.and_then(|last| last.bundle.clone()),
            commit: job.commit().map(str::to_owned),
            order: job.order.clone(),
            log: hub.local(&format!("{LOGS}/{run}.log")),
            next: next(job, is_unmerged),
            paused_by: job.paused.as_ref().map(|word| word.by.clone()),
            tools: live.map(|live| live.tools.clone()).unwrap_or_default(),
            errors: live.map(|live| live.errors).unwrap_or_default(),
            noticed: live.map(|live| live.noticed.clone()).unwrap_or_default(),
            takes_notes: live.is_some_and(|live| live.takes_notes),
            run,
        }
    }
}

/// The last two sentences; the last one alone where both are long.
fn last_sentences(question: &str) -> String {
    let words: Vec<&str> = question.split_whitespace().collect();
    let ends = words.iter().enumerate().filter(|(_, word)| word.ends_with(['.', '?', '!']));
    let mut starts: Vec<usize> = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
    starts.retain(|start| *start < words.len());
    let from = |back: usize| words[starts.len().checked_sub(back).map_or(0, |at| starts[at])..].join(" ");
    let both = from(2);
    if both.chars().count() > ASKED { text::clip(&from(1), ASKED) } else { both }
}

/// As the coordinator has it for the day's budget.
fn uncounted(job: &state::Job, live: &Live) -> Spent {
    let counted = job.counted;
    Spent {
        tokens: live.run_tokens.saturating_sub(counted.tokens()),
        cost_usd: live.run_cost_usd.map(|cost| (cost - counted.cost_usd.unwrap_or(0.0)).max(0.0)),
    }
}

/// The command that a person needs next.
fn next(job: &state::Job, is_unmerged: bool) -> Option<String> {
    let short = job.short();
    match &job.phase {
        phase if is_unmerged || matches!(phase, Phase::Review { .. }) => Some(format!("teof review {short}")),
        Phase::Question { .. } => Some(format!("teof coordinator answer {short} \"...\"")),
        Phase::Held if job.paused.is_some() => Some(format!("teof coordinator resume {short}")),
        Phase::Over { ending: Ending::Blocked, .. } => Some(format!("teof logs {short}")),
        _ => None,
    }
}

/// What a run publishes: its file, and the record of the session that the file names.
#[derive(Default)]
struct Published {
    versions: (Option<Version>, Option<Version>),
    own: Option<Live>,
    /// With what the session says.
    live: Option<Live>,
}

impl Published {
    /// Whether what it says changed.
    fn read(&mut self, hub: &Hub, run: &str) -> bool {
        let path = hub.local(&paths::live(run));
        let own = Version::of(&path);
        if own != self.versions.0 || own.is_none() {
            let bytes = own.and_then(|_| files::read(&path, MAX_LIVE).ok().flatten());
            self.own = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        }
        let session = self.own.as_ref().and_then(|own| own.session.as_deref());
        let versions = (own, session.and_then(Version::of));
        if versions == self.versions {
            return false;
        }
        let record = session.and_then(|path| sessions::read_record(path).ok().flatten());
        self.live = self.own.clone().map(|own| match record {
            Some(record) => with_session(own, record),
            None => own,
        });
        self.versions = versions;
        true
    }
}

/// What a run does, seen through the session that it runs.
fn with_session(mut live: Live, record: SessionRecord) -> Live {
    live.agent = record.program.filter(|_| record.mode != Mode::Process).or(live.agent);
    if record.mode != Mode::Process {
        live.tools = record.tools;
    }
    live.last_tool = record.last_tool.or(live.last_tool);
    live.last_line = record.last_message.or(live.last_line);
    live.last_at = record.last_activity.max(live.last_at);
    live
}

/// Reads the coordinator's state and the live files of running jobs.
#[derive(Default)]
pub(super) struct Jobs {
    state: Cached<State>,
    live: HashMap<String, Published>,
    /// The jobs that are done and whose work is not on the target, by their ids.
    unmerged: Cached<HashSet<String>>,
}

/// What changed since the jobs were read before, besides the state.
pub(super) struct Changed {
    /// What a worker publishes.
    pub live: bool,
    /// Which results are on the target.
    pub merges: bool,
}

impl Jobs {
    /// The state of the coordinator, and whether it changed.
    pub fn state(&mut self, hub: &Hub) -> Result<(Arc<State>, bool)> {
        self.state.get([&hub.local(FILE)], || store::load(hub))
    }

    /// The state as read last; empty before.
    pub fn last_state(&self) -> Arc<State> {
        self.state.last().unwrap_or_default()
    }

    /// All jobs, and what changed.
    pub fn read(&mut self, hub: &Hub, state: &State) -> (Vec<Job>, Changed) {
        let (unmerged, merges) = self.unmerged(hub, state);
        let is_unmerged = |job: &state::Job| unmerged.contains(&job.id);
        let mut is_changed = false;
        let running = state.jobs.iter().filter(|job| matches!(job.phase, Phase::Running { .. }));
        let runs: Vec<String> = running.map(state::Job::run_id).collect();
        self.live.retain(|run, _| runs.contains(run));
        for run in runs {
            let published = self.live.entry(run.clone()).or_default();
            is_changed |= published.read(hub, &run);
        }
        let live = |job: &state::Job| self.live.get(&job.run_id()).and_then(|published| published.live.as_ref());
        let over = state.jobs.iter().filter(|job| job.is_over());
        let mut over: Vec<_> = over.map(|job| Job::of(hub, state, job, None, is_unmerged(job))).collect();
        over.sort_by_key(|job| std::cmp::Reverse(job.since));
        let mut jobs: Vec<_> = state.live_jobs().map(|job| Job::of(hub, state, job, live(job), false)).collect();
        jobs.extend(over);
        (jobs, Changed { live: is_changed, merges })
    }

    /// Results that only a merge is left of, and whether they were looked for again: whenever a job, a decision or the
    /// target changed.
    fn unmerged(&mut self, hub: &Hub, state: &State) -> (Arc<HashSet<String>>, bool) {
        if !state.jobs.iter().any(reviews::may_be_unmerged) {
            self.unmerged = Cached::default();
            return Default::default();
        }
        let mut files = super::cached::subfolders(&hub.root.join("_report/agent"), "reviews");
        let target = hub.target().ok().flatten().unwrap_or_default();
        files.extend([hub.local(FILE), hub.root.join(paths::LEDGER), hub.common_dir.join("packed-refs")]);
        files.push(hub.common_dir.join("refs/heads").join(target));
        let found = self
            .unmerged
            .get(&files, || Ok(reviews::unmerged(hub, state)?.into_iter().map(|entry| entry.bundle.job).collect()));
        found.inspect_err(|e| tracing::debug!("cannot tell what is merged: {e:#}")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::last_sentences;

    #[test]
    fn a_question_is_shown_with_the_sentence_before_it() {
        let asked = "I looked.\n\nExports have 2026-03-01, invoices 01/03/2026.\nWhich one\nis right?\n";
        assert_eq!(last_sentences(asked), "Exports have 2026-03-01, invoices 01/03/2026. Which one is right?");
        assert_eq!(last_sentences(&format!("{}. Which one?", "long ".repeat(60))), "Which one?");
        assert_eq!(["", "Which one", "Which one?"].map(last_sentences), ["", "Which one", "Which one?"]);
    }
}
