//! The configuration of a run, from settings and flags; and a preview of what it would choose.

use std::time::Duration;

use super::observe;
use crate::base::Result;
use crate::coordinator::state::config::{Config, Receiver};
use crate::coordinator::state::input::{Action, Decision, Effect, Input, Skipped};
use crate::coordinator::state::store;
use crate::coordinator::step::step;
use crate::hub::Hub;
use crate::hub::settings::notify::Notify;
use crate::model::priority::Priority;
use crate::plans::reader::Reader;

/// The longest sleep; the safety poll is shorter.
pub const LONG: Duration = Duration::from_secs(600);

/// The options of this run, which override the settings.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub until_idle: bool,
    pub max_jobs: Option<u64>,
    /// Stop after this time, by the machine's clock, as the first Ctrl-C does.
    pub stop_after: Option<Duration>,
    /// Start only this work: a task, a plan or a step, by any of its names.
    pub only: Option<String>,
    pub concurrency: Option<usize>,
    /// Read the inbox, finish what is left, start nothing, exit.
    pub one_shot: bool,
}

/// The hub with the current settings on disk.
///
/// # Errors
/// When they cannot be read.
pub(super) fn read_again(hub: &Hub) -> Result<Hub> {
    let hub = Hub::find(Some(&hub.root), hub.clock)?;
    hub.settings()?;
    Ok(hub)
}

/// The configuration from settings and flags; `polls`: no change is noticed, so the safety poll comes often.
///
/// # Errors
/// When the settings cannot be read.
pub fn config(hub: &Hub, options: &Options, polls: bool) -> Result<Config> {
    let settings = hub.settings()?;
    let own = &settings.coordinator;
    let poll_max = if polls { own.poll_min } else { own.poll_max };
    let retries = (0..own.retries).map(|n| if n == 0 { own.retry_first } else { own.retry_later });
    Ok(Config {
        slots: options.concurrency.unwrap_or(own.concurrency).max(1),
        retry_after: retries.collect(),
        outage_first: own.retry_first.max(Duration::from_secs(1)),
        breaker_after: own.breaker_after.max(1),
        preemptions: own.preemptions,
        queue: own.queue,
        poll_min: own.poll_min.max(Duration::from_secs(1)),
        poll_max: poll_max.max(own.poll_min).max(Duration::from_secs(1)),
        commit_every: own.record.then_some(own.record_every),
        commit_at_end: hub.has_record_branch()?,
        review_commands: settings.review.commands,
        auto_merge: settings.review.auto.clone(),
        review_lease: settings.review.lease,
        day_tokens: settings.budget.day_tokens,
        day_cost: settings.budget.day_cost,
        quota_threshold: settings.budget.quota_threshold,
        quota_priority: Priority::text(&settings.budget.quota_priority),
        stop_within: own.stop_within,
        overlap: own.overlap,
        receivers: settings.notify.iter().map(receiver).collect(),
        one_shot: options.one_shot,
        until_idle: options.until_idle,
        max_jobs: options.max_jobs,
        only: options.only.clone(),
        ..Config::default()
    })
}

fn receiver(of: &Notify) -> Receiver {
    Receiver { name: of.label().to_owned(), on: of.on.clone(), repeat: of.repeat, per_hour: of.per_hour }
}

/// How often a preview waits for files that are being written.
const LOOKS: usize = 3;

/// What would be chosen now, and why the rest would not. Writes nothing.
pub fn preview(hub: &Hub, options: Options) -> Result<Preview> {
    let settings = hub.settings()?;
    let mut state = store::load(hub)?;
    // Running jobs do not matter here, only the choice.
    state.pending.clear();
    // A coordinator logs the same reasons once; a preview always shows them.
    state.last_nothing.clear();
    step(&mut state, Input::Started(config(hub, &options, false)?), hub.now());
    let mut plans = Reader::default();
    let mut snapshot = observe::observe(hub, &settings.coordinator.manager, &state, false, &mut plans)?.0;
    // Waits for files being written, as a coordinator does; reports those that keep changing.
    for _ in 0..LOOKS {
        let Some(at) = snapshot.again else { break };
        std::thread::sleep(at.since(hub.now()));
        snapshot = observe::observe(hub, &settings.coordinator.manager, &state, false, &mut plans)?.0;
    }
    let obstacle = snapshot.stop.take().or(snapshot.danger.take()).or(snapshot.no_choice.take());
    snapshot.seq = state.volatile.results;
    let offered: Vec<String> = snapshot.offers.iter().map(|offer| offer.task.clone()).collect();
    let effects = step(&mut state, Input::Snapshot(snapshot), hub.now());
    let decisions = effects.into_iter().filter_map(|effect| match effect {
        Effect::Do { action: Action::Decide(decision), .. } => Some(decision),
        _ => None,
    });
    let decisions: Vec<Decision> = decisions.collect();
    let is_decided = |task: &String| {
        let is_skipped = |one: &Decision| one.skipped.iter().any(|skipped| skipped.task == *task);
        decisions.iter().any(|one| one.task.as_ref() == Some(task) || is_skipped(one))
    };
    let uncounted = std::mem::take(&mut state.volatile.uncounted);
    let passed = std::mem::take(&mut state.volatile.passed).into_iter().chain(uncounted);
    let waiting: Vec<_> = passed.filter(|passed| offered.contains(&passed.task) && !is_decided(&passed.task)).collect();
    let is_waiting = |task: &String| waiting.iter().any(|passed| passed.task == *task);
    let no_slot = offered.iter().filter(|task| !is_decided(task) && !is_waiting(task)).cloned().collect();
    Ok(Preview { decisions, waiting, no_slot, obstacle })
}

/// What a coordinator would do.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Preview {
    pub decisions: Vec<Decision>,
    /// What waits for something else than a free worker.
    pub waiting: Vec<Skipped>,
    /// The tasks that wait until one of the workers is free.
    pub no_slot: Vec<String>,
    /// Why it would not run unattended.
    pub obstacle: Option<String>,
}
