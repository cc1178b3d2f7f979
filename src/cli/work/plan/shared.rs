//! Shared by the plan commands: who edits, what counts as evidence, and warnings about the queue.

use crate::base::{Refusal, Result, env, files, text};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::guard::claim::Author;
use crate::guard::operator::{self, OPERATOR, Recognised};
use crate::hub::{Hub, Tracked};
use crate::model::plan::Plan;
use crate::ops::tasks::plan_edit::Editor;
use crate::plans::requests::queue::{self, Warning};
use crate::plans::{Evidence, PlanFile, evidence, store};
use crate::receipts::ledger;
use crate::seats::{self, freshness, manifest};

/// Who edits: the seat that is named, that this process works for, or that somebody booted in this folder; else the
/// person who gives the command. In a booted seat's folder a person says so: `--agent operator`.
///
/// # Errors
/// `operator.not_shown` (exit 6) for `--agent operator` in a booted seat's folder without a terminal or a token.
pub(super) fn editor(app: &App, flags: &Flags) -> Result<Editor> {
    let hub = app.hub()?;
    let named = flags.agent.clone().or_else(|| env::var(env::AGENT));
    let is_operator = named.as_deref() == Some(OPERATOR);
    if (named.is_none() || is_operator)
        && let Ok(recognised) = operator::require("edit a plan without a seat")
    {
        match booted_here(hub)? {
            Some(seat) if is_operator && recognised == Recognised::Neither => return Err(not_shown(&seat).into()),
            Some(_) if !is_operator => {}
            _ => return Ok(Editor::Person(app.speaker()?)),
        }
    }
    // Its epoch is checked against the claim under which it edits, once that is known.
    let author = Flags { epoch: None, ..flags.clone() }.author(hub, None)?;
    Ok(Editor::Seat(Author { epoch: flags.epoch, ..author }))
}

/// The seat of this folder, where an agent or a person booted it and its session is fresh: whoever writes here without
/// a name writes as that seat.
fn booted_here(hub: &Hub) -> Result<Option<String>> {
    let Some(seat) = manifest::current(hub)?.map(|found| found.agent().to_owned()) else { return Ok(None) };
    let is_booted = freshness::is_interactive(hub, &seat, hub.settings()?.session.max_age)?;
    Ok(is_booted.then_some(seat))
}

fn not_shown(seat: &str) -> Refusal {
    Refusal::unattended("operator.not_shown", format!("only {seat} or a person may edit plans in this folder"))
        .because(format!("{seat} has a session here, and neither a terminal nor a token shows that you are a person"))
        .next("run the command at a terminal, as a person: --agent operator")
        .next(format!("or set a token as {}: teof operator token --help", env::OPERATOR_TOKEN))
}

/// How a plan of which all steps are done is closed; `None` for another.
pub fn to_close(file: &PlanFile) -> Option<String> {
    let id = text::safe(file.id());
    let how = format!("all steps are done; if its goal is reached: teof plan checkpoint {id} satisfied");
    file.plan.awaits_checkpoint().then_some(how)
}

/// Who makes a plan: the seat that this process works for, else the person who gives the command.
///
/// # Errors
/// As [`seats::resolve`], where no person gives it.
pub(in crate::cli) fn maker(app: &App) -> Result<Editor> {
    let is_named = env::var(env::AGENT).is_some_and(|named| named != OPERATOR);
    if !is_named && operator::require("make a plan without a seat").is_ok() {
        return Ok(Editor::Person(app.speaker()?));
    }
    Ok(Editor::Seat(Author::new(seats::resolve(app.hub()?, None)?)))
}

/// What counts as tracked while work goes on: what git keeps, and what the ledger lists for the next
/// record commit.
pub(super) fn tracked(hub: &Hub) -> Result<impl Fn(&str) -> bool + use<>> {
    let git = Tracked::open(&hub.git_dir)?;
    let listed = ledger::listed(&hub.root)?;
    Ok(move |path: &str| listed.contains_key(path) || git.has(path))
}

/// Runs a check with the evidence for receipts when it is strict; git is asked only then.
pub(super) fn check<T>(hub: &Hub, strict: bool, run: impl FnOnce(Option<&dyn Fn(&str) -> Evidence>) -> T) -> Result<T> {
    if !strict {
        return Ok(run(None));
    }
    let tracked = tracked(hub)?;
    let retired = ledger::retired(&hub.root)?;
    Ok(run(Some(&|path: &str| match retired.contains(path) {
        true => Evidence::Tracked,
        false => evidence::find(&hub.root, path, &tracked),
    })))
}

/// Where a plan departs from its queue entries; a queue entry that cannot be read counts as missing.
pub(super) fn queue_warnings(hub: &Hub, path: &str, plan: &Plan) -> Vec<Warning> {
    let read = |path: &str| {
        let bytes = files::read(&hub.path(path).ok()?, files::MAX_DOCUMENT).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    queue::warnings(plan, store::id_of(path), &read)
}
