//! Before and after a tool: the claim gate, denied paths, dangerous operations, and what is edited.

use std::path::PathBuf;

use super::answer::Answer;
use super::call::Call;
use super::edits::{self, Change};
use super::record;
use super::task::{self, Held};
use crate::agents::monitor::Monitor;
use crate::agents::{self, Event};
use crate::base::{Result, text};
use crate::guard::result::{Limits, PathRules};
use crate::guard::secrets;
use crate::hub::git::tracked::Tracked;
use crate::hub::settings::Gate;
use crate::hub::{Hub, Worktree, paths};
use crate::model::run::noticed::{Action, Class, Noticed};
use crate::ops::session::boot;
use crate::seats::editing::{self, Edit, RECENT};
use crate::seats::freshness::{self, Freshness};
use crate::seats::session::Purpose;

/// Rules of this module, as the session's record names them.
const NO_CLAIM: &str = "no-claim";
const DENIED: &str = "denied-path";
const SHARED: &str = "edited-by-others";

/// A change of a file of this repository.
struct Place {
    worktree: Worktree,
    /// Relative to the worktree.
    path: String,
    is_guess: bool,
}

/// What a hook says about one operation.
struct Verdict {
    rule: &'static str,
    /// What it is about: a path.
    text: String,
    gate: Gate,
    message: String,
}

/// Decides whether a tool may run.
pub fn before_tool(hub: &Hub, call: &Call, seat: Option<&str>) -> Result<Answer> {
    let settings = hub.settings()?;
    let changes = edits::of(call, &cwd(hub, call));
    let places: Vec<Place> = changes.iter().filter_map(|change| place(hub, change)).collect();
    let mut verdicts = Vec::new();
    denied(hub, &places, &mut verdicts)?;
    if settings.hooks.claim != Gate::Off {
        unclaimed(hub, &places, seat, settings.hooks.claim, &mut verdicts)?;
    }
    if let Some(seat) = seat {
        shared(hub, &places, seat, &mut verdicts);
        renew(hub, seat);
    }
    let operation = edits::operation(call, &changes);
    let tool = call.tool.clone().unwrap_or_default();
    let mut monitor = Monitor::new(&settings.monitor, hub.here.root.clone(), secrets::redact);
    let event = Event::ToolUse { name: tool.clone(), input: String::new(), operation: operation.clone() };
    let dangers = monitor.take(&event, hub.now());
    let mut refused = Vec::new();
    let mut warned = Vec::new();
    let mut noticed = Vec::new();
    for verdict in verdicts {
        let action = if verdict.gate == Gate::Refuse { Action::Cancel } else { Action::Record };
        let list = if verdict.gate == Gate::Refuse { &mut refused } else { &mut warned };
        let (text, text_sha256) = Noticed::kept(&secrets::redact(&verdict.text));
        let kept = Noticed {
            rule: verdict.rule.to_owned(),
            class: Class::Warning,
            action,
            tool: Some(record::plain(&tool)),
            text,
            text_sha256,
            digest: String::new(),
            at: hub.now(),
            again: 0,
        };
        list.push((kept.clone(), verdict.message));
        noticed.push(kept);
    }
    for danger in dangers {
        let message = format!("{}: {}", danger.rule, danger.text);
        match (danger.action, settings.hooks.danger) {
            (Action::Cancel, _) | (Action::Notify | Action::Pause, Gate::Refuse) => {
                refused.push((danger.clone(), format!("{message}\ncause: a rule of [[monitor]] is against it")));
            }
            (Action::Notify | Action::Pause, Gate::Warn) => {
                warned.push((
                    danger.clone(),
                    format!("{message}: this is noted in the record of your session; do it only if you were asked to"),
                ));
            }
            _ => {}
        }
        noticed.push(danger);
    }
    let is_known = note(hub, call, seat, &noticed, &agents::describe_call(&tool, "", &operation, &hub.here.root))?;
    if !refused.is_empty() {
        return Ok(Answer::refused(joined(refused.into_iter().map(|(_, message)| message))));
    }
    if let Some(seat) = seat {
        note_patch(hub, call, seat)?;
    }
    // Each warning once in a session: an agent that decided to go on need not read it with every edit.
    let new = warned.into_iter().filter(|(noticed, _)| !is_known(noticed)).map(|(_, message)| message);
    let told = joined(new);
    Ok(if told.is_empty() { Answer::default() } else { Answer::context(told) })
}

