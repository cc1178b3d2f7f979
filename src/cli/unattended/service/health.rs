//! `teof service health`

use std::process::ExitCode;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::definition::Kind;
use super::install;
use crate::base::time::duration;
use crate::base::{Result, Stamp, text};
use crate::board::{Parts, Reader, Snapshot};
use crate::cli::App;
use crate::cli::support::plain;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table};
use crate::coordinator::notifications;
use crate::coordinator::process;
use crate::coordinator::process::service::facts::{self, Facts};
use crate::hub::Hub;
use crate::ops::doctor::room::{self, Room};

/// A loop that has nothing to do still wakes more often than this.
const OVERSLEPT: Duration = Duration::from_secs(180);
/// How long a clock jump is reported.
const RECENT: Duration = Duration::from_secs(24 * 3600);

/// Check that the coordinator works: its loop, its agents, the machine
///
/// Exit code 1 when something is wrong; a note does not count. For monitoring: `teof service health --json`.
///
/// With --json: {ok, running, pid, started_at, last_wake, supervised, checks: [{check, state, message, fix}], agents:
/// [{job, task, stage, agent, last_output, quiet_seconds}], disks: [{folder, free, files}]}; `state` is ok, note or
/// wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof service health\n\
\x20 teof service health --json")]
pub struct Args {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Something that a person may want to know.
    Note,
    Wrong,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    /// `loop`, `wake`, `agents`, `disk`, `clock`, `watcher`, `settings`, `breaker` or `notify`.
    check: &'static str,
    state: State,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// An agent or a command that runs.
#[derive(Debug, Serialize, JsonSchema)]
struct Running {
    /// `j7`
    job: String,
    task: String,
    stage: Option<String>,
    agent: Option<String>,
    last_output: Option<Stamp>,
    quiet_seconds: Option<u64>,
}

/// What `teof service health --json` prints. Keys are added, never renamed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document {
    ok: bool,
    running: bool,
    pid: Option<i32>,
    started_at: Option<Stamp>,
    last_wake: Option<Stamp>,
    /// A service manager is told how it is.
    supervised: bool,
    checks: Vec<Check>,
    agents: Vec<Running>,
    disks: Vec<Room>,
}

pub fn run(_: &Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let mut document = examine(hub)?;
    if !document.running {
        let fix = match Kind::installed(app) {
            Some(definition) => format!("start it: {}", install::start(&definition)),
            None => "start it: teof run; or let the machine start it: teof service install --user".to_owned(),
        };
        document.checks[0].fix = Some(fix);
    }
    app.result(&document, || render(&document));
    Ok(if document.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ok(check: &'static str, message: impl Into<String>) -> Check {
    Check { check, state: State::Ok, message: message.into(), fix: None }
}

fn bad(check: &'static str, state: State, message: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { check, state, message: message.into(), fix: Some(fix.into()) }
}

fn examine(hub: &Hub) -> Result<Document> {
    let board = Reader::new().read(hub, Parts::JOBS)?;
    let facts = facts::read(hub)?;
    let last_wake = process::last_wake(hub)?;
    let disks = room::measure(hub)?;
    let agents: Vec<Running> = running(hub, &board).collect();
    let mut checks = vec![the_loop(hub, &board, facts.as_ref())?];
    checks.extend(last_wake.map(|at| wake(hub.now(), at)));
    checks.push(responsive(hub, &board, &agents)?);
    checks.push(disk(hub, &disks)?);
    checks.extend(facts.iter().flat_map(|facts| [clock(hub.now(), facts), watcher(facts), settings(facts)]));
    checks.push(breaker(&board));
    checks.extend(receivers(hub)?);
    Ok(Document {
        ok: checks.iter().all(|check| check.state != State::Wrong),
        running: facts.is_some(),
        pid: facts.as_ref().map(|facts| facts.pid),
        started_at: facts.as_ref().and_then(|facts| facts.started_at),
        last_wake,
        supervised: facts.is_some_and(|facts| facts.is_supervised),
        checks,
        agents,
        disks,
    })
}

fn the_loop(hub: &Hub, board: &Snapshot, facts: Option<&Facts>) -> Result<Check> {
    let Some(facts) = facts else {
        return Ok(bad("loop", State::Wrong, "no coordinator runs", "start it: teof run"));
    };
    if let Some(stuck) = &board.runtime.stuck {
        return Ok(bad("loop", State::Wrong, format!("does nothing any more: {}", stuck.why), stuck.fix.clone()));
    }
    let since = facts.started_at.map(|at| format!(" for {}", duration(hub.now().since(at)))).unwrap_or_default();
    Ok(ok("loop", format!("runs{since} (pid {})", facts.pid)))
}

fn wake(now: Stamp, at: Stamp) -> Check {
    let ago = now.since(at);
    match ago >= OVERSLEPT {
        true => bad("wake", State::Wrong, format!("last woke {} ago", duration(ago)), "see: teof doctor"),
        false => ok("wake", format!("last woke {} ago", duration(ago))),
    }
}

fn running<'a>(hub: &Hub, board: &'a Snapshot) -> impl Iterator<Item = Running> + 'a {
    let now = hub.now();
    board.jobs.iter().filter(|job| job.is_running()).map(move |job| Running {
        job: job.short.clone(),
        task: job.task.clone(),
        stage: job.stage.clone(),
        agent: job.agent.clone(),
        last_output: job.last_at,
        quiet_seconds: job.last_at.map(|at| now.since(at).as_secs()),
    })
}

