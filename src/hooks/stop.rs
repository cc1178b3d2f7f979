//! The end of a turn, of a subagent and of a session: a sign of life, and what the seat has not reported.

use std::path::{Path, PathBuf};

use super::answer::Answer;
use super::call::Call;
use super::task::{self, Held};
use super::{gate, record};
use crate::base::{Result, Stamp, digest, text};
use crate::bus::log::Log;
use crate::bus::messages;
use crate::hub::git::{self, Git};
use crate::hub::worktrees::metadata::WorktreeMetadata;
use crate::hub::worktrees::setup;
use crate::hub::{Hub, Worktree};
use crate::plans;
use crate::seats::editing::{self, Edit};
use crate::sessions::{LocalStorage, SessionStorage, Status};

/// How many messages of a task are searched for the seat's own.
const MESSAGES: usize = 50;

/// The program wants to stop: once, it is told what is missing.
pub fn stop(hub: &Hub, call: &Call, seat: Option<&str>) -> Result<Answer> {
    if let Some(seat) = seat {
        gate::renew(hub, seat);
    }
    let missing = missing(hub, call, seat)?;
    remind(hub, call, seat, missing, |_| {})
}

/// A subagent ends.
pub fn subagent(hub: &Hub, call: &Call, seat: Option<&str>) -> Result<Answer> {
    // What it did is its program's to report, unless it edited files itself.
    let own = record::id(call);
    let edited = seat.is_some_and(|seat| editing::of(hub, seat).iter().any(|edit| Some(&edit.session) == own.as_ref()));
    let missing = if edited { missing(hub, call, seat)? } else { Vec::new() };
    let answer = remind(hub, call, seat, missing, |record| {
        record.last_message = call.last_message.as_deref().map(record::plain)
    })?;
    if answer == Answer::default() {
        let now = hub.now();
        record::change(hub, call, seat, |record| (record.status, record.ended_at) = (Status::Done, Some(now)))?;
    }
    Ok(answer)
}

/// The program's session ends: its record, its subagents', and the worktrees that a hook made for it and nothing was
/// done in.
pub fn end(hub: &Hub, call: &Call) -> Result<Answer> {
    let Some(id) = record::main_id(call) else { return Ok(Answer::default()) };
    let storage = LocalStorage::of(hub);
    let Some(known) = storage.get(&id)? else { return Ok(Answer::default()) };
    let now = hub.now();
    // After these the program goes on, perhaps in such a worktree.
    let goes_on = call.reason.as_deref().is_some_and(|reason| matches!(reason, "clear" | "resume"));
    let is_left = |path: &&PathBuf| goes_on || !remove(hub, path);
    let left: Vec<_> = known.made_worktrees.iter().filter(is_left).cloned().collect();
    let own = Call { subagent: None, ..call.clone() };
    record::change(hub, &own, None, |record| {
        (record.status, record.ended_at) = (Status::Done, Some(now));
        record.made_worktrees.clone_from(&left);
    })?;
    let of_it =
        |one: &&crate::sessions::SessionRecord| one.started_by.as_ref() == Some(&id) && one.process == known.process;
    for subagent in storage.list()?.sessions.iter().filter(of_it).filter(|one| !one.status.is_over()) {
        storage.update(&subagent.id, &mut |record| {
            (record.status, record.ended_at) = (Status::Done, Some(now));
            Ok(())
        })?;
    }
    Ok(Answer::default())
}

/// Removes a worktree in which nothing was done: git keeps one with changes. One with ignored files besides those that
/// teof copied there, with copies that are not as their originals, or with commits that no other branch has, is kept
/// too.
fn remove(hub: &Hub, path: &Path) -> bool {
    let Some(worktree) = Worktree::at(path).filter(|found| found.common_dir == hub.common_dir) else {
        return !path.exists();
    };
    let Some(shown) = path.to_str() else { return false };
    let branch = worktree.branch();
    let git = Git::named(&worktree.root, &worktree.git_dir);
    let others = branch.as_ref().map(|branch| format!("--exclude={branch}"));
    let mut own = vec!["rev-list", "--max-count=1", "HEAD", "--not"];
    own.extend(others.as_deref());
    own.extend(["--branches", "--remotes"]);
    let is_unused = |printed: Result<String>| printed.is_ok_and(|printed| printed.trim().is_empty());
    let metadata = WorktreeMetadata::read(&worktree.git_dir);
    let mut copies = setup::Comparison::new(hub, &worktree.root);
    let mut is_copy = |line: &str| {
        let path = line.strip_prefix("!! ").or_else(|| line.strip_prefix("?? "));
        path.is_some_and(|path| metadata.is_copied(Path::new(path)) && copies.is_same(path))
    };
    let status = ["status", "--porcelain", "--ignored", "--untracked-files=all", "-z", git::OUTSIDE_SUBMODULES];
    let changed = git.run(&status);
    let is_unchanged = changed.is_ok_and(|changed| changed.split('\0').all(|line| line.is_empty() || is_copy(line)));
    if !is_unused(git.run(&own)) || !is_unchanged {
        return false;
    }
    if hub.git().run(&["worktree", "remove", shown]).is_err() {
        return false;
    }
    if let Some(branch) = branch {
        let _kept = hub.git().run(&["branch", "--quiet", "--delete", &branch]);
    }
    true
}