/// Notes what was edited.
pub fn after_tool(hub: &Hub, call: &Call, seat: Option<&str>) -> Result<Answer> {
    let Some(seat) = seat else { return Ok(Answer::default()) };
    let changes = edits::of(call, &cwd(hub, call));
    note_edits(hub, call, seat, changes.iter().filter_map(|change| place(hub, change)).collect())?;
    Ok(Answer::default())
}

fn note_edits(hub: &Hub, call: &Call, seat: &str, places: Vec<Place>) -> Result<()> {
    let places: Vec<Place> = places.into_iter().filter(|place| !place.is_guess || place.is_tracked()).collect();
    if places.is_empty() {
        return Ok(());
    }
    let task = task::current(hub, seat)?.map(|held| held.task);
    let session = record::id(call).unwrap_or_default();
    let edit = |place: Place| Edit {
        path: text::safe(&place.path),
        worktree: place.worktree.root,
        at: hub.now(),
        session: session.clone(),
        task: task.clone(),
    };
    let edits: Vec<Edit> = places.into_iter().filter(|place| !is_record(&place.path)).map(edit).collect();
    editing::add(hub, seat, &edits)
}

fn cwd(hub: &Hub, call: &Call) -> PathBuf {
    call.cwd.clone().unwrap_or_else(|| hub.here.root.clone())
}

/// Where a change is, when it is in a worktree of this repository.
fn place(hub: &Hub, change: &Change) -> Option<Place> {
    // What a link leads to is what is changed. A file that is not there yet has a folder, or that one has.
    let there = change.path.ancestors().find(|part| part.exists())?;
    let rest = change.path.strip_prefix(there).ok()?;
    let path = there.canonicalize().ok()?.join(rest);
    let folder = path.ancestors().find(|part| part.is_dir())?;
    let worktree = Worktree::containing(folder).ok().filter(|found| found.common_dir == hub.common_dir)?;
    let path = path.strip_prefix(&worktree.root).ok()?.to_str()?.to_owned();
    Some(Place { worktree, path, is_guess: change.is_guess }).filter(|place| !place.path.is_empty())
}

impl Place {
    /// Whether git tracks it, or would: a new file that it does not ignore. A guess must be tracked.
    fn is_tracked(&self) -> bool {
        Tracked::open(&self.worktree.git_dir)
            .is_ok_and(|tracked| tracked.has(&self.path) || (!self.is_guess && !tracked.ignores(&self.path)))
    }
}

/// Whether a path belongs to the record, which the commands write. Plans and receipts are files that agents write.
fn is_record(path: &str) -> bool {
    paths::is_record(&path.to_lowercase())
}

fn denied(hub: &Hub, places: &[Place], verdicts: &mut Vec<Verdict>) -> Result<()> {
    let settings = hub.settings()?;
    if settings.hooks.denied == Gate::Off || places.is_empty() {
        return Ok(());
    }
    let guardrails = settings.guardrails();
    let rules = PathRules::new(&Limits { allowed: guardrails.allowed, denied: guardrails.denied, ..Limits::default() });
    for place in places.iter().filter(|place| !is_written_by_agents(&place.path)) {
        let Some(finding) = rules.finding(&place.path) else { continue };
        if place.is_guess && !place.is_tracked() && !is_record(&place.path) {
            continue;
        }
        let why = match (is_record(&place.path), finding.code.as_str()) {
            (true, _) => "teof's commands write the record; a file that is edited by hand breaks it".to_owned(),
            (_, "path.not_allowed") => "it is not among the paths of [guard] allowed".to_owned(),
            _ => format!("{}; results that change it are refused", finding.message),
        };
        verdicts.push(Verdict {
            rule: DENIED,
            text: place.path.clone(),
            gate: settings.hooks.denied,
            message: format!(
                "{}: do not change this path\ncause: {why}\nfix: leave it as it is; if the work needs it, ask a person to change it",
                text::safe(&place.path)
            ),
        });
    }
    Ok(())
}

/// Plans and receipts: folders of the record in which agents write files of their own.
fn is_written_by_agents(path: &str) -> bool {
    let path = path.to_lowercase();
    ["_plans/", "_report/"].iter().any(|folder| path.starts_with(folder)) && path != "_report/receipts.jsonl"
}