/// Whether each agent or command gave a sign of life within the time after which its worker stops it.
fn responsive(hub: &Hub, board: &Snapshot, agents: &[Running]) -> Result<Check> {
    let worker = &hub.settings()?.worker;
    let is_silent = |one: &&Running| {
        let has_agent = board.jobs.iter().any(|job| job.short == one.job && job.has_agents);
        let limit = if has_agent { worker.no_event } else { worker.no_output };
        one.quiet_seconds.is_some_and(|quiet| !limit.is_zero() && quiet > limit.as_secs())
    };
    let name = |one: &Running| {
        let quiet = one.quiet_seconds.map(|quiet| format!(" {} ago", duration(Duration::from_secs(quiet))));
        format!(
            "{} {}{}",
            one.job,
            one.agent.as_deref().or(one.stage.as_deref()).unwrap_or("starting"),
            quiet.unwrap_or_default()
        )
    };
    if let Some(silent) = agents.iter().find(is_silent) {
        let fix =
            format!("see what it does: teof logs {}; stop it: teof coordinator cancel {}", silent.job, silent.job);
        return Ok(bad("agents", State::Wrong, format!("silent for too long: {}", name(silent)), fix));
    }
    Ok(match agents.is_empty() {
        true => ok("agents", "none runs"),
        false => ok("agents", format!("last output: {}", agents.iter().map(name).collect::<Vec<_>>().join(", "))),
    })
}

fn disk(hub: &Hub, disks: &[Room]) -> Result<Check> {
    if let Some(why) = room::lacking(hub, false)? {
        return Ok(bad("disk", State::Wrong, why, "free some space; see what uses it: teof worktree clean --dry-run"));
    }
    let least = disks.iter().map(|room| room.free >> 20).min().unwrap_or_default();
    Ok(ok("disk", format!("{least} MiB free")))
}

fn clock(now: Stamp, facts: &Facts) -> Check {
    match facts.clock_jumps.last() {
        Some(jump) if now.since(jump.at) < RECENT => {
            let ago = duration(now.since(jump.at));
            bad(
                "clock",
                State::Note,
                format!("{} ({ago} ago)", jump.describe()),
                "check that the clock is right: date -u",
            )
        }
        _ => ok("clock", "no jumps"),
    }
}

fn watcher(facts: &Facts) -> Check {
    match &facts.polling {
        Some(why) => {
            bad("watcher", State::Note, format!("files are polled: {why}"), "raise the limit; it is noticed by itself")
        }
        None => ok("watcher", "files are watched"),
    }
}

fn settings(facts: &Facts) -> Check {
    match facts.settings.as_ref().and_then(|reload| reload.refused.as_ref()) {
        Some(why) => {
            let why = format!("the old ones stay in force: {}", plain::text(why));
            bad("settings", State::Wrong, why, "check them: teof doctor")
        }
        None => ok("settings", "as on disk"),
    }
}

fn breaker(board: &Snapshot) -> Check {
    match &board.runtime.breaker.reason {
        Some(why) => bad(
            "breaker",
            State::Wrong,
            format!("open: {why}"),
            "after fixing the cause: teof coordinator reset-breaker",
        ),
        None => ok("breaker", "closed"),
    }
}

/// The last delivery to each receiver of notifications.
fn receivers(hub: &Hub) -> Result<Option<Check>> {
    let names = hub.settings()?.notify.iter().map(|receiver| receiver.label());
    let last = names.filter_map(|name| Some((name, notifications::last(hub, name)?)));
    let failed = last.filter_map(|(name, last)| Some(format!("{name}: {}", last.failed?)));
    let failed: Vec<_> = failed.collect();
    Ok((!failed.is_empty()).then(|| {
        bad("notify", State::Note, format!("not delivered to {}", failed.join("; ")), "try it: teof notify test")
    }))
}

fn render(document: &Document) -> String {
    let mut table = Table::new([Column::word("CHECK"), Column::word("STATE"), Column::text("WHAT")]);
    for check in &document.checks {
        let state = match check.state {
            State::Ok => Cell::painted(Meaning::Good, "ok"),
            State::Note => Cell::painted(Meaning::Attention, "note"),
            State::Wrong => Cell::painted(Meaning::Bad, "wrong"),
        };
        table.row([Cell::new(check.check), state, Cell::new(&check.message)]);
    }
    let fixes = document.checks.iter().filter_map(|check| Some(format!("fix: {}", text::safe(check.fix.as_ref()?))));
    [table.show().trim_end().to_owned()].into_iter().chain(fixes).collect::<Vec<_>>().join("\n")
}