/// Tells what is missing, unless it was told before.
fn remind(
    hub: &Hub,
    call: &Call,
    seat: Option<&str>,
    missing: Vec<String>,
    mut also: impl FnMut(&mut crate::sessions::SessionRecord),
) -> Result<Answer> {
    let told = missing.join("\n");
    // Subagents and their program are told the same thing once.
    let key = digest::sha256(told.as_bytes());
    let main = Call { subagent: None, kind: None, ..call.clone() };
    let mut is_new = false;
    record::change(hub, call, seat, &mut also)?;
    if !missing.is_empty() && !call.is_continued && hub.settings()?.hooks.remind {
        record::change(hub, &main, seat, |record| {
            is_new = record.reminded.as_ref() != Some(&key);
            record.reminded = Some(key.clone());
        })?;
    }
    Ok(match is_new {
        true => Answer { unfinished: Some(format!("teof: before you stop:\n{told}")), ..Answer::default() },
        false => Answer::default(),
    })
}

/// What the seat has not reported of what this session edited.
fn missing(hub: &Hub, call: &Call, seat: Option<&str>) -> Result<Vec<String>> {
    let (Some(seat), Some(session)) = (seat, record::main_id(call)) else { return Ok(Vec::new()) };
    let of_session = |edit: &Edit| edit.session.split('.').next() == Some(&session);
    let edits: Vec<Edit> = editing::of(hub, seat).into_iter().filter(of_session).collect();
    let mut found = Vec::new();
    for held in task::all(hub, seat)? {
        let edits: Vec<&Edit> = edits.iter().filter(|edit| edit.task.as_ref() == Some(&held.task)).collect();
        let Some(last) = edits.iter().map(|edit| edit.at).max() else { continue };
        if !has_reported(hub, seat, &held.task, last)? {
            found.push(format!(
                "- {}: nothing was reported since {} changed. Report it: teof bus event --event status --task {} \
                 --summary \"…\" (done: --event complete)",
                held.task,
                editing::describe(edits.iter().rev().copied()),
                text::shell_word(&held.task)
            ));
        }
        found.extend(without_receipt(hub, &held));
    }
    Ok(found)
}

/// Whether the seat wrote an event or a message about the task since then.
fn has_reported(hub: &Hub, seat: &str, task: &str, since: Stamp) -> Result<bool> {
    // What the commands write by themselves when a task is taken.
    const OWN: [&str; 4] = ["handshake", "claim", "assign", "assignment"];
    let is_own = |kind: Option<&str>| kind.is_some_and(|kind| OWN.contains(&kind));
    let log = Log::read(hub)?;
    let events = log.latest(Some(since), 1, |event| {
        event.agent_id.as_deref() == Some(seat)
            && event.task_id.as_deref() == Some(task)
            && !is_own(event.event.as_deref())
    })?;
    if !events.is_empty() {
        return Ok(true);
    }
    let messages = messages::tail(hub, task, MESSAGES)?;
    Ok(messages.iter().any(|message| {
        message.from() == Some(seat) && !is_own(message.kind()) && message.at().is_some_and(|at| at >= since)
    }))
}

/// The plan step of a task that was edited for and has no receipt yet.
fn without_receipt(hub: &Hub, held: &Held) -> Option<String> {
    let plan = plans::find(hub, held.claim.plan_id()?).ok()?;
    let steps = plan.plan.steps();
    let is_named = |step: &&crate::model::plan::Step<'_>| {
        step.id().is_some_and(|id| plan.plan.task_of(plan.id(), id) == held.task)
    };
    let step = steps.iter().find(is_named).copied().or_else(|| plan.plan.current_step())?;
    let id = step.id()?;
    step.receipts().is_empty().then(|| {
        format!(
            "- {}: its step {} has no receipt. Attach the evidence: teof plan attach {} {} --file <path>",
            held.task,
            text::safe(id),
            text::shell_word(plan.id()),
            text::shell_word(id)
        )
    })
}