fn unclaimed(hub: &Hub, places: &[Place], seat: Option<&str>, gate: Gate, verdicts: &mut Vec<Verdict>) -> Result<()> {
    let gated: Vec<&Place> = places.iter().filter(|place| !is_record(&place.path) && place.is_tracked()).collect();
    if gated.is_empty() {
        return Ok(());
    }
    let held = seat.map(|seat| task::current(hub, seat)).transpose()?.flatten();
    let (why, fix) = match (seat, held) {
        (_, Some(held)) if !held.has_expired(hub) => return Ok(()),
        (Some(seat), Some(Held { task, .. })) => {
            (format!("the lease of {seat}'s claim on {task} has ended"), format!("teof bus claim {task}"))
        }
        (Some(seat), None) => (
            format!("{seat} holds no task"),
            "teof bus claim --next (or: teof task list, then teof bus claim <task>)".to_owned(),
        ),
        (None, _) => (
            "no seat acts here".to_owned(),
            "teof agent use <seat> && teof session-boot && teof bus claim --next".to_owned(),
        ),
    };
    for place in gated {
        verdicts.push(Verdict {
            rule: NO_CLAIM,
            text: place.path.clone(),
            gate,
            message: format!("{}: edited without a claim on a task\ncause: {why}\nfix: {fix}", text::safe(&place.path)),
        });
    }
    Ok(())
}

/// Warns of a path that another seat edited lately, unless this one edits it already.
fn shared(hub: &Hub, places: &[Place], seat: &str, verdicts: &mut Vec<Verdict>) {
    if places.is_empty() {
        return;
    }
    let recent = editing::recent(hub);
    for place in places {
        let others = recent.iter().filter(|(other, _)| *other != seat);
        for (other, edits) in others {
            let Some(edit) = edits.iter().find(|edit| edit.path == place.path) else { continue };
            let of_task = edit.task.as_ref().map(|task| format!(" for {task}")).unwrap_or_default();
            verdicts.push(Verdict {
                rule: SHARED,
                text: format!("{} {other}", place.path),
                gate: Gate::Warn,
                message: format!(
                    "{}: {other} edited it{of_task} within the last {}. Agree on who changes what: teof bus message --task \
                     <task> --type note --summary \"…\"",
                    text::safe(&place.path),
                    crate::base::time::show_span(RECENT)
                ),
            });
        }
    }
}

/// Keeps the seat's session fresh while its agent works, if it was booted, and the lease of its task. A failure, such
/// as a busy bus lock, changes no answer: both are renewed long before they end, and the next call tries again.
pub(super) fn renew(hub: &Hub, seat: &str) {
    let renew = || {
        if matches!(freshness::check(hub, seat, None)?, Freshness::Fresh { .. } | Freshness::Stale { .. }) {
            boot::renew_for(hub, seat, Purpose::Interactive)?;
        }
        task::current(hub, seat)?.map_or(Ok(()), |held| held.renew(hub, seat))
    };
    if let Err(e) = renew() {
        tracing::warn!("teof hook: cannot renew the session of {seat}: {}", text::safe(&format!("{e:#}")));
    }
}

/// Counts the call in the session's record. Returns what was noticed in this session before.
fn note(
    hub: &Hub,
    call: &Call,
    seat: Option<&str>,
    noticed: &[Noticed],
    described: &str,
) -> Result<impl Fn(&Noticed) -> bool + use<>> {
    const MOST: usize = 50;
    let mut before = Vec::new();
    let tool = record::plain(call.tool.as_deref().unwrap_or("?"));
    record::change(hub, call, seat, |record| {
        *record.tools.entry(tool.clone()).or_default() += 1;
        record.last_tool = Some(record::plain(described));
        before.clone_from(&record.noticed);
        for new in noticed {
            let known = record.noticed.iter_mut().find(|one| one.is_same(new));
            if let Some(known) = known {
                known.again += 1;
            } else if record.noticed.len() < MOST {
                record.noticed.push(new.clone());
            }
        }
    })?;
    Ok(move |one: &Noticed| before.iter().any(|known| known.is_same(one)))
}

fn joined(messages: impl Iterator<Item = String>) -> String {
    messages.map(|message| format!("teof: {message}")).collect::<Vec<_>>().join("\n")
}

/// Notes a patch in a command line before it runs: codex calls no hook after it.
fn note_patch(hub: &Hub, call: &Call, seat: &str) -> Result<()> {
    if edits::patch(call).is_none() || edits::is_patch_tool(call) {
        return Ok(());
    }
    let changes = edits::of(call, &cwd(hub, call));
    note_edits(hub, call, seat, changes.iter().filter_map(|change| place(hub, change)).collect())
}
